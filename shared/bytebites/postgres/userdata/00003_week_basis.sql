-- +goose Up
-- A plan replaces the stored one only if it is not older. It is older if it considers fewer orders,
-- and basis grows with each order that a plan considers. Without it, the last of two overlapping
-- orders to store its plan would win, also with the plan that lacks the other order.
ALTER TABLE weeks ADD COLUMN basis bigint NOT NULL DEFAULT 0;
