package cache

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	// mealFor is how long meals, pages and ratings are kept. They are deleted when they
	// change, so this bounds what a lost deletion does, and what nobody asks for any more.
	mealFor = time.Hour
	// popularFor is how old the list of popular meals may be. Every order changes it, so
	// deleting it with each change would be as good as not keeping it.
	popularFor = time.Minute
	// mostPopular is the most that a page shows. Fewer are the first of these.
	mostPopular = 50
)

// Catalogue puts the cache in front of the meals.
//
// A meal is kept once, under its id. A page is kept as a list of ids: which meals are on
// it depends on nothing that staff may change, and so a change of a meal is one deletion.
func (c *Cache) Catalogue(store bytebites.Catalogue) bytebites.Catalogue {
	return &catalogue{
		Catalogue: store,
		meals: &reader[bytebites.MealID, bytebites.Meal]{
			cache: c, kind: "meal", name: mealName, keep: always[bytebites.Meal](mealFor),
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
		pages: &reader[bytebites.MealFilter, []bytebites.MealID]{
			cache: c, kind: "page", name: pageName, keep: always[[]bytebites.MealID](mealFor),
			load: oneByOne(func(ctx context.Context, filter bytebites.MealFilter) ([]bytebites.MealID, bool, error) {
				meals, err := store.Meals(ctx, filter)
				ids := make([]bytebites.MealID, len(meals))
				for i, meal := range meals {
					ids[i] = meal.ID
				}
				return ids, len(ids) > 0, err
			}),
		},
	}
}

// catalogue reads meals through the cache. Tastes go straight to the store: the recommender
// keeps them in its own memory.
type catalogue struct {
	bytebites.Catalogue
	meals *reader[bytebites.MealID, bytebites.Meal]
	pages *reader[bytebites.MealFilter, []bytebites.MealID]
}

func mealName(id bytebites.MealID) string { return string(id) }

// pageName quotes what a visitor may have written, so that no two pages share a name.
func pageName(f bytebites.MealFilter) string {
	return fmt.Sprintf("%q:%q:%q:%d", f.Cuisine, f.Diet, f.After, f.Limit)
}

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

// Meals returns the meals that match, in order of id. A search, or a highest price, goes to
// the store: there are as many of them as visitors care to write, few are asked for twice, and
// they depend on what may change.
func (c *catalogue) Meals(ctx context.Context, filter bytebites.MealFilter) ([]bytebites.Meal, error) {
	if filter.Search != "" || filter.MaxPrice != 0 {
		return c.Catalogue.Meals(ctx, filter)
	}
	pages, err := c.pages.get(ctx, []bytebites.MealFilter{filter})
	if err != nil {
		return nil, err
	}
	ids := pages[filter]
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := c.meals.get(ctx, ids)
	if err != nil {
		return nil, err
	}
	meals := make([]bytebites.Meal, 0, len(ids))
	for _, id := range ids {
		if meal, exists := found[id]; exists {
			meals = append(meals, meal)
		}
	}
	return meals, nil
}

// UpdateMeal changes a meal in the store and then takes it out of the cache; also after an
// error, for a commit may have gone through though its answer did not.
func (c *catalogue) UpdateMeal(ctx context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	meal, err := c.Catalogue.UpdateMeal(ctx, id, change)
	c.meals.forget(ctx, id)
	return meal, err
}

// UserData puts the cache in front of what is counted over everybody's data, fault 5: ratings
// and popular meals. What belongs to one subscriber is read too seldom to be worth it.
func (c *Cache) UserData(stores service.UserData) service.UserData {
	stores.Ratings = &ratings{
		store: stores.Ratings,
		ratings: &reader[bytebites.MealID, bytebites.Rating]{
			cache: c, kind: "rating", name: mealName, keep: always[bytebites.Rating](mealFor), load: stores.Ratings.Ratings,
		},
	}
	store := stores.Orders
	stores.Orders = &orders{
		Orders: store,
		popular: &reader[int, []bytebites.Popularity]{
			cache: c, kind: "popular", name: strconv.Itoa, keep: always[[]bytebites.Popularity](popularFor),
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

// Rate sets a subscriber's stars for a meal in the store and then takes the meal's rating out
// of the cache.
func (r *ratings) Rate(ctx context.Context, user bytebites.UserID, meal bytebites.MealID, stars int) error {
	err := r.store.Rate(ctx, user, meal, stars)
	r.ratings.forget(ctx, meal)
	return err
}

// orders reads the popular meals through the cache, and nothing else.
type orders struct {
	bytebites.Orders
	popular *reader[int, []bytebites.Popularity]
}

// Popular returns the meals that recent orders took most portions of, as they were up to
// a minute ago.
func (o *orders) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	if limit > mostPopular {
		return o.Orders.Popular(ctx, limit)
	}
	found, err := o.popular.get(ctx, []int{mostPopular})
	if err != nil {
		return nil, err
	}
	popular := found[mostPopular]
	return popular[:min(max(limit, 0), len(popular))], nil
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
