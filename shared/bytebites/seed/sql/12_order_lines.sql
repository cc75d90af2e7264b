-- The lines of the orders with numbers $1 to $2, by $3 subscribers. $4 is ranks of seed.line_meal.
-- Only orders by subscribers for whom $5 is true have lines, unless it is null.
-- With OFFSET 0, the values that an order's lines share are computed once for each order.
INSERT INTO order_lines (order_id, user_id, position, meal_id, name, quantity, price_cents)
SELECT ordered.id, ordered.user_id, k, menu.id, menu.name, seed.line_quantity(ordered.n, k), menu.price
FROM (
    SELECT n, 'seed-' || lpad(n::text, 7, '0') AS id, 'u' || lpad((1 + seed.pick(n, 1, $3))::text, 7, '0') AS user_id,
           seed.line_count(n) AS lines
    FROM generate_series($1::bigint, $2::bigint) n
    WHERE coalesce(($5::boolean[])[1 + seed.pick(n, 1, $3)], true) OFFSET 0
) ordered
JOIN (VALUES (1), (2), (3), (4)) line (k) ON k <= ordered.lines
JOIN seed.menu ON menu.n = seed.line_meal(ordered.n, k, $4)
