package cache

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"bytebites.example/workshop/labs/03-cache/kit"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	// mealFor is how long meals, pages and ratings are kept. A change deletes their entries, so
	// this bounds the age of an entry whose deletion was lost.
	mealFor = time.Hour
	// popularFor is how old the list of popular meals may be. Every order changes the list, so
	// a deletion at each change would leave nothing in Redis.
	popularFor = time.Minute
	// mostPopular is the most meals that a page shows. A shorter list is the beginning of this one.
	mostPopular = 50
)

// catalogue reads meals through the cache. Tastes go straight to the store: the recommender
// keeps them in its own memory.
type catalogue struct {
	bytebites.Catalogue
	meals *reader[bytebites.MealID, bytebites.Meal]
	pages *reader[bytebites.MealFilter, []bytebites.MealID]
}

// Catalogue puts the cache in front of the meals. A meal is kept once, under its id. A page is kept
// as a list of ids: no change of a meal changes which meals are on it.
func (c *Cache) Catalogue(store bytebites.Catalogue) bytebites.Catalogue {
	return &catalogue{
		Catalogue: store,
		meals: &reader[bytebites.MealID, bytebites.Meal]{
			cache: c, kind: "meal", name: mealName, ttl: kit.Always[bytebites.Meal](mealFor), load: kit.MealsOf(store),
		},
		pages: &reader[bytebites.MealFilter, []bytebites.MealID]{
			cache: c, kind: "page", name: pageName, ttl: kit.Always[[]bytebites.MealID](mealFor),
			load: kit.OneByOne(func(ctx context.Context, filter bytebites.MealFilter) ([]bytebites.MealID, bool, error) {
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

func mealName(id bytebites.MealID) string { return string(id) }

// pageName returns the part of a page's key that tells it from other pages. It quotes what a
// visitor may have written, so that no two filters share a name.
func pageName(f bytebites.MealFilter) string {
	return fmt.Sprintf("%q:%q:%q:%q:%d:%d", f.Cuisine, f.Diet, f.Search, f.After, f.MaxPrice, f.Limit)
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

// MealsByID returns those of the meals that exist, in the order of ids.
func (c *catalogue) MealsByID(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	found, err := c.meals.get(ctx, ids)
	if err != nil {
		return nil, err
	}
	return kit.InOrder(ids, found), nil
}

// Meals returns the meals that match, in order of id. A search or a highest price goes to the
// store: its result depends on what a change may touch, and visitors write very many of them.
func (c *catalogue) Meals(ctx context.Context, filter bytebites.MealFilter) ([]bytebites.Meal, error) {
	if filter.Search != "" || filter.MaxPrice != 0 {
		return c.Catalogue.Meals(ctx, filter)
	}
	pages, err := c.pages.get(ctx, []bytebites.MealFilter{filter})
	if err != nil {
		return nil, err
	}
	return c.MealsByID(ctx, pages[filter])
}

// UpdateMeal changes a meal in the store, and then deletes its entry: also after an error, because
// the commit may have gone through, and also when the client has disconnected.
func (c *catalogue) UpdateMeal(ctx context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	meal, err := c.Catalogue.UpdateMeal(ctx, id, change)
	c.meals.forget(context.WithoutCancel(ctx), id)
	return meal, err
}

// UserData puts the cache in front of ratings and popular meals, which are counted over the data of
// all subscribers (fault 5 of docs/faults.md). Data of one subscriber is read too seldom.
func (c *Cache) UserData(stores service.UserData) service.UserData {
	stores.Ratings = &ratings{store: stores.Ratings, ratings: &reader[bytebites.MealID, bytebites.Rating]{
		cache: c, kind: "rating", name: mealName, ttl: kit.Always[bytebites.Rating](mealFor), load: stores.Ratings.Ratings,
	}}
	stores.Orders = &orders{Orders: stores.Orders, popular: c.popular(stores.Orders)}
	return stores
}

// popular returns the reader of the popular meals. Its only id is mostPopular.
func (c *Cache) popular(store bytebites.Orders) *reader[int, []bytebites.Popularity] {
	return &reader[int, []bytebites.Popularity]{
		cache: c, kind: "popular", name: strconv.Itoa, ttl: kit.Always[[]bytebites.Popularity](popularFor),
		load: kit.OneByOne(func(ctx context.Context, limit int) ([]bytebites.Popularity, bool, error) {
			popular, err := store.Popular(ctx, limit)
			return popular, len(popular) > 0, err
		}),
	}
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

// Rate sets a subscriber's stars for a meal in the store, and then deletes the entry of the meal's
// rating.
func (r *ratings) Rate(ctx context.Context, user bytebites.UserID, meal bytebites.MealID, stars int) error {
	err := r.store.Rate(ctx, user, meal, stars)
	r.ratings.forget(context.WithoutCancel(ctx), meal)
	return err
}

// orders reads the popular meals through the cache, and nothing else.
type orders struct {
	bytebites.Orders
	popular *reader[int, []bytebites.Popularity]
}

// Popular returns the meals that recent orders took most portions of.
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
