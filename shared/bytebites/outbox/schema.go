package outbox

// Schema makes the tables of this package, where they are not there yet. Composition.Outbox of
// package service applies it at start, on every server of user data.
//
// An event's time is clock_timestamp(), for now() is when its transaction began, and the oldest
// should be the one that has waited longest. tried_at is when it was last handed on in vain. Neither table refers to another: an outbox
// outlives the subscriber's move, and a claim says nothing once it has ended.
const Schema = `
CREATE TABLE IF NOT EXISTS outbox (
    event_id text COLLATE "C" PRIMARY KEY,
    user_id  text COLLATE "C" NOT NULL,
    topic    text COLLATE "C" NOT NULL,
    body     jsonb NOT NULL,
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz
);
CREATE INDEX IF NOT EXISTS outbox_turn ON outbox (tried_at NULLS FIRST, added_at, event_id);
CREATE TABLE IF NOT EXISTS effect_claims (
    order_id text COLLATE "C" NOT NULL,
    user_id  text COLLATE "C" NOT NULL,
    effect   text COLLATE "C" NOT NULL,
    until    timestamptz NOT NULL,
    PRIMARY KEY (order_id, effect)
);
`
