-- The equality first, then the order: all orders of one subscriber lie together in the
-- index, the latest at one end, so the database walks from there and neither reads
-- anyone else's orders nor sorts.
CREATE INDEX IF NOT EXISTS orders_user_placed_at ON orders (user_id, placed_at DESC);
