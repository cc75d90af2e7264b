-- +goose Up
ALTER TABLE meals ADD PRIMARY KEY (id);

ALTER TABLE ingredients
    ADD PRIMARY KEY (meal_id, position),
    ADD FOREIGN KEY (meal_id) REFERENCES meals;

ALTER TABLE stock
    ADD PRIMARY KEY (meal_id),
    ADD FOREIGN KEY (meal_id) REFERENCES meals;

ALTER TABLE reservations ADD PRIMARY KEY (order_id);

ALTER TABLE reservation_lines
    ADD PRIMARY KEY (order_id, meal_id),
    ADD FOREIGN KEY (order_id) REFERENCES reservations,
    ADD FOREIGN KEY (meal_id) REFERENCES stock;

-- The sweeper reads old reservations that are still held. Nearly all rows are settled.
CREATE INDEX reservations_held ON reservations (made_at) WHERE state = 'held';

ALTER TABLE accounts ADD PRIMARY KEY (user_id);
CREATE UNIQUE INDEX accounts_email ON accounts (lower(email));
