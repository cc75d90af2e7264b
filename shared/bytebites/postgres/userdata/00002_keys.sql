-- +goose Up
-- This file has two faults of the baseline. docs/faults.md lists all faults and the labs that
-- remove them.

ALTER TABLE users ADD PRIMARY KEY (user_id);

ALTER TABLE addresses
    ADD PRIMARY KEY (user_id, position),
    ADD FOREIGN KEY (user_id) REFERENCES users;

ALTER TABLE carts
    ADD PRIMARY KEY (user_id),
    ADD FOREIGN KEY (user_id) REFERENCES users;

ALTER TABLE cart_lines
    ADD PRIMARY KEY (user_id, meal_id),
    ADD FOREIGN KEY (user_id) REFERENCES carts;

-- Fault 'missing index': the history of a subscriber is
--     SELECT ... FROM orders WHERE user_id = $1 ORDER BY placed_at DESC, id DESC
-- No index serves this query, so each history reads the orders of all subscribers. orders_key
-- starts with user_id, but it contains only orders with an Idempotency-Key, so the query cannot
-- use it.
ALTER TABLE orders
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (user_id) REFERENCES users;
CREATE UNIQUE INDEX orders_key ON orders (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Fault 'aggregate on every read': each read of the popular meals adds up the lines of the latest
-- orders. This index finds those orders.
CREATE INDEX orders_placed_at ON orders (placed_at);

ALTER TABLE order_lines
    ADD PRIMARY KEY (order_id, position),
    ADD FOREIGN KEY (order_id) REFERENCES orders;

ALTER TABLE order_effects
    ADD PRIMARY KEY (order_id, effect),
    ADD FOREIGN KEY (order_id) REFERENCES orders;

ALTER TABLE payment_events
    ADD PRIMARY KEY (event_id),
    ADD FOREIGN KEY (order_id) REFERENCES orders;

-- Fault 'aggregate on every read': each read of a meal's rating counts and averages its stars.
-- This index finds them.
ALTER TABLE ratings
    ADD PRIMARY KEY (user_id, meal_id),
    ADD FOREIGN KEY (user_id) REFERENCES users;
CREATE INDEX ratings_meal ON ratings (meal_id);

ALTER TABLE supplier_ledger
    ADD PRIMARY KEY (order_id, supplier, ingredient),
    ADD FOREIGN KEY (order_id) REFERENCES orders;

ALTER TABLE weeks
    ADD PRIMARY KEY (user_id),
    ADD FOREIGN KEY (user_id) REFERENCES users;
