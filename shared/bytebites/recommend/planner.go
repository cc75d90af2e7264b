// Package recommend plans a week of dinners for a subscriber. The meals suit the subscriber's
// taste, differ from one another, and add up to a balanced week.
//
// The plan starts from maximal marginal relevance. Iterated local search improves it within a
// fixed budget of swaps, so each plan costs about the same CPU time. Sources:
//
//   - Maximal marginal relevance: Carbonell and Goldstein, "The Use of MMR, Diversity-Based
//     Reranking for Reordering Documents and Producing Summaries", SIGIR 1998.
//   - Iterated local search: Lourenço, Martin and Stützle, "Iterated Local Search", 2003.
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
	// Days is the number of meals in a week.
	Days = 7
	// historyOrders is the number of latest orders that count towards a taste.
	historyOrders = 50
	// menuMaxAge is the age at which the menu in memory is loaded again.
	menuMaxAge = 5 * time.Minute
)

// Planner plans weeks. It is safe for concurrent use, and each plan uses one goroutine. The
// same profile, history and menu give the same week.
type Planner struct {
	profiles bytebites.Profiles
	orders   bytebites.Orders
	menu     *menuCache
	now      func() time.Time
}

// New returns a planner. The planner keeps all meals of the catalogue in memory and reloads
// them when they are five minutes old.
func New(catalogue bytebites.Catalogue, profiles bytebites.Profiles, orders bytebites.Orders) *Planner {
	return &Planner{
		profiles: profiles,
		orders:   orders,
		menu:     newMenuCache(catalogue, time.Now),
		now:      time.Now,
	}
}

// Plan plans a subscriber's next week: distinct meals, one a day, Monday first. Each meal fits
// all the subscriber's diets, and the week is shorter when fewer meals fit. Meals with a
// disliked ingredient fill the week only when there are too few others.
//
// Plan costs about 16 ms of CPU. It returns early, with ctx's error, when ctx ends.
func (p *Planner) Plan(ctx context.Context, user bytebites.UserID) (bytebites.Week, error) {
	// The time before the first read. Of two plans, the one that begins later reads the newer
	// data, also if it ends earlier.
	began := p.now().UTC().Truncate(time.Microsecond)
	profile, err := p.profiles.Profile(ctx, user)
	if err != nil && !errors.Is(err, bytebites.ErrNotFound) { // without a profile there are no preferences
		return bytebites.Week{}, fmt.Errorf("read profile: %w", err)
	}
	history, err := p.orders.History(ctx, user, bytebites.HistoryCursor{}, historyOrders)
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
	week := bytebites.Week{PlannedAt: began, Basis: basisOf(history)}
	for _, i := range problem.spread(chosen) {
		week.Meals = append(week.Meals, candidates[i].meal.id)
	}
	return week, nil
}

// basisOf returns the sum of the orders' times, in microseconds since 1970. A later read of the same
// history has a larger sum if it has a new order: either the order is added, or it replaces one with
// an earlier time. So the sum ranks plans without a clock. The sum of historyOrders times fits in 63
// bits until the year 7000.
func basisOf(history []bytebites.Order) int64 {
	var sum int64
	for _, order := range history {
		sum += order.PlacedAt.UnixMicro()
	}
	return sum
}

// newRandom returns the random numbers of the search for a subscriber. They are the same in
// each plan, so that a plan changes only when its input changes.
func newRandom(user bytebites.UserID) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(user)) // a hash never fails
	return rand.New(rand.NewPCG(h.Sum64(), Days))
}
