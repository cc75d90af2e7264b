-- Nutrition and diets are computed from the ingredients. The taste of a meal is close to the
-- taste of its cuisine, less close to that of its main, and has a small part of its own.
INSERT INTO meals (id, name, description, cuisine, diets, price_cents, prep_minutes, kilocalories,
                   protein_grams, carb_grams, fat_grams, fibre_grams, salt_milligrams, taste)
SELECT menu.id, menu.name,
       format('%s from our %s kitchen: %s and %s, with %s to fill you up. On the table in %s minutes.',
              menu.name, initcap(cuisine.name), menu.main, kit.greens, menu.starch, menu.minutes),
       cuisine.name, ARRAY(
           SELECT diet FROM (VALUES
               ('dairy-free', kit.holds !~ 'dairy'),
               ('gluten-free', kit.holds !~ 'gluten'),
               ('high-protein', kit.protein >= 35),
               ('low-carb', kit.carb <= 60),
               ('pescatarian', kit.holds !~ 'meat'),
               ('vegan', kit.holds !~ 'meat|fish|dairy|egg'),
               ('vegetarian', kit.holds !~ 'meat|fish')
           ) AS rule (diet, fits) WHERE fits ORDER BY diet COLLATE "C"
       ),
       menu.price, menu.minutes, kit.kcal, kit.protein, kit.carb, kit.fat, kit.fibre, kit.salt, taste.vector
FROM seed.menu
JOIN seed.cuisines cuisine ON cuisine.n = menu.cuisine
CROSS JOIN LATERAL (
    SELECT round(sum(grams * kcal) / 100.0) AS kcal, round(sum(grams * protein) / 100) AS protein,
           round(sum(grams * carb) / 100) AS carb, round(sum(grams * pantry.fat) / 100) AS fat,
           round(sum(grams * fibre) / 100) AS fibre, round(sum(grams * salt) / 100.0) AS salt,
           string_agg(holds, ' ') AS holds,
           string_agg(ingredients.name, ', ' ORDER BY position) FILTER (WHERE position BETWEEN 3 AND 5) AS greens
    FROM ingredients JOIN seed.pantry USING (name) WHERE meal_id = menu.id
) kit
CROSS JOIN LATERAL (
    SELECT array_agg((value / length)::real ORDER BY d) AS vector
    FROM (
        SELECT d, value, sqrt(sum(value * value) OVER ()) AS length
        FROM generate_series(1, 64) d
        CROSS JOIN LATERAL (
            SELECT 0.75 * seed.bell(menu.cuisine * 100 + d, 51)
                 + 0.45 * seed.bell((hashtextextended(menu.main, 0) & 65535) * 100 + d, 55)
                 + 0.40 * seed.bell(menu.n * 100 + d, 61) AS value
        ) point
    ) points
) taste
ORDER BY menu.n
