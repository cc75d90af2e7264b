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
	// loadTimeout bounds one load of the menu from the catalogue.
	loadTimeout = 10 * time.Second
	// mealsPerCall bounds the meals in one statement, so that no statement runs long.
	mealsPerCall = 100
)

// meal holds the properties of a meal that the planner uses.
type meal struct {
	id            bytebites.MealID
	cuisine       string
	diets         []string
	ingredients   []string
	kiloCalories  float64
	saltMilligram float64
	vector        []float32 // unit length
}

// menu is a snapshot of all meals. It never changes.
type menu struct {
	meals    []meal // sorted by id, so that plans do not depend on the store's order
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

// current returns a menu that is at most menuMaxAge old. If the catalogue cannot be read, it
// returns the latest menu. Concurrent calls share one load of the catalogue.
func (c *menuCache) current(ctx context.Context) (*menu, error) {
	latest := c.latest.Load()
	if c.fresh(latest) {
		return latest, nil
	}
	result := c.flight.DoChan("menu", func() (any, error) {
		// Another load may have ended since the check above.
		if m := c.latest.Load(); c.fresh(m) {
			return m, nil
		}
		// Other requests wait for this load too, so it outlives the request that started it.
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

func (c *menuCache) fresh(m *menu) bool { return m != nil && c.now().Sub(m.loadedAt) < menuMaxAge }

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

// newMenu joins tastes and meals. It skips meals whose vector differs in length from the
// first meal's vector, because such vectors cannot be compared.
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
