package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// Ledger records the ingredients that suppliers delivered for orders, in grams.
type Ledger struct {
	db        *sql.DB
	catalogue bytebites.Catalogue
}

// NewLedger returns the ledger in a database with the user data's schema. It reads the
// ingredients of meals from the catalogue.
func NewLedger(db *sql.DB, catalogue bytebites.Catalogue) *Ledger {
	return &Ledger{db: db, catalogue: catalogue}
}

// Record books an order's ingredients, once. Recording again changes nothing. The error is
// ErrNotFound when the order or one of its meals does not exist.
func (l *Ledger) Record(ctx context.Context, order bytebites.Order) error {
	suppliers, ingredients, grams, err := l.entries(ctx, order)
	if err != nil {
		return fmt.Errorf("record in ledger: %w", err)
	}
	_, err = Join(ctx, l.db).ExecContext(ctx, `
INSERT INTO supplier_ledger (order_id, user_id, supplier, ingredient, grams)
SELECT $1, $2, supplier, ingredient, grams
FROM unnest($3::text[], $4::text[], $5::bigint[]) AS entry (supplier, ingredient, grams)
ON CONFLICT (order_id, supplier, ingredient) DO NOTHING`,
		name(order.ID), name(order.User), suppliers, ingredients, grams)
	return wrap(ctx, "record in ledger", unknownParent(err))
}

// entries adds up the grams of each ingredient that each supplier delivers for the order.
func (l *Ledger) entries(ctx context.Context, order bytebites.Order) (suppliers, ingredients pq.StringArray, grams pq.Int64Array, err error) {
	portions := make(map[bytebites.MealID]int, len(order.Lines))
	ids := make([]bytebites.MealID, 0, len(order.Lines))
	for _, line := range order.Lines {
		if portions[line.Meal] == 0 {
			ids = append(ids, line.Meal)
		}
		portions[line.Meal] += line.Quantity
	}
	meals, err := l.catalogue.MealsByID(ctx, ids)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(meals) < len(ids) {
		return nil, nil, nil, fmt.Errorf("meals of order: %w", bytebites.ErrNotFound)
	}
	type entry struct{ supplier, ingredient string }
	seen := make(map[entry]int)
	for _, meal := range meals {
		for _, ingredient := range meal.Ingredients {
			e := entry{ingredient.Supplier, ingredient.Name}
			i, ok := seen[e]
			if !ok {
				i = len(grams)
				seen[e] = i
				suppliers, ingredients, grams = append(suppliers, e.supplier), append(ingredients, e.ingredient), append(grams, 0)
			}
			grams[i] += int64(ingredient.Grams) * int64(portions[meal.ID])
		}
	}
	return suppliers, ingredients, grams, nil
}
