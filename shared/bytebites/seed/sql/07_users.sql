-- $1 subscribers, or those of them for whom $2 is true. One in four has a diet, and all have one or
-- two preferred cuisines.
INSERT INTO users (user_id, name, email, diets, cuisines, dislikes, portion_count)
SELECT 'u' || lpad(n::text, 7, '0'),
       (ARRAY['Ada', 'Aino', 'Amir', 'Ana', 'Ben', 'Björn', 'Carla', 'Chiara', 'Daan', 'Deniz', 'Elif', 'Emil', 'Fatima', 'Finn',
              'Greta', 'Hana', 'Ida', 'Ivo', 'Jana', 'Jonas', 'Kofi', 'Lea', 'Liam', 'Lina', 'Mateo', 'Mia', 'Nora', 'Olu',
              'Paula', 'Quentin', 'Rosa', 'Samir', 'Sofia', 'Tariq', 'Theo', 'Uma', 'Vera', 'Wei', 'Yara', 'Zoe']
       )[1 + seed.pick(n, 71, 40)] || ' ' ||
       (ARRAY['Abadi', 'Adler', 'Almeida', 'Andersen', 'Bauer', 'Becker', 'Berg', 'Bianchi', 'Brandt', 'Castro', 'Chen', 'Costa',
              'Demir', 'Dubois', 'Engel', 'Ferrari', 'Fischer', 'García', 'Haas', 'Hansen', 'Ito', 'Jansen', 'Kaya', 'Keller',
              'Kim', 'Koch', 'Kowalski', 'Lang', 'Larsen', 'Lopez', 'Maier', 'Mensah', 'Moreau', 'Müller', 'Nguyen', 'Novak',
              'Okafor', 'Patel', 'Richter', 'Rossi', 'Sato', 'Schmidt', 'Silva', 'Singh', 'Vogel', 'Wagner', 'Weber', 'Wolf',
              'Yilmaz', 'Zimmermann']
       )[1 + seed.pick(n, 72, 50)],
       'user' || lpad(n::text, 7, '0') || '@bytebites.example',
       CASE seed.pick(n, 73, 16) WHEN 0 THEN '{vegan}' WHEN 1 THEN '{vegetarian}' WHEN 2 THEN '{pescatarian}'
                                 WHEN 3 THEN '{gluten-free}' ELSE '{}' END::text[],
       CASE seed.pick(n, 74, 2) WHEN 0 THEN cuisines[likes:likes] ELSE cuisines[likes:likes + 1] END,
       CASE seed.pick(n, 75, 3) WHEN 0 THEN (ARRAY['olives', 'coriander', 'capers', 'mushrooms', 'fennel', 'beetroot'])
                                            [1 + seed.pick(n, 76, 6):1 + seed.pick(n, 76, 6)] ELSE '{}' END,
       1 + seed.pick(n, 77, 4)
FROM generate_series(1, $1::integer) n
CROSS JOIN (SELECT array_agg(name ORDER BY cuisines.n) AS cuisines FROM seed.cuisines) known
CROSS JOIN LATERAL (SELECT 1 + seed.pick(n, 78, 10) AS likes) one
WHERE coalesce(($2::boolean[])[n], true)
