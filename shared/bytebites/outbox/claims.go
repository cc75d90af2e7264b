package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Claims are the claims of effects on one server. They expire by that server's clock.
//
// A claim does not move with its subscriber. Shortly after a move, one worker may hold a claim
// on the old server while another holds one on the new server.
type Claims struct{ db *sql.DB }

// NewClaims returns the claims in a database with Schema.
func NewClaims(db *sql.DB) *Claims { return &Claims{db: db} }

// Claim claims an effect of an order for d, to the microsecond; see bytebites.Claims. It returns
// ErrNotFound for an id that is not a valid name.
func (c *Claims) Claim(ctx context.Context, user bytebites.UserID, order bytebites.OrderID, effect bytebites.Effect, d time.Duration) (bool, error) {
	if !bytebites.ValidName(string(user)) || !bytebites.ValidName(string(order)) {
		return false, fmt.Errorf("claim effect: %w", bytebites.ErrNotFound)
	}
	result, err := postgres.Join(ctx, c.db).ExecContext(ctx, `
INSERT INTO effect_claims AS claim (order_id, user_id, effect, until)
VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 microsecond')
ON CONFLICT (order_id, effect) DO UPDATE SET user_id = excluded.user_id, until = clock_timestamp() + $4 * interval '1 microsecond'
WHERE claim.until <= clock_timestamp()`, string(order), string(user), string(effect), d.Microseconds())
	if err != nil {
		return false, postgres.Wrap(ctx, "claim effect", err)
	}
	n, err := result.RowsAffected()
	return n == 1, postgres.Wrap(ctx, "claim effect", err)
}

// Release ends a claim; see bytebites.Claims.
func (c *Claims) Release(ctx context.Context, user bytebites.UserID, order bytebites.OrderID, effect bytebites.Effect) error {
	if !bytebites.ValidName(string(user)) || !bytebites.ValidName(string(order)) {
		return nil // Claim refuses such ids
	}
	_, err := postgres.Join(ctx, c.db).ExecContext(ctx,
		`DELETE FROM effect_claims WHERE user_id = $1 AND order_id = $2 AND effect = $3`, string(user), string(order), string(effect))
	return postgres.Wrap(ctx, "release effect", err)
}
