-- What is to be vacuumed, the large ones first: the last to start should not be the last to
-- end. The system's tables too, for making the others has changed them; but pg_statistic
-- comes after all of these, because analysing them changes it.
SELECT array_agg(oid::regclass::text ORDER BY pg_relation_size(oid) DESC)
FROM pg_class
WHERE relkind = 'r' AND relpersistence = 'p' AND oid <> 'pg_statistic'::regclass
