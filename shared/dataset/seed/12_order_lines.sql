-- The lines of the orders numbered $1 to $2, by $3 subscribers. $4: see seed.line_meal.
INSERT INTO order_lines (order_id, user_id, position, meal_id, name, quantity, price_cents)
SELECT 'seed-' || lpad(o::text, 7, '0'), 'u' || lpad((1 + seed.pick(o, 1, $3))::text, 7, '0'), k,
       menu.id, menu.name, seed.line_quantity(o, k), menu.price
FROM generate_series($1::bigint, $2::bigint) o
CROSS JOIN LATERAL generate_series(1, seed.line_count(o)) k
JOIN seed.menu ON menu.n = seed.line_meal(o, k, $4)
