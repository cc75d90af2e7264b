-- Every fifth of the $1 subscribers has two of the $2 meals in the cart. Only subscribers for whom $3
-- is true are inserted, unless it is null.
WITH cart AS (
    INSERT INTO carts (user_id, changed_at)
    SELECT 'u' || lpad(n::text, 7, '0'), timestamptz '2025-12-31 12:00:00+00'
    FROM generate_series(5, $1::integer, 5) n WHERE coalesce(($3::boolean[])[n], true) RETURNING user_id
)
INSERT INTO cart_lines (user_id, meal_id, quantity)
SELECT user_id, menu.id, 2
FROM (SELECT user_id, substr(user_id, 2)::bigint AS n FROM cart) cart
CROSS JOIN generate_series(0, 1) k
JOIN seed.menu ON menu.n = 1 + seed.pick(cart.n, 91 + k, $2 / 2) * 2 + k
