-- +goose Up
-- What belongs to one subscriber. Every table carries user_id, and every statement asks
-- for it, because lab 04 moves these tables to shards by user_id. Nothing here refers to
-- a catalogue table: that one stays on a server of its own.
--
-- Keys and indexes are the next migration, so that a bulk load can come in between.

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

-- The row of a cart is what two changes of the same cart take turns on.
CREATE TABLE carts (
    user_id    text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE cart_lines (
    user_id  text COLLATE "C" NOT NULL,
    meal_id  text COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0)
);

-- idempotency_key is null once the day is over in which an order may be retried.
-- effects_done_at says when all effects of an order were done that is older than
-- order_effects; later orders leave it null and have a row there for each.
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
    name        text NOT NULL,    -- when it was ordered, as the price
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
