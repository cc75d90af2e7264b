-- +goose Up
-- Catalogue data: meals, stock and accounts. The next migration adds keys and indexes, so that
-- a bulk load can run before it.
--
-- Ids compare byte by byte (collation C), so that their order is the same on every server.

CREATE TABLE meals (
    id              text COLLATE "C" NOT NULL,
    name            text NOT NULL,
    description     text NOT NULL,
    cuisine         text NOT NULL,
    diets           text[] NOT NULL, -- sorted
    price_cents     integer NOT NULL CHECK (price_cents >= 0),
    prep_minutes    integer NOT NULL CHECK (prep_minutes > 0),
    kilocalories    integer NOT NULL, -- of one portion, like the nutrients below
    protein_grams   integer NOT NULL,
    carb_grams      integer NOT NULL,
    fat_grams       integer NOT NULL,
    fibre_grams     integer NOT NULL,
    salt_milligrams integer NOT NULL,
    taste           real[] NOT NULL, -- of unit length
    version         integer NOT NULL DEFAULT 1
);

CREATE TABLE ingredients (
    meal_id  text COLLATE "C" NOT NULL,
    position smallint NOT NULL,
    name     text NOT NULL,
    grams    integer NOT NULL CHECK (grams > 0), -- for one portion
    supplier text NOT NULL
);

-- stocked is the sum of all deliveries. Invariant: stocked - available = the portions of
-- reservations that were not released. Half of each page stays free, so that an update, one for
-- each order, finds room on the page of its row.
CREATE TABLE stock (
    meal_id   text COLLATE "C" NOT NULL,
    stocked   integer NOT NULL,
    available integer NOT NULL CHECK (available >= 0),
    CHECK (available <= stocked)
) WITH (fillfactor = 50);

CREATE TABLE reservations (
    order_id   text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    state      text NOT NULL CHECK (state IN ('held', 'confirmed', 'released')),
    made_at    timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    CHECK ((state = 'held') = (settled_at IS NULL))
);

CREATE TABLE reservation_lines (
    order_id text COLLATE "C" NOT NULL,
    meal_id  text COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0)
);

CREATE TABLE accounts (
    user_id       text COLLATE "C" NOT NULL,
    email         text COLLATE "C" NOT NULL,
    password_hash bytea NOT NULL
);
