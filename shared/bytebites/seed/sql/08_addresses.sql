-- One address for each of the $1 subscribers, or of those for whom $2 is true.
INSERT INTO addresses (user_id, position, label, street, postal_code, city, country)
SELECT 'u' || lpad(n::text, 7, '0'), 1, 'Home',
       (ARRAY['Lindenallee', 'Am Markt', 'Hafenstraße', 'Gartenweg', 'Schulstraße', 'Mühlenweg', 'Bergstraße', 'Kirchplatz']
       )[1 + seed.pick(n, 81, 8)] || ' ' || 1 + seed.pick(n, 82, 120),
       (ARRAY['10115', '20095', '80331', '50667', '60311', '70173', '04109', '28195'])[1 + seed.pick(n, 83, 8)],
       (ARRAY['Berlin', 'Hamburg', 'München', 'Köln', 'Frankfurt', 'Stuttgart', 'Leipzig', 'Bremen'])[1 + seed.pick(n, 83, 8)],
       'DE'
FROM generate_series(1, $1::integer) n
WHERE coalesce(($2::boolean[])[n], true)
