-- Who is signed in. It runs when a replica starts, on the catalogue's database, and changes
-- nothing the second time.
CREATE TABLE IF NOT EXISTS sessions (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32), -- SHA-256; the token itself is the browser's only
    user_id    text COLLATE "C" NOT NULL,
    email      text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS sessions_expires_at ON sessions (expires_at);
