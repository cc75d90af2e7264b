-- The 500 meals: each dish of each cuisine with each main of that cuisine. Consecutive numbers
-- differ in cuisine, so that each range of meals is varied.
CREATE TABLE seed.menu AS
SELECT meal.n, 'm' || lpad(meal.n::text, 4, '0') AS id, dish.name || ' with ' || main.name AS name, cuisine.n AS cuisine,
       main.name AS main, main.holds AS main_holds, dish.starch, cuisine.vegetables, cuisine.flavours, cuisine.fat,
       15 + 5 * seed.pick(meal.n, 41, 7) AS minutes,
       640 + 10 * seed.pick(meal.n, 42, 40) + CASE WHEN main.holds ~ 'meat|fish' THEN 180 ELSE 0 END AS price
FROM generate_series(1, 500) meal (n)
JOIN seed.cuisines cuisine ON cuisine.n = (meal.n - 1) % 10
JOIN seed.dishes dish ON dish.cuisine = cuisine.n AND dish.n = (meal.n - 1) / 50
JOIN seed.pantry main ON main.name = cuisine.mains[1 + (meal.n - 1) / 10 % 5]
