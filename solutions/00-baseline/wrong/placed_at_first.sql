-- The latest orders come first, so the date comes first? Then one subscriber's orders lie
-- all over the index.
CREATE INDEX IF NOT EXISTS orders_placed_at_user ON orders (placed_at DESC, user_id);
