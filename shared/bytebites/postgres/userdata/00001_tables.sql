-- +goose Up
-- User data. Every table has user_id and every statement names it, because lab 04 moves these
-- tables to shards by user_id. No table refers to a catalogue table, because the catalogue stays
-- on its own server.
--
-- The next migration adds keys and indexes, so that a bulk load can run before it.

CREATE TABLE users (
    user_id       text COLLATE "C" NOT NULL,
    name          text NOT NULL,
    email         text COLLATE "C" NOT NULL,
    diets         text[] NOT NULL DEFAULT '{}',
    cuisines      text[] NOT NULL DEFAULT '{}',
    dislikes      text[] NOT NULL DEFAULT '{}',
    portion_count smallint NOT NULL DEFAULT 2 CHECK (portion_count BETWEEN 1 AND 8)
);

CREATE TABLE addresses (
    user_id     text COLLATE "C" NOT NULL,
    position    smallint NOT NULL,
    label       text NOT NULL,
    street      text NOT NULL,
    postal_code text NOT NULL,
    city        text NOT NULL,
    country     text NOT NULL
);

-- Concurrent changes of one cart take turns at its row.
CREATE TABLE carts (
    user_id    text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE cart_lines (
    user_id  text COLLATE "C" NOT NULL,
    meal_id  text COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0)
);

-- idempotency_key is NULL after the day in which a client may retry the order. effects_done_at
-- is set in seeded orders: all their effects were done at that time. Other orders leave it NULL
-- and have a row in order_effects for each finished effect.
CREATE TABLE orders (
    id              text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C",
    total_cents     bigint NOT NULL CHECK (total_cents >= 0),
    status          text NOT NULL CHECK (status IN ('placed', 'paid', 'payment_failed')),
    placed_at       timestamptz NOT NULL DEFAULT now(),
    effects_done_at timestamptz
);

CREATE TABLE order_lines (
    order_id    text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    position    smallint NOT NULL,
    meal_id     text COLLATE "C" NOT NULL,
    name        text NOT NULL,    -- name and price are those at the time of the order
    quantity    integer NOT NULL CHECK (quantity > 0),
    price_cents integer NOT NULL CHECK (price_cents >= 0) -- of one portion
);

CREATE TABLE order_effects (
    order_id text COLLATE "C" NOT NULL,
    user_id  text COLLATE "C" NOT NULL,
    effect   text NOT NULL,
    done_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE payment_events (
    event_id     text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    order_id     text COLLATE "C" NOT NULL,
    amount_cents bigint NOT NULL,
    succeeded    boolean NOT NULL,
    applied_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ratings (
    user_id text COLLATE "C" NOT NULL,
    meal_id text COLLATE "C" NOT NULL,
    stars   smallint NOT NULL CHECK (stars BETWEEN 1 AND 5)
);

CREATE TABLE supplier_ledger (
    order_id   text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    supplier   text NOT NULL,
    ingredient text NOT NULL,
    grams      bigint NOT NULL CHECK (grams > 0),
    booked_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE weeks (
    user_id    text COLLATE "C" NOT NULL,
    meals      text[] NOT NULL,
    planned_at timestamptz NOT NULL
);
