-- +goose Up
-- Two faults of the baseline are in this file. docs/faults.md lists all of them and names
-- the lab that removes each.

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

-- Fault 'missing index': a subscriber's history is
--     SELECT ... FROM orders WHERE user_id = $1 ORDER BY placed_at DESC
-- and no index here serves it, so each reads the orders of everybody. orders_key does
-- start with user_id, but it holds only the orders that still have their Idempotency-Key,
-- and a history is not a question about those.
ALTER TABLE orders
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (user_id) REFERENCES users;
CREATE UNIQUE INDEX orders_key ON orders (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Fault 'aggregate on every read': which meals are popular is summed up, each time that
-- somebody asks, over the lines of the latest orders. This index finds those orders.
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

-- Fault 'aggregate on every read', again: the stars of a meal are counted and averaged
-- each time that it is shown. This index finds them.
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
