-- The last $2 meals have $3 portions each, and all other meals $1.
INSERT INTO stock (meal_id, stocked, available)
SELECT id, portions, portions
FROM (SELECT id, CASE WHEN row_number() OVER (ORDER BY id DESC) <= $2 THEN $3 ELSE $1 END::integer AS portions FROM meals) shelf
ORDER BY id
