-- The tables to vacuum, the largest first, so that no long vacuum starts last. System tables are
-- included, because creating the other tables changed them. pg_statistic is excluded: the vacuums
-- change it, so it is vacuumed after them.
SELECT array_agg(oid::regclass::text ORDER BY pg_relation_size(oid) DESC)
FROM pg_class
WHERE relkind = 'r' AND relpersistence = 'p' AND oid <> 'pg_statistic'::regclass
