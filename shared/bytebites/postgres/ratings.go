package postgres

import (
	"context"
	"database/sql"

	"bytebites.example/workshop/shared/bytebites"
)

// Ratings stores the stars that subscribers give.
type Ratings struct {
	db      *sql.DB
	counted Counted
}

// Counting returns the same ratings, with Ratings over the subscribers that are counted.
func (r *Ratings) Counting(counted Counted) *Ratings { return &Ratings{db: r.db, counted: counted} }

// NewRatings returns the ratings in a database with the user data's schema.
func NewRatings(db *sql.DB) *Ratings { return &Ratings{db: db} }

// Rate sets a subscriber's stars for a meal. The error is ErrNotFound for an unknown subscriber.
// The caller must check that the meal exists, because the catalogue may be on another server.
func (r *Ratings) Rate(ctx context.Context, user bytebites.UserID, meal bytebites.MealID, stars int) error {
	_, err := Join(ctx, r.db).ExecContext(ctx, `
INSERT INTO ratings (user_id, meal_id, stars) VALUES ($1, $2, $3)
ON CONFLICT (user_id, meal_id) DO UPDATE SET stars = excluded.stars`, name(user), name(meal), stars)
	return wrap(ctx, "rate", unknownParent(err))
}

// Ratings returns the rating of each meal that has one. It counts all stars of these meals on
// each call: a fault of the baseline, see docs/faults.md.
func (r *Ratings) Ratings(ctx context.Context, meals []bytebites.MealID) (map[bytebites.MealID]bytebites.Rating, error) {
	type row struct {
		meal bytebites.MealID
		bytebites.Rating
	}
	rows, err := Join(ctx, r.db).QueryContext(ctx, `
SELECT meal_id, count(*), avg(stars)::double precision FROM ratings WHERE meal_id = ANY ($1)`+r.counted.and("ratings")+` GROUP BY meal_id`,
		names(meals))
	rated, err := collect(rows, err, func(r *row) []any { return []any{&r.meal, &r.Count, &r.Average} })
	if err != nil {
		return nil, wrap(ctx, "read ratings", err)
	}
	ratings := make(map[bytebites.MealID]bytebites.Rating, len(rated))
	for _, r := range rated {
		ratings[r.meal] = r.Rating
	}
	return ratings, nil
}
