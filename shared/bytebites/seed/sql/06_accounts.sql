-- $1 accounts. All have the password hash $2.
INSERT INTO accounts (user_id, email, password_hash)
SELECT 'u' || lpad(n::text, 7, '0'), 'user' || lpad(n::text, 7, '0') || '@bytebites.example', $2
FROM generate_series(1, $1::integer) n
