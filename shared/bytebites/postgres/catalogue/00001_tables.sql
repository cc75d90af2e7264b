-- +goose Up
-- What ByteBites sells, what is on the shelf, and who may sign in. Keys and indexes are
-- the next migration, so that a bulk load can come in between.
--
-- Ids compare byte by byte (collation C): their order is then the same on every server.

CREATE TABLE meals (
    id              text COLLATE "C" NOT NULL,
    name            text NOT NULL,
    description     text NOT NULL,
    cuisine         text NOT NULL,
    diets           text[] NOT NULL, -- sorted
    price_cents     integer NOT NULL CHECK (price_cents >= 0),
    prep_minutes    integer NOT NULL CHECK (prep_minutes > 0),
    kilocalories    integer NOT NULL, -- of one portion, as all that follow
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

-- stocked is all that ever came in, so that what was taken out can be checked:
-- stocked - available = the portions of reservations that were not released.
-- Half of each page stays free: rows that change with every order then change in place.
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
