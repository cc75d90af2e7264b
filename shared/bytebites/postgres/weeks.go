package postgres

import (
	"context"
	"database/sql"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// Weeks stores planned weeks.
type Weeks struct{ db *sql.DB }

// NewWeeks returns the planned weeks in a database with the user data's schema.
func NewWeeks(db *sql.DB) *Weeks { return &Weeks{db: db} }

// Week returns the latest week planned for a subscriber, or ErrNotFound.
func (w *Weeks) Week(ctx context.Context, user bytebites.UserID) (bytebites.Week, error) {
	var week bytebites.Week
	var meals pq.StringArray
	err := Join(ctx, w.db).QueryRowContext(ctx,
		`SELECT meals, planned_at, basis FROM weeks WHERE user_id = $1`, name(user)).Scan(&meals, &week.PlannedAt, &week.Basis)
	if err != nil {
		return bytebites.Week{}, wrap(ctx, "read week", err)
	}
	week.PlannedAt = week.PlannedAt.UTC()
	for _, meal := range meals {
		week.Meals = append(week.Meals, bytebites.MealID(meal))
	}
	return week, nil
}

// SetWeek stores a week planned for a subscriber, unless the stored week is newer; see
// bytebites.Weeks. The error is ErrNotFound for an unknown subscriber. PlannedAt is stored to the
// microsecond.
func (w *Weeks) SetWeek(ctx context.Context, user bytebites.UserID, week bytebites.Week) error {
	_, err := Join(ctx, w.db).ExecContext(ctx, `
INSERT INTO weeks (user_id, meals, planned_at, basis) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE SET meals = excluded.meals, planned_at = excluded.planned_at, basis = excluded.basis
WHERE (weeks.basis, weeks.planned_at) <= (excluded.basis, excluded.planned_at)`,
		name(user), names(week.Meals), week.PlannedAt, week.Basis)
	return wrap(ctx, "set week", unknownParent(err))
}
