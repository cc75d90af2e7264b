-- The orders with numbers $1 to $2 of the $3 orders of a year, by $4 subscribers. Seven in ten
-- are placed at dinner, from 4 to 7 PM. $5 is ranks of seed.line_meal. $6 is the meals' prices.
-- Only orders by subscribers for whom $7 is true are inserted, unless it is null.
INSERT INTO orders (id, user_id, total_cents, status, placed_at, effects_done_at)
SELECT 'seed-' || lpad(n::text, 7, '0'), 'u' || lpad((1 + seed.pick(n, 1, $4))::text, 7, '0'),
       line_1 + CASE WHEN lines > 1 THEN line_2 ELSE 0 END + CASE WHEN lines > 2 THEN line_3 ELSE 0 END
              + CASE WHEN lines > 3 THEN line_4 ELSE 0 END,
       'paid', placed_at, placed_at + interval '3 seconds'
FROM generate_series($1::bigint, $2::bigint) n
CROSS JOIN LATERAL (
    SELECT timestamptz '2025-01-01 00:00:00+00' + make_interval(
               days => ((n - 1) * 365 / $3)::integer,
               secs => CASE WHEN seed.pick(n, 2, 10) < 7 THEN 57600 + seed.pick(n, 3, 10800000) / 1000.0::double precision
                            ELSE seed.pick(n, 3, 86400000) / 1000.0::double precision END) AS placed_at,
           seed.line_count(n) AS lines,
           ($6::integer[])[seed.line_meal(n, 1, $5)] * seed.line_quantity(n, 1) AS line_1,
           ($6::integer[])[seed.line_meal(n, 2, $5)] * seed.line_quantity(n, 2) AS line_2,
           ($6::integer[])[seed.line_meal(n, 3, $5)] * seed.line_quantity(n, 3) AS line_3,
           ($6::integer[])[seed.line_meal(n, 4, $5)] * seed.line_quantity(n, 4) AS line_4
) drawn
WHERE coalesce(($7::boolean[])[1 + seed.pick(n, 1, $4)], true)
