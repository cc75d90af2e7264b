package outbox

// Schema creates the tables of this package unless they exist. Composition.Outbox of package
// service applies it at start, on every server of user data.
//
// The default of added_at is clock_timestamp(). With now(), the start of the transaction, the
// oldest event would not be the one that has waited longest. The latest try that was not
// confirmed sets tried_at. The tables have no foreign keys, because an event stays in the outbox
// after its subscriber has moved to another server. A claim is short-lived and needs no key.
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
