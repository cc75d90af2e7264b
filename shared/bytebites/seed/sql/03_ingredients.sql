-- Eight ingredients a meal: the starch, the main, three vegetables, two flavours, and the fat.
-- The vegetables, and the flavours, are consecutive in the cuisine's list.
INSERT INTO ingredients (meal_id, position, name, grams, supplier)
SELECT menu.id, part.position, part.name, part.grams, pantry.supplier
FROM seed.menu
CROSS JOIN LATERAL (
    SELECT 1 AS position, starch AS name,
           CASE WHEN starch ~ 'potatoes' THEN 240 WHEN starch = 'gnocchi' THEN 200 ELSE 80 END + 10 * seed.pick(n, 43, 4) AS grams
    UNION ALL SELECT 2, main, CASE main WHEN 'red lentils' THEN 60 WHEN 'green lentils' THEN 60 ELSE 110 END + 10 * seed.pick(n, 44, 5)
    UNION ALL SELECT 2 + k, vegetables[1 + (seed.pick(n, 45, 7) + k) % 7], 50 + 10 * seed.pick(n, 45 + k, 5)
              FROM generate_series(1, 3) k
    UNION ALL SELECT 5 + k, flavours[1 + (seed.pick(n, 49, 5) + k) % 5], 5 + seed.pick(n, 49 + k, 8)
              FROM generate_series(1, 2) k
    UNION ALL SELECT 8, fat, CASE fat WHEN 'coconut milk' THEN 80 ELSE 10 END
) part
JOIN seed.pantry ON pantry.name = part.name
ORDER BY menu.n, part.position
