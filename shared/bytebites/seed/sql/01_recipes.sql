-- The ingredients of meals. They are in their own schema, which the last step drops.
CREATE SCHEMA seed;

-- pick returns a pseudo-random number from 0 to choices-1 for n. Unlike random(), it returns the
-- same number on every machine. Draws with different salts are independent.
CREATE FUNCTION seed.pick(n bigint, salt bigint, choices bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashint8extended(n, salt) & 9223372036854775807) % choices;

-- bell returns a pseudo-random number around 0. Most of its results are between -1 and 1.
CREATE FUNCTION seed.bell(n bigint, salt bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (seed.pick(n, salt, 1000000) + seed.pick(n, salt + 1, 1000000) + seed.pick(n, salt + 2, 1000000)
            - 1500000) / 500000.0::double precision;

-- The lines of the n-th order: their number, and the meal and portions of line k (from 1). ranks
-- has 8,192 slots with the numbers of groups of four meals. The share of a group is the share of
-- orders that pick it. Each line takes its meal from another position in its group, so no meal
-- comes twice.
CREATE FUNCTION seed.line_count(n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (ARRAY[1, 1, 2, 2, 2, 3, 3, 3, 4, 4])[1 + seed.pick(n, 11, 10)];
CREATE FUNCTION seed.line_meal(n bigint, k bigint, ranks integer[]) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 4 * (ranks[1 + seed.pick(n, 20 + k, 8192)] - 1)
           + ((ARRAY[0, 0, 0, 0, 1, 1, 1, 2, 2, 3])[1 + seed.pick(n, 12, 10)] # (k - 1)) + 1;
CREATE FUNCTION seed.line_quantity(n bigint, k bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (ARRAY[1, 1, 2, 2, 2, 2, 3, 4])[1 + seed.pick(n, 30 + k, 8)];

-- The nutrients of 100 g: kcal and grams, salt in milligrams. holds names a component that some
-- diets exclude.
CREATE TABLE seed.pantry (
    name text PRIMARY KEY, supplier text NOT NULL,
    kcal integer NOT NULL, protein numeric NOT NULL, carb numeric NOT NULL, fat numeric NOT NULL,
    fibre numeric NOT NULL, salt integer NOT NULL, holds text NOT NULL DEFAULT ''
);
INSERT INTO seed.pantry VALUES
('basmati rice', 'Kornkammer', 356, 8.5, 77, 1, 1.8, 5, ''),
('jasmine rice', 'Kornkammer', 351, 7, 78, 0.8, 1.4, 5, ''),
('sushi rice', 'Kornkammer', 350, 6.5, 78, 0.6, 1, 5, ''),
('arborio rice', 'Kornkammer', 349, 7, 77, 0.7, 1.5, 5, ''),
('brown rice', 'Kornkammer', 357, 7.6, 73, 2.8, 3.5, 5, ''),
('bulgur', 'Kornkammer', 342, 12, 69, 1.3, 9, 20, 'gluten'),
('couscous', 'Kornkammer', 354, 12, 72, 1, 5, 10, 'gluten'),
('quinoa', 'Kornkammer', 368, 14, 64, 6, 7, 10, ''),
('pearl barley', 'Kornkammer', 340, 10, 70, 1.5, 12, 10, 'gluten'),
('polenta', 'Kornkammer', 349, 8, 74, 1.5, 3, 5, ''),
('spaghetti', 'Pastificio Riva', 359, 13, 71, 1.7, 3, 10, 'gluten'),
('penne', 'Pastificio Riva', 359, 13, 71, 1.7, 3, 10, 'gluten'),
('tagliatelle', 'Pastificio Riva', 364, 14, 69, 3.5, 3, 60, 'gluten egg'),
('gnocchi', 'Pastificio Riva', 160, 4, 34, 0.5, 2, 900, 'gluten'),
('orzo', 'Pastificio Riva', 357, 12.5, 72, 1.6, 3, 10, 'gluten'),
('rice noodles', 'Orient Handel', 360, 7, 80, 0.6, 1.6, 90, ''),
('udon noodles', 'Orient Handel', 270, 7, 56, 1.2, 2.5, 600, 'gluten'),
('soba noodles', 'Orient Handel', 336, 14, 70, 0.9, 5, 500, 'gluten'),
('ramen noodles', 'Orient Handel', 330, 11, 66, 2, 3, 700, 'gluten egg'),
('glass noodles', 'Orient Handel', 351, 0.3, 86, 0.1, 0.5, 10, ''),
('egg noodles', 'Orient Handel', 362, 13, 70, 3, 3, 500, 'gluten egg'),
('potatoes', 'Hof Lindenau', 77, 2, 17, 0.1, 2.2, 6, ''),
('sweet potatoes', 'Hof Lindenau', 86, 1.6, 20, 0.1, 3, 55, ''),
('flatbread', 'Backstube Arndt', 290, 9, 55, 3, 3, 1100, 'gluten'),
('pita bread', 'Backstube Arndt', 275, 9, 55, 1.2, 2.5, 1000, 'gluten'),
('brioche bun', 'Backstube Arndt', 330, 9, 50, 10, 2.5, 1000, 'gluten egg dairy'),
('wheat tortillas', 'Backstube Arndt', 310, 8, 50, 8, 3, 1200, 'gluten'),
('corn tortillas', 'Mercado Sol', 218, 5.7, 45, 2.9, 6, 100, ''),
('pizza dough', 'Backstube Arndt', 250, 8, 48, 3, 2.5, 1200, 'gluten'),
('puff pastry', 'Backstube Arndt', 390, 6, 37, 24, 2, 900, 'gluten dairy'),
('chicken breast', 'Landgut Weber', 110, 23, 0, 1.5, 0, 150, 'meat'),
('chicken thighs', 'Landgut Weber', 160, 19, 0, 9, 0, 200, 'meat'),
('beef strips', 'Landgut Weber', 150, 22, 0, 7, 0, 150, 'meat'),
('minced beef', 'Landgut Weber', 220, 20, 0, 15, 0, 180, 'meat'),
('pork tenderloin', 'Landgut Weber', 120, 22, 0, 3.5, 0, 140, 'meat'),
('pork belly', 'Landgut Weber', 360, 15, 0, 33, 0, 150, 'meat'),
('lamb mince', 'Landgut Weber', 235, 18, 0, 18, 0, 170, 'meat'),
('turkey escalope', 'Landgut Weber', 107, 24, 0, 1, 0, 130, 'meat'),
('duck breast', 'Landgut Weber', 200, 19, 0, 13, 0, 160, 'meat'),
('chorizo', 'Mercado Sol', 455, 24, 2, 38, 0, 3000, 'meat'),
('merguez', 'Landgut Weber', 300, 15, 2, 26, 0, 1800, 'meat'),
('bacon', 'Landgut Weber', 280, 17, 0.5, 23, 0, 2600, 'meat'),
('salmon fillet', 'Nordsee Fang', 205, 20, 0, 13, 0, 110, 'fish'),
('cod fillet', 'Nordsee Fang', 82, 18, 0, 0.7, 0, 200, 'fish'),
('prawns', 'Nordsee Fang', 85, 20, 0, 0.5, 0, 600, 'fish'),
('tuna steak', 'Nordsee Fang', 130, 28, 0, 1, 0, 110, 'fish'),
('squid', 'Nordsee Fang', 92, 16, 3, 1.4, 0, 300, 'fish'),
('smoked trout', 'Nordsee Fang', 150, 23, 0, 6, 0, 2000, 'fish'),
('firm tofu', 'Sojamanufaktur', 144, 15, 3, 8.5, 2, 20, ''),
('smoked tofu', 'Sojamanufaktur', 170, 17, 2, 10, 2, 1000, ''),
('tempeh', 'Sojamanufaktur', 192, 19, 8, 11, 6, 20, ''),
('seitan', 'Sojamanufaktur', 150, 26, 6, 2, 1, 1200, 'gluten'),
('chickpeas', 'Huelsenfruechte Nord', 120, 7, 18, 2, 6, 300, ''),
('black beans', 'Huelsenfruechte Nord', 115, 8, 19, 0.5, 7, 300, ''),
('kidney beans', 'Huelsenfruechte Nord', 110, 8, 17, 0.5, 7, 300, ''),
('white beans', 'Huelsenfruechte Nord', 105, 7, 17, 0.5, 6, 300, ''),
('red lentils', 'Huelsenfruechte Nord', 340, 25, 55, 2, 11, 10, ''),
('green lentils', 'Huelsenfruechte Nord', 320, 24, 50, 1.5, 14, 10, ''),
('edamame', 'Sojamanufaktur', 121, 12, 9, 5, 5, 15, ''),
('halloumi', 'Kaeserei Alpsee', 320, 22, 2, 25, 0, 2700, 'dairy'),
('feta', 'Kaeserei Alpsee', 265, 15, 1, 22, 0, 2600, 'dairy'),
('paneer', 'Kaeserei Alpsee', 300, 19, 3, 23, 0, 50, 'dairy'),
('mozzarella', 'Kaeserei Alpsee', 240, 18, 2, 18, 0, 600, 'dairy'),
('camembert', 'Kaeserei Alpsee', 290, 20, 0.5, 23, 0, 1600, 'dairy'),
('goat cheese', 'Kaeserei Alpsee', 280, 18, 1, 22, 0, 1200, 'dairy'),
('eggs', 'Landgut Weber', 140, 12.5, 0.7, 10, 0, 350, 'egg'),
('mushrooms', 'Pilzhof Ahrens', 25, 3, 2, 0.4, 1.5, 15, ''),
('king oyster mushrooms', 'Pilzhof Ahrens', 35, 3, 5, 0.4, 2.5, 15, ''),
('shiitake', 'Pilzhof Ahrens', 34, 2.2, 6, 0.5, 2.5, 10, ''),
('aubergine', 'Hof Lindenau', 25, 1, 4, 0.2, 3, 5, ''),
('courgette', 'Hof Lindenau', 18, 1.3, 2.5, 0.3, 1, 10, ''),
('red pepper', 'Hof Lindenau', 30, 1, 6, 0.3, 2, 5, ''),
('tomatoes', 'Hof Lindenau', 19, 0.9, 3, 0.2, 1.2, 10, ''),
('cherry tomatoes', 'Hof Lindenau', 22, 1, 4, 0.2, 1.3, 10, ''),
('tinned tomatoes', 'Conserve Bellini', 24, 1.2, 4, 0.2, 1.2, 250, ''),
('spinach', 'Hof Lindenau', 23, 2.8, 1, 0.5, 2.3, 150, ''),
('kale', 'Hof Lindenau', 40, 3.5, 4, 0.9, 4, 90, ''),
('pak choi', 'Hof Lindenau', 14, 1.5, 1.5, 0.2, 1, 160, ''),
('white cabbage', 'Hof Lindenau', 26, 1.3, 4.5, 0.2, 3, 30, ''),
('red cabbage', 'Hof Lindenau', 28, 1.4, 5, 0.2, 2.5, 40, ''),
('broccoli', 'Hof Lindenau', 34, 3.3, 3, 0.4, 3, 60, ''),
('cauliflower', 'Hof Lindenau', 25, 2, 3, 0.3, 2.5, 60, ''),
('carrots', 'Hof Lindenau', 38, 0.9, 7, 0.2, 3, 120, ''),
('onion', 'Hof Lindenau', 38, 1.1, 7.5, 0.1, 1.7, 10, ''),
('red onion', 'Hof Lindenau', 39, 1.1, 7.8, 0.1, 1.7, 10, ''),
('spring onion', 'Hof Lindenau', 32, 1.8, 5, 0.2, 2.5, 30, ''),
('leek', 'Hof Lindenau', 31, 1.5, 5, 0.3, 2, 40, ''),
('fennel', 'Hof Lindenau', 28, 1.2, 4, 0.2, 3, 100, ''),
('celeriac', 'Hof Lindenau', 40, 1.5, 7, 0.3, 3, 200, ''),
('parsnip', 'Hof Lindenau', 70, 1.2, 15, 0.3, 4.5, 20, ''),
('beetroot', 'Hof Lindenau', 43, 1.6, 8.5, 0.2, 2.8, 150, ''),
('pumpkin', 'Hof Lindenau', 35, 1, 7, 0.1, 2, 5, ''),
('green beans', 'Hof Lindenau', 31, 1.8, 5, 0.2, 3, 10, ''),
('peas', 'Hof Lindenau', 80, 5.5, 12, 0.5, 5, 10, ''),
('sugar snaps', 'Hof Lindenau', 42, 2.8, 7, 0.2, 2.6, 10, ''),
('sweetcorn', 'Hof Lindenau', 90, 3.2, 17, 1.3, 2.7, 20, ''),
('cucumber', 'Hof Lindenau', 14, 0.6, 2, 0.2, 0.7, 5, ''),
('radishes', 'Hof Lindenau', 16, 0.8, 2, 0.1, 1.6, 80, ''),
('avocado', 'Mercado Sol', 160, 2, 2, 15, 6.5, 10, ''),
('mango', 'Mercado Sol', 60, 0.8, 14, 0.4, 1.6, 5, ''),
('pineapple', 'Mercado Sol', 50, 0.5, 12, 0.1, 1.4, 5, ''),
('bean sprouts', 'Sojamanufaktur', 30, 3, 4, 0.2, 1.8, 10, ''),
('bamboo shoots', 'Orient Handel', 27, 2.6, 3, 0.3, 2.2, 10, ''),
('sauerkraut', 'Conserve Bellini', 20, 1, 2.5, 0.1, 2.5, 1600, ''),
('garlic', 'Gewuerzkontor', 140, 6, 28, 0.5, 2, 40, ''),
('ginger', 'Gewuerzkontor', 80, 1.8, 16, 0.8, 2, 30, ''),
('lemongrass', 'Gewuerzkontor', 99, 1.8, 25, 0.5, 1, 15, ''),
('coriander', 'Gewuerzkontor', 23, 2, 1, 0.5, 2.8, 100, ''),
('basil', 'Gewuerzkontor', 23, 3, 1, 0.6, 1.6, 10, ''),
('mint', 'Gewuerzkontor', 44, 3.3, 5, 0.7, 7, 70, ''),
('dill', 'Gewuerzkontor', 43, 3.5, 5, 1.1, 2, 150, ''),
('parsley', 'Gewuerzkontor', 36, 3, 4, 0.8, 3.3, 140, ''),
('cumin', 'Gewuerzkontor', 375, 18, 34, 22, 10, 400, ''),
('garam masala', 'Gewuerzkontor', 380, 15, 45, 15, 20, 240, ''),
('smoked paprika', 'Gewuerzkontor', 282, 14, 20, 13, 35, 170, ''),
('ras el hanout', 'Gewuerzkontor', 330, 12, 40, 12, 20, 200, ''),
('za''atar', 'Gewuerzkontor', 310, 10, 30, 16, 20, 3000, ''),
('mustard', 'Gewuerzkontor', 150, 7, 6, 10, 4, 5500, ''),
('capers', 'Conserve Bellini', 25, 2.4, 2, 0.9, 3, 7000, ''),
('olives', 'Conserve Bellini', 150, 1, 3, 15, 3, 3300, ''),
('red curry paste', 'Orient Handel', 120, 2, 12, 7, 5, 6000, ''),
('green curry paste', 'Orient Handel', 115, 2, 11, 7, 5, 6000, ''),
('gochujang', 'Orient Handel', 220, 5, 45, 1.5, 3, 6500, 'gluten'),
('kimchi', 'Orient Handel', 30, 1.8, 3, 0.5, 2, 1800, ''),
('miso paste', 'Orient Handel', 200, 12, 24, 6, 5, 11000, ''),
('tamari', 'Orient Handel', 75, 10, 6, 0.1, 0.8, 15000, ''),
('rice vinegar', 'Orient Handel', 20, 0.1, 0.5, 0, 0, 10, ''),
('peanuts', 'Orient Handel', 570, 26, 10, 48, 8, 10, ''),
('cashews', 'Orient Handel', 570, 18, 28, 45, 3.5, 15, ''),
('tahini', 'Gewuerzkontor', 600, 20, 10, 54, 9, 60, ''),
('chipotle paste', 'Mercado Sol', 120, 2, 15, 5, 6, 3500, ''),
('lime', 'Mercado Sol', 30, 0.7, 2, 0.2, 2.8, 5, ''),
('lemon', 'Mercado Sol', 30, 1, 3, 0.3, 2.8, 5, ''),
('cream', 'Kaeserei Alpsee', 290, 2.3, 3.3, 30, 0, 80, 'dairy'),
('butter', 'Kaeserei Alpsee', 740, 0.7, 0.6, 82, 0, 20, 'dairy'),
('coconut milk', 'Orient Handel', 190, 1.8, 3, 19, 1, 40, ''),
('olive oil', 'Conserve Bellini', 880, 0, 0, 99, 0, 0, ''),
('rapeseed oil', 'Hof Lindenau', 880, 0, 0, 99, 0, 0, ''),
('sesame oil', 'Orient Handel', 880, 0, 0, 99, 0, 0, '');

-- Ten cuisines, numbered from 0. seed.dishes refers to these numbers.
CREATE TABLE seed.cuisines (
    n integer PRIMARY KEY, name text NOT NULL,
    mains text[] NOT NULL, vegetables text[] NOT NULL, flavours text[] NOT NULL, fat text NOT NULL
);
INSERT INTO seed.cuisines VALUES
(0, 'italian', '{chicken breast,minced beef,prawns,white beans,mozzarella}',
 '{cherry tomatoes,courgette,aubergine,fennel,spinach,red onion,mushrooms}', '{basil,garlic,capers,olives,lemon}', 'olive oil'),
(1, 'thai', '{chicken thighs,beef strips,prawns,firm tofu,tempeh}',
 '{red pepper,sugar snaps,bean sprouts,pak choi,carrots,bamboo shoots,pineapple}', '{lemongrass,ginger,coriander,lime,peanuts}', 'coconut milk'),
(2, 'mexican', '{chicken thighs,minced beef,chorizo,black beans,cod fillet}',
 '{sweetcorn,red pepper,avocado,tomatoes,red onion,mango,radishes}', '{chipotle paste,lime,coriander,cumin,smoked paprika}', 'rapeseed oil'),
(3, 'indian', '{chicken breast,lamb mince,paneer,chickpeas,red lentils}',
 '{spinach,cauliflower,peas,tinned tomatoes,onion,aubergine,green beans}', '{garam masala,ginger,garlic,coriander,cashews}', 'rapeseed oil'),
(4, 'japanese', '{salmon fillet,chicken thighs,tuna steak,firm tofu,king oyster mushrooms}',
 '{pak choi,edamame,carrots,cucumber,shiitake,spring onion,radishes}', '{miso paste,tamari,ginger,rice vinegar,lime}', 'sesame oil'),
(5, 'french', '{duck breast,turkey escalope,cod fillet,camembert,green lentils}',
 '{leek,carrots,green beans,celeriac,mushrooms,fennel,peas}', '{mustard,parsley,garlic,capers,lemon}', 'butter'),
(6, 'german', '{pork tenderloin,minced beef,smoked trout,smoked tofu,mushrooms}',
 '{white cabbage,red cabbage,sauerkraut,carrots,leek,beetroot,kale}', '{mustard,dill,parsley,onion,smoked paprika}', 'butter'),
(7, 'levantine', '{chicken thighs,lamb mince,halloumi,chickpeas,eggs}',
 '{aubergine,tomatoes,cucumber,red onion,cauliflower,red pepper,spinach}', '{tahini,za''atar,mint,parsley,lemon}', 'olive oil'),
(8, 'korean', '{pork belly,beef strips,chicken breast,firm tofu,squid}',
 '{white cabbage,carrots,spinach,bean sprouts,cucumber,spring onion,shiitake}', '{gochujang,kimchi,garlic,ginger,rice vinegar}', 'sesame oil'),
(9, 'moroccan', '{merguez,chicken thighs,cod fillet,chickpeas,goat cheese}',
 '{carrots,pumpkin,courgette,red pepper,tinned tomatoes,parsnip,onion}', '{ras el hanout,cumin,mint,olives,lemon}', 'olive oil');

-- Ten dishes of each cuisine, with their starch.
CREATE TABLE seed.dishes (
    cuisine integer REFERENCES seed.cuisines, n integer, name text NOT NULL UNIQUE,
    starch text NOT NULL REFERENCES seed.pantry, PRIMARY KEY (cuisine, n)
);
INSERT INTO seed.dishes VALUES
(0, 0, 'Spaghetti alla Norma', 'spaghetti'), (0, 1, 'Garden risotto', 'arborio rice'), (0, 2, 'Baked gnocchi', 'gnocchi'),
(0, 3, 'Penne arrabbiata', 'penne'), (0, 4, 'White pizza', 'pizza dough'), (0, 5, 'Soft polenta', 'polenta'),
(0, 6, 'Lemon tagliatelle', 'tagliatelle'), (0, 7, 'Tuscan orzo soup', 'orzo'), (0, 8, 'Caponata', 'flatbread'),
(0, 9, 'Roman roast potatoes', 'potatoes'),
(1, 0, 'Green curry', 'jasmine rice'), (1, 1, 'Pad thai', 'rice noodles'), (1, 2, 'Basil stir-fry', 'jasmine rice'),
(1, 3, 'Massaman curry', 'potatoes'), (1, 4, 'Glass noodle salad', 'glass noodles'), (1, 5, 'Red curry', 'jasmine rice'),
(1, 6, 'Peanut noodles', 'egg noodles'), (1, 7, 'Tom kha soup', 'rice noodles'), (1, 8, 'Pineapple fried rice', 'jasmine rice'),
(1, 9, 'Larb bowl', 'brown rice'),
(2, 0, 'Street tacos', 'corn tortillas'), (2, 1, 'Burrito bowl', 'brown rice'), (2, 2, 'Enchiladas rojas', 'corn tortillas'),
(2, 3, 'Loaded quesadilla', 'wheat tortillas'), (2, 4, 'Chipotle chilli', 'basmati rice'), (2, 5, 'Stuffed sweet potatoes', 'sweet potatoes'),
(2, 6, 'Tortilla soup', 'corn tortillas'), (2, 7, 'Fajita plate', 'wheat tortillas'), (2, 8, 'Baja rice salad', 'quinoa'),
(2, 9, 'Torta ahogada', 'brioche bun'),
(3, 0, 'Tikka masala', 'basmati rice'), (3, 1, 'Saag', 'flatbread'), (3, 2, 'Biryani', 'basmati rice'),
(3, 3, 'Aloo curry', 'potatoes'), (3, 4, 'Korma', 'basmati rice'), (3, 5, 'Kathi roll', 'flatbread'),
(3, 6, 'Dal makhani', 'brown rice'), (3, 7, 'Jalfrezi', 'basmati rice'), (3, 8, 'Rogan josh', 'flatbread'),
(3, 9, 'Kerala coconut curry', 'brown rice'),
(4, 0, 'Teriyaki donburi', 'sushi rice'), (4, 1, 'Miso ramen', 'ramen noodles'), (4, 2, 'Yaki udon', 'udon noodles'),
(4, 3, 'Chilled soba', 'soba noodles'), (4, 4, 'Poke bowl', 'sushi rice'), (4, 5, 'Katsu curry', 'sushi rice'),
(4, 6, 'Sesame soba salad', 'soba noodles'), (4, 7, 'Okonomiyaki plate', 'potatoes'), (4, 8, 'Yakitori rice', 'brown rice'),
(4, 9, 'Shoyu udon soup', 'udon noodles'),
(5, 0, 'Cassoulet', 'potatoes'), (5, 1, 'Ratatouille', 'couscous'), (5, 2, 'Leek tart', 'puff pastry'),
(5, 3, 'Gratin dauphinois', 'potatoes'), (5, 4, 'Bistro salad', 'quinoa'), (5, 5, 'Pot-au-feu', 'potatoes'),
(5, 6, 'Mushroom vol-au-vent', 'puff pastry'), (5, 7, 'Provence barley stew', 'pearl barley'), (5, 8, 'Mustard tagliatelle', 'tagliatelle'),
(5, 9, 'Pommes sarladaises', 'potatoes'),
(6, 0, 'Farmhouse pan', 'potatoes'), (6, 1, 'Cabbage roulade', 'potatoes'), (6, 2, 'Spaetzle bowl', 'egg noodles'),
(6, 3, 'Barley stew', 'pearl barley'), (6, 4, 'Potato salad', 'potatoes'), (6, 5, 'Flammkuchen', 'flatbread'),
(6, 6, 'Hunter''s pot', 'egg noodles'), (6, 7, 'Beet and dill bowl', 'potatoes'), (6, 8, 'Kale pan', 'potatoes'),
(6, 9, 'Beer garden burger', 'brioche bun'),
(7, 0, 'Shawarma plate', 'pita bread'), (7, 1, 'Mujaddara', 'brown rice'), (7, 2, 'Fattoush', 'pita bread'),
(7, 3, 'Shakshuka', 'flatbread'), (7, 4, 'Tabbouleh bowl', 'bulgur'), (7, 5, 'Freekeh pilaf', 'bulgur'),
(7, 6, 'Mezze box', 'pita bread'), (7, 7, 'Maqluba', 'basmati rice'), (7, 8, 'Pearl couscous salad', 'couscous'),
(7, 9, 'Sabich', 'pita bread'),
(8, 0, 'Bibimbap', 'sushi rice'), (8, 1, 'Japchae', 'glass noodles'), (8, 2, 'Kimchi fried rice', 'jasmine rice'),
(8, 3, 'Bulgogi bowl', 'jasmine rice'), (8, 4, 'Tteokbokki-style gnocchi', 'gnocchi'), (8, 5, 'Kimchi stew', 'sushi rice'),
(8, 6, 'Seoul street wrap', 'wheat tortillas'), (8, 7, 'Gochujang noodles', 'udon noodles'), (8, 8, 'Sesame spinach rice', 'brown rice'),
(8, 9, 'Jjampong', 'egg noodles'),
(9, 0, 'Couscous royale', 'couscous'), (9, 1, 'Tagine', 'couscous'), (9, 2, 'Harira', 'flatbread'),
(9, 3, 'Pumpkin pastilla', 'puff pastry'), (9, 4, 'Chermoula tray bake', 'potatoes'), (9, 5, 'Marrakesh bowl', 'quinoa'),
(9, 6, 'Zaalouk', 'flatbread'), (9, 7, 'Seven-vegetable bulgur', 'bulgur'), (9, 8, 'Spiced sweet potatoes', 'sweet potatoes'),
(9, 9, 'Fez rice', 'basmati rice');
