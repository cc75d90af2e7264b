package recommend

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"bytebites.example/workshop/shared/bytebites"
)

const (
	// loadTimeout bounds one reading of the catalogue.
	loadTimeout = 10 * time.Second
	// mealsPerCall keeps single statements short.
	mealsPerCall = 100
)

// meal is what the planner knows of a meal.
type meal struct {
	id            bytebites.MealID
	cuisine       string
	diets         []string
	ingredients   []string
	kiloCalories  float64
	saltMilligram float64
	vector        []float32 // unit length
}

// menu is all meals at one time. It is never changed.
type menu struct {
	meals    []meal // in order of id, so that plans do not depend on the store's order
	byID     map[bytebites.MealID]int
	loadedAt time.Time
}

// menuCache keeps the menu in memory.
type menuCache struct {
	catalogue bytebites.Catalogue
	now       func() time.Time
	latest    atomic.Pointer[menu]
	flight    singleflight.Group
}

func newMenuCache(catalogue bytebites.Catalogue, now func() time.Time) *menuCache {
	return &menuCache{catalogue: catalogue, now: now}
}

// current returns a menu that is at most refreshEvery old or, when the catalogue cannot
// be read, the latest there is. However many ask, the catalogue is read once.
func (c *menuCache) current(ctx context.Context) (*menu, error) {
	latest := c.latest.Load()
	if c.fresh(latest) {
		return latest, nil
	}
	result := c.flight.DoChan("menu", func() (any, error) {
		// Since the look above, a reading that this caller did not join may have ended.
		if m := c.latest.Load(); c.fresh(m) {
			return m, nil
		}
		// Others wait for it too, so it does not end with the request that began it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		m, err := c.load(ctx)
		if err == nil {
			c.latest.Store(m)
		}
		return m, err
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case loaded := <-result:
		if loaded.Err != nil && latest != nil {
			return latest, nil
		}
		if loaded.Err != nil {
			return nil, loaded.Err
		}
		return loaded.Val.(*menu), nil
	}
}

func (c *menuCache) fresh(m *menu) bool { return m != nil && c.now().Sub(m.loadedAt) < refreshEvery }

func (c *menuCache) load(ctx context.Context) (*menu, error) {
	tastes, err := c.catalogue.Tastes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read tastes: %w", err)
	}
	ids := make([]bytebites.MealID, len(tastes))
	for i, taste := range tastes {
		ids[i] = taste.Meal
	}
	details := make(map[bytebites.MealID]bytebites.Meal, len(ids))
	for chunk := range slices.Chunk(ids, mealsPerCall) {
		meals, err := c.catalogue.MealsByID(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("read meals: %w", err)
		}
		for _, m := range meals {
			details[m.ID] = m
		}
	}
	return newMenu(tastes, details, c.now()), nil
}

// newMenu joins tastes and meals. Meals whose vectors have another length than the
// first one's are left out: they cannot be compared.
func newMenu(tastes []bytebites.Taste, details map[bytebites.MealID]bytebites.Meal, at time.Time) *menu {
	m := &menu{byID: make(map[bytebites.MealID]int, len(tastes)), loadedAt: at}
	for _, taste := range tastes {
		if len(taste.Vector) != len(tastes[0].Vector) {
			continue
		}
		entry := meal{
			id:           taste.Meal,
			cuisine:      taste.Cuisine,
			diets:        taste.Diets,
			kiloCalories: float64(taste.KiloCalories),
			vector:       taste.Vector,
		}
		if detail, ok := details[taste.Meal]; ok {
			entry.saltMilligram = float64(detail.Nutrition.SaltMilligram)
			for _, ingredient := range detail.Ingredients {
				entry.ingredients = append(entry.ingredients, ingredient.Name)
			}
		}
		m.meals = append(m.meals, entry)
	}
	slices.SortFunc(m.meals, func(a, b meal) int { return compare(a.id, b.id) })
	for i, entry := range m.meals {
		m.byID[entry.id] = i
	}
	return m
}
