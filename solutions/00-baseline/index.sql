-- The compared column comes first and the sorting column second. So the orders of one subscriber lie
-- side by side in the index, the latest at one end. PostgreSQL reads them there in order: it reads no
-- other orders and sorts nothing.
CREATE INDEX IF NOT EXISTS orders_user_placed_at ON orders (user_id, placed_at DESC);
