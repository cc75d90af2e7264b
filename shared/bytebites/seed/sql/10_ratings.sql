-- Three ratings by each of the $1 subscribers, one in each third of the $2 meals. Within a third
-- all meals are rated equally often. Some meals get more stars than others.
-- Only ratings by subscribers for whom $3 is true are inserted, unless it is null.
INSERT INTO ratings (user_id, meal_id, stars)
SELECT 'u' || lpad(u::text, 7, '0'), menu.id,
       CASE seed.pick(u * 3 + k, 101, 12) WHEN 0 THEN 1 ELSE least(5, 2 + menu.quality + seed.pick(u * 3 + k, 102, 3)) END
FROM generate_series(1, $1::integer) u
CROSS JOIN generate_series(0, 2) k
JOIN (SELECT *, seed.pick(menu.n, 103, 3) AS quality FROM seed.menu) menu ON menu.n = 1 + seed.pick(u * 3 + k, 104, $2 / 3) * 3 + k
WHERE coalesce(($3::boolean[])[u], true)
