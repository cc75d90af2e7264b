package postgres

import (
	"context"
	"database/sql"
	"errors"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// maxMealsPerPage bounds the meals that one call of Meals returns.
const maxMealsPerPage = 100

// Catalogue stores meals.
type Catalogue struct{ db *sql.DB }

// NewCatalogue returns the catalogue in a database with the catalogue's schema.
func NewCatalogue(db *sql.DB) *Catalogue { return &Catalogue{db: db} }

// selectMeals reads any number of meals with their ingredients in one statement.
const selectMeals = `
SELECT m.id, m.name, m.description, m.cuisine, m.diets, m.price_cents, m.prep_minutes,
       m.kilocalories, m.protein_grams, m.carb_grams, m.fat_grams, m.fibre_grams, m.salt_milligrams,
       m.version, i.names, i.grams, i.suppliers
FROM meals m
CROSS JOIN LATERAL (
    SELECT array_agg(name ORDER BY position) AS names,
           array_agg(grams ORDER BY position) AS grams,
           array_agg(supplier ORDER BY position) AS suppliers
    FROM ingredients WHERE meal_id = m.id
) i
`

// Meals returns the meals that match, in order of id; see bytebites.Catalogue.
func (c *Catalogue) Meals(ctx context.Context, filter bytebites.MealFilter) ([]bytebites.Meal, error) {
	limit := filter.Limit
	if limit <= 0 || limit > maxMealsPerPage {
		limit = maxMealsPerPage
	}
	meals, err := c.query(ctx, selectMeals+`
WHERE ($1 = '' OR m.cuisine = $1)
  AND ($2 = '' OR $2 = ANY (m.diets))
  AND ($3 = 0 OR m.price_cents <= $3)
  AND ($4 = '' OR strpos(lower(m.name), lower($4)) > 0)
  AND m.id > $5
ORDER BY m.id LIMIT $6`,
		filter.Cuisine, filter.Diet, int64(filter.MaxPrice), filter.Search, string(filter.After), limit)
	if err = wrap(ctx, "list meals", err); errors.Is(err, bytebites.ErrNotFound) {
		return nil, nil // no meal can match text that PostgreSQL cannot store
	}
	return meals, err
}

// Meal returns one meal, or ErrNotFound.
func (c *Catalogue) Meal(ctx context.Context, id bytebites.MealID) (bytebites.Meal, error) {
	meals, err := c.query(ctx, selectMeals+`WHERE m.id = $1`, name(id))
	if err == nil && len(meals) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return bytebites.Meal{}, wrap(ctx, "read meal", err)
	}
	return meals[0], nil
}

// MealsByID returns the meals that exist among ids, in no particular order.
func (c *Catalogue) MealsByID(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	meals, err := c.query(ctx, selectMeals+`WHERE m.id = ANY ($1)`, names(ids))
	return meals, wrap(ctx, "read meals", err)
}

// UpdateMeal changes a meal; see bytebites.Catalogue. An empty change does not change the
// version.
func (c *Catalogue) UpdateMeal(ctx context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	var meal bytebites.Meal
	err := transact(ctx, c.db, func(ctx context.Context, q Querier) error {
		var version int
		err := q.QueryRowContext(ctx, `SELECT version FROM meals WHERE id = $1 FOR NO KEY UPDATE`, name(id)).Scan(&version)
		if err != nil {
			return err
		}
		if change.Version != 0 && change.Version != version {
			return bytebites.ErrConflict
		}
		if change.Name != nil || change.Description != nil || change.Price != nil {
			_, err := q.ExecContext(ctx, `
UPDATE meals SET name = coalesce($2, name), description = coalesce($3, description),
       price_cents = coalesce($4, price_cents), version = version + 1
WHERE id = $1`, name(id), nullableText(change.Name), nullableText(change.Description), (*int64)(change.Price))
			if err != nil {
				return err
			}
		}
		meal, err = c.Meal(ctx, id)
		return err
	})
	return meal, wrap(ctx, "update meal", err)
}

// Tastes returns every meal as a point in taste space, in order of id.
func (c *Catalogue) Tastes(ctx context.Context) ([]bytebites.Taste, error) {
	rows, err := Join(ctx, c.db).QueryContext(ctx, `SELECT id, cuisine, diets, kilocalories, taste FROM meals ORDER BY id`)
	tastes, err := collect(rows, err, func(t *bytebites.Taste) []any {
		return []any{&t.Meal, &t.Cuisine, (*pq.StringArray)(&t.Diets), &t.KiloCalories, (*pq.Float32Array)(&t.Vector)}
	})
	return tastes, wrap(ctx, "read tastes", err)
}

// query reads meals with a statement that starts with selectMeals.
func (c *Catalogue) query(ctx context.Context, query string, args ...any) ([]bytebites.Meal, error) {
	rows, err := Join(ctx, c.db).QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var meals []bytebites.Meal
	for rows.Next() {
		var m bytebites.Meal
		var titles, suppliers pq.StringArray
		var grams pq.Int64Array
		n := &m.Nutrition
		err := rows.Scan(&m.ID, &m.Name, &m.Description, &m.Cuisine, (*pq.StringArray)(&m.Diets), &m.Price, &m.PrepMinutes,
			&n.KiloCalories, &n.ProteinGrams, &n.CarbGrams, &n.FatGrams, &n.FibreGrams, &n.SaltMilligram,
			&m.Version, &titles, &grams, &suppliers)
		if err != nil {
			return nil, err
		}
		m.Ingredients = make([]bytebites.Ingredient, len(titles))
		for i := range titles {
			m.Ingredients[i] = bytebites.Ingredient{Name: titles[i], Grams: int(grams[i]), Supplier: suppliers[i]}
		}
		meals = append(meals, m)
	}
	return meals, rows.Err()
}

func nullableText(text *string) *string {
	if text == nil {
		return nil
	}
	clean := storable(*text)
	return &clean
}
