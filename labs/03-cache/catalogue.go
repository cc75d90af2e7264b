package cache

import (
	"context"
	"fmt"
	"strconv"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Catalogue puts the cache in front of the meals.
func (c *Cache) Catalogue(store bytebites.Catalogue) bytebites.Catalogue {
	return &catalogue{
		Catalogue: store,
		meals: &reader[bytebites.MealID, bytebites.Meal]{
			cache: c, kind: "meal", name: mealName,
			load: func(ctx context.Context, ids []bytebites.MealID) (map[bytebites.MealID]bytebites.Meal, error) {
				meals, err := store.MealsByID(ctx, ids)
				if err != nil {
					return nil, err
				}
				byID := make(map[bytebites.MealID]bytebites.Meal, len(meals))
				for _, meal := range meals {
					byID[meal.ID] = meal
				}
				return byID, nil
			},
		},
	}
}

// catalogue reads meals through the cache. Tastes go straight to the store: the recommender
// keeps them in its own memory.
type catalogue struct {
	bytebites.Catalogue
	meals *reader[bytebites.MealID, bytebites.Meal]
}

func mealName(id bytebites.MealID) string { return string(id) }

// Meal returns one meal, or ErrNotFound.
func (c *catalogue) Meal(ctx context.Context, id bytebites.MealID) (bytebites.Meal, error) {
	found, err := c.meals.get(ctx, []bytebites.MealID{id})
	if err != nil {
		return bytebites.Meal{}, err
	}
	meal, exists := found[id]
	if !exists {
		return bytebites.Meal{}, fmt.Errorf("meal %q: %w", id, bytebites.ErrNotFound)
	}
	return meal, nil
}

// MealsByID returns those of the meals that exist, in no particular order.
func (c *catalogue) MealsByID(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	found, err := c.meals.get(ctx, ids)
	if err != nil {
		return nil, err
	}
	meals := make([]bytebites.Meal, 0, len(found))
	for _, meal := range found {
		meals = append(meals, meal)
	}
	return meals, nil
}

// Meals returns the meals that match, in order of id.
func (c *catalogue) Meals(ctx context.Context, filter bytebites.MealFilter) ([]bytebites.Meal, error) {
	// TODO(lab 03): cache what can be cached of a page. Pages are read most often. A price
	// stands on many pages: if a page is cached as it is, which pages must go when the
	// price changes? Which part of a page does no change of a meal touch? And a search can
	// have any words.
	return c.Catalogue.Meals(ctx, filter)
}

// UpdateMeal changes a meal in the store.
func (c *catalogue) UpdateMeal(ctx context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	// TODO(lab 03): take the meal out of the cache at the right moment: before the database
	// has changed, or after? When UpdateMeal has returned, no replica may show the old
	// price.
	c.meals.forget(ctx, id)
	return c.Catalogue.UpdateMeal(ctx, id, change)
}

// UserData puts the cache in front of what is counted over everybody's data, fault 5: ratings
// and popular meals.
func (c *Cache) UserData(stores service.UserData) service.UserData {
	stores.Ratings = &ratings{
		store: stores.Ratings,
		ratings: &reader[bytebites.MealID, bytebites.Rating]{
			cache: c, kind: "rating", name: mealName, load: stores.Ratings.Ratings,
		},
	}
	store := stores.Orders
	stores.Orders = &orders{
		Orders: store,
		popular: &reader[int, []bytebites.Popularity]{
			cache: c, kind: "popular", name: strconv.Itoa,
			load: oneByOne(func(ctx context.Context, limit int) ([]bytebites.Popularity, bool, error) {
				popular, err := store.Popular(ctx, limit)
				return popular, len(popular) > 0, err
			}),
		},
	}
	return stores
}

// ratings reads ratings through the cache.
type ratings struct {
	store   bytebites.Ratings
	ratings *reader[bytebites.MealID, bytebites.Rating]
}

// Ratings returns the rating of each of the meals that has one.
func (r *ratings) Ratings(ctx context.Context, meals []bytebites.MealID) (map[bytebites.MealID]bytebites.Rating, error) {
	return r.ratings.get(ctx, meals)
}

// Rate sets a subscriber's stars for a meal in the store.
func (r *ratings) Rate(ctx context.Context, user bytebites.UserID, meal bytebites.MealID, stars int) error {
	// TODO(lab 03): invalidate the rating, so that a subscriber sees the stars that they
	// have just given.
	return r.store.Rate(ctx, user, meal, stars)
}

// orders reads the popular meals through the cache, and nothing else.
type orders struct {
	bytebites.Orders
	popular *reader[int, []bytebites.Popularity]
}

// Popular returns the meals that recent orders took most portions of.
func (o *orders) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	// TODO(lab 03): choose a time to live for this list. Every order changes it a little,
	// so it cannot be kept for an hour as meals are, nor be deleted with every order. It
	// may be five minutes old.
	found, err := o.popular.get(ctx, []int{limit})
	if err != nil {
		return nil, err
	}
	return found[limit], nil
}

// oneByOne makes a reader's load of a question about one thing, which also says whether there
// is an answer.
func oneByOne[K comparable, V any](load func(ctx context.Context, id K) (V, bool, error)) func(context.Context, []K) (map[K]V, error) {
	return func(ctx context.Context, ids []K) (map[K]V, error) {
		found := make(map[K]V, len(ids))
		for _, id := range ids {
			value, exists, err := load(ctx, id)
			if err != nil {
				return nil, err
			}
			if exists {
				found[id] = value
			}
		}
		return found, nil
	}
}
