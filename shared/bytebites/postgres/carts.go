package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// Carts stores the meals that subscribers have picked.
type Carts struct{ db *sql.DB }

// NewCarts returns the carts in a database with the user data's schema.
func NewCarts(db *sql.DB) *Carts { return &Carts{db: db} }

// Cart returns the lines in order of meal id. An empty cart is no error.
func (c *Carts) Cart(ctx context.Context, user bytebites.UserID) ([]bytebites.Line, error) {
	rows, err := Join(ctx, c.db).QueryContext(ctx,
		`SELECT meal_id, quantity FROM cart_lines WHERE user_id = $1 ORDER BY meal_id`, name(user))
	lines, err := collect(rows, err, func(l *bytebites.Line) []any { return []any{&l.Meal, &l.Quantity} })
	return lines, wrap(ctx, "read cart", err)
}

// SetCart replaces all lines. It adds up the quantities of a meal that comes twice. The error is
// ErrNotFound for an unknown subscriber. The caller must check that the meals exist, because
// the catalogue may be on another server.
func (c *Carts) SetCart(ctx context.Context, user bytebites.UserID, lines []bytebites.Line) error {
	want, err := byMeal(lines)
	if err != nil {
		return wrap(ctx, "set cart", err)
	}
	if !allNames(want) {
		return fmt.Errorf("set cart: meal: %w", bytebites.ErrNotFound)
	}
	meals, quantities := pq.StringArray{}, pq.Int64Array{}
	for meal, quantity := range want {
		meals, quantities = append(meals, string(meal)), append(quantities, int64(quantity))
	}
	err = transact(ctx, c.db, func(ctx context.Context, q Querier) error {
		// Concurrent calls on one cart take turns at this row, so that their lines do not mix.
		_, err := q.ExecContext(ctx, `
INSERT INTO carts (user_id) VALUES ($1) ON CONFLICT (user_id) DO UPDATE SET changed_at = excluded.changed_at`, name(user))
		if err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, `
WITH surplus AS (DELETE FROM cart_lines WHERE user_id = $1 AND meal_id <> ALL ($2::text[]))
INSERT INTO cart_lines (user_id, meal_id, quantity)
SELECT $1, meal_id, quantity FROM unnest($2::text[], $3::integer[]) AS line (meal_id, quantity)
ON CONFLICT (user_id, meal_id) DO UPDATE SET quantity = excluded.quantity`, name(user), meals, quantities)
		return err
	})
	return wrap(ctx, "set cart", unknownParent(err))
}
