// Package recommend plans a week of dinners for a subscriber: meals that they are
// likely to like, that differ from one another, and that add up to a balanced week.
//
// The plan starts from maximal marginal relevance (Carbonell and Goldstein, "The Use of
// MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
// SIGIR 1998) and is improved by iterated local search (Lourenço, Martin and Stützle,
// "Iterated Local Search", 2003) within a fixed budget of work, so that each plan costs
// about the same CPU time.
package recommend

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

const (
	// Days is how many meals a week has.
	Days = 7
	// historyOrders is how many past orders count towards a taste.
	historyOrders = 50
	// refreshEvery is how old the menu in memory may get.
	refreshEvery = 5 * time.Minute
)

// Planner plans weeks. It is safe for concurrent use; each plan keeps to one goroutine.
// The same profile, history and menu give the same week.
type Planner struct {
	profiles bytebites.Profiles
	orders   bytebites.Orders
	menu     *menuCache
	now      func() time.Time
}

// New returns a planner. It keeps every meal of the catalogue in memory and reads them
// again every five minutes.
func New(catalogue bytebites.Catalogue, profiles bytebites.Profiles, orders bytebites.Orders) *Planner {
	return &Planner{
		profiles: profiles,
		orders:   orders,
		menu:     newMenuCache(catalogue, time.Now),
		now:      time.Now,
	}
}

// Plan plans a subscriber's next week: distinct meals, one a day, Monday first, each of
// which fits all their diets. The week is shorter when fewer meals fit. Meals with an
// ingredient that they dislike come in only when without them there are too few.
//
// It costs about 16 ms of CPU and returns early, with ctx's error, when ctx ends.
func (p *Planner) Plan(ctx context.Context, user bytebites.UserID) (bytebites.Week, error) {
	profile, err := p.profiles.Profile(ctx, user)
	if err != nil && !errors.Is(err, bytebites.ErrNotFound) { // no profile: no preferences
		return bytebites.Week{}, fmt.Errorf("read profile: %w", err)
	}
	history, err := p.orders.History(ctx, user, time.Time{}, historyOrders)
	if err != nil {
		return bytebites.Week{}, fmt.Errorf("read history: %w", err)
	}
	menu, err := p.menu.current(ctx)
	if err != nil {
		return bytebites.Week{}, fmt.Errorf("read menu: %w", err)
	}
	if len(menu.meals) == 0 {
		return bytebites.Week{}, errors.New("plan week: the menu is empty")
	}
	taste := tasteOf(menu, profile.Preferences, history)
	candidates := shortlist(menu, profile.Preferences, taste)
	problem := newProblem(candidates, taste.direction)
	chosen, err := problem.solve(ctx, newRandom(user))
	if err != nil {
		return bytebites.Week{}, err
	}
	week := bytebites.Week{PlannedAt: p.now().UTC().Truncate(time.Microsecond)}
	for _, i := range problem.spread(chosen) {
		week.Meals = append(week.Meals, candidates[i].meal.id)
	}
	return week, nil
}

// newRandom returns the numbers that the search for a subscriber uses: the same every
// time, so that a plan does not change while nothing else does.
func newRandom(user bytebites.UserID) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(user)) // a hash never fails
	return rand.New(rand.NewPCG(h.Sum64(), Days))
}
