package recommend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

var _ bytebites.Recommender = (*Planner)(nil)

func TestWeekIsDistinctAndKeepsDiets(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		k := newKitchen(60+random.IntN(300), 8+random.IntN(24), random)
		var preferences bytebites.Preferences
		if seed%2 == 0 {
			preferences.Diets = []string{"vegetarian"}
		}
		if seed%4 == 0 {
			preferences.Diets = append(preferences.Diets, "vegan")
		}
		preferences.Dislikes = []string{"Ingredient 3"}
		s := newSubscriber(k, random, preferences)
		week, err := New(k, s, s).Plan(t.Context(), "u1")
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(week.Meals) != Days {
			t.Fatalf("seed %d: %d meals, want %d", seed, len(week.Meals), Days)
		}
		seen := make(map[bytebites.MealID]bool)
		for _, id := range week.Meals {
			if seen[id] {
				t.Errorf("seed %d: meal %s twice", seed, id)
			}
			seen[id] = true
			i := slices.IndexFunc(k.meals, func(m bytebites.Meal) bool { return m.ID == id })
			for _, diet := range preferences.Diets {
				if !slices.Contains(k.meals[i].Diets, diet) {
					t.Errorf("seed %d: meal %s is not %s", seed, id, diet)
				}
			}
			if k.meals[i].Ingredients[0].Name == "ingredient 3" {
				t.Errorf("seed %d: meal %s has a disliked ingredient", seed, id)
			}
		}
	}
}

func TestSameInputSameWeek(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 1))
	k := newKitchen(200, 16, random)
	s := newSubscriber(k, random, bytebites.Preferences{Cuisines: []string{"thai"}})
	first, err := New(k, s, s).Plan(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	// The store may list the meals in any order.
	slices.Reverse(k.taste)
	second, err := New(k, s, s).Plan(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.Meals, second.Meals) {
		t.Fatalf("got %v, then %v", first.Meals, second.Meals)
	}
}

func TestTasteFollowsWhatWasOrdered(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 1))
	k := newKitchen(200, 16, random)
	ordered := k.meals[42]
	s := &subscriber{history: []bytebites.Order{{
		PlacedAt: time.Unix(1e9, 0),
		Lines:    []bytebites.OrderLine{{Meal: ordered.ID, Quantity: 1}},
	}}}
	week, err := New(k, s, s).Plan(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(week.Meals, ordered.ID) {
		t.Errorf("the only meal ever ordered, %s, is not in %v", ordered.ID, week.Meals)
	}
}

func TestRecentOrdersCountMore(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	k := newKitchen(50, 16, random)
	m := newMenu(k.taste, nil, time.Time{})
	now := time.Unix(1e9, 0)
	history := []bytebites.Order{
		{PlacedAt: now, Lines: []bytebites.OrderLine{{Meal: "m0001", Quantity: 1}}},
		{PlacedAt: now.Add(-2 * orderHalfLife), Lines: []bytebites.OrderLine{{Meal: "m0002", Quantity: 1}}},
	}
	got := tasteOf(m, bytebites.Preferences{}, history).direction
	want := make([]float64, len(got))
	addScaled(want, m.meals[1].vector, 4)
	addScaled(want, m.meals[2].vector, 1)
	normalise(want)
	for d := range want {
		if diff := got[d] - want[d]; diff > 1e-9 || diff < -1e-9 {
			t.Fatalf("dimension %d: got %v, want %v: an order two half-lives old counts a quarter", d, got[d], want[d])
		}
	}
}

func TestFewMealsGiveAShortWeek(t *testing.T) {
	for _, test := range []struct{ meals, want int }{{0, 0}, {1, 1}, {6, 6}, {7, 7}, {8, 7}} {
		t.Run(fmt.Sprint(test.meals), func(t *testing.T) {
			k := newKitchen(test.meals, 8, rand.New(rand.NewPCG(1, 1)))
			s := &subscriber{}
			week, err := New(k, s, s).Plan(t.Context(), "u1")
			if test.meals == 0 {
				if err == nil {
					t.Fatal("an empty menu gave a week")
				}
				return
			}
			if err != nil || len(week.Meals) != test.want {
				t.Fatalf("got %d meals, %v; want %d", len(week.Meals), err, test.want)
			}
		})
	}
}

func TestDislikedMealsFillAWeekThatIsTooShort(t *testing.T) {
	k := newKitchen(10, 8, rand.New(rand.NewPCG(1, 1)))
	s := &subscriber{preferences: bytebites.Preferences{
		Dislikes: []string{"ingredient 0", "ingredient 1", "ingredient 2", "ingredient 3", "ingredient 4"},
	}}
	week, err := New(k, s, s).Plan(t.Context(), "u1")
	if err != nil || len(week.Meals) != Days {
		t.Fatalf("got %d meals, %v; want %d", len(week.Meals), err, Days)
	}
	for _, liked := range []bytebites.MealID{"m0005", "m0006", "m0007", "m0008", "m0009"} {
		if !slices.Contains(week.Meals, liked) {
			t.Errorf("%s is not disliked and not there, while disliked meals are", liked)
		}
	}
}

func TestCancelledPlanReturnsPromptly(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 1))
	k := newKitchen(400, 32, random)
	s := newSubscriber(k, random, bytebites.Preferences{})
	planner := New(k, s, s)
	if _, err := planner.Plan(t.Context(), "u1"); err != nil { // loads the menu
		t.Fatal(err)
	}
	candidates := shortlist(planner.menu.latest.Load(), s.preferences, taste{direction: make([]float64, 32)})
	problem := newProblem(candidates, make([]float64, 32))
	ctx := &countdown{Context: t.Context(), checks: 3}
	if _, err := problem.solve(ctx, newRandom("u1")); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if ctx.checks < -2 { // one check finds the end, and one more reads the cause
		t.Fatalf("looked at the context %d times after it ended", -ctx.checks)
	}
}

// countdown is a context that ends after a number of checks.
type countdown struct {
	context.Context
	checks int
}

func (c *countdown) Err() error {
	if c.checks--; c.checks < 0 {
		return context.Canceled
	}
	return nil
}

func TestMenuIsReadOnceForAll(t *testing.T) {
	k := newKitchen(50, 8, rand.New(rand.NewPCG(1, 1)))
	k.gate = make(chan struct{})
	now := time.Unix(1000, 0)
	cache := newMenuCache(k, func() time.Time { return now })
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := cache.current(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for k.reads.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(k.gate)
	wg.Wait()
	if n := k.reads.Load(); n != 1 {
		t.Fatalf("the catalogue was read %d times, want once", n)
	}
	now = now.Add(menuMaxAge)
	if _, err := cache.current(t.Context()); err != nil || k.reads.Load() != 2 {
		t.Fatalf("%v after %d readings: an old menu must be read again", err, k.reads.Load())
	}
	// Plans must succeed while the catalogue is down.
	now = now.Add(menuMaxAge)
	k.err = errors.New("down")
	if m, err := cache.current(t.Context()); err != nil || len(m.meals) != 50 {
		t.Fatalf("catalogue down: got %v, want the latest menu", err)
	}
}

func TestMenuReadSurvivesTheRequestThatBeganIt(t *testing.T) {
	k := newKitchen(50, 8, rand.New(rand.NewPCG(1, 1)))
	k.gate = make(chan struct{})
	cache := newMenuCache(k, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := cache.current(ctx); first <- err }()
	for k.reads.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled caller: got %v", err)
	}
	close(k.gate)
	if _, err := cache.current(t.Context()); err != nil {
		t.Fatalf("another caller: %v", err)
	}
}

// slowHistory holds the first read of a history until it is released.
type slowHistory struct {
	*subscriber
	read    chan struct{} // receives a value when the first read begins
	release chan struct{}
	held    atomic.Bool
}

func (s *slowHistory) History(ctx context.Context, user bytebites.UserID, before bytebites.HistoryCursor, limit int) ([]bytebites.Order, error) {
	if s.held.CompareAndSwap(false, true) {
		close(s.read)
		<-s.release
	}
	return s.subscriber.History(ctx, user, before, limit)
}

// TestPlannedAtIsTheBeginning overlaps two plans. The one that began first ends last.
func TestPlannedAtIsTheBeginning(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 1))
	k := newKitchen(50, 8, random)
	s := &slowHistory{
		subscriber: newSubscriber(k, random, bytebites.Preferences{}),
		read:       make(chan struct{}), release: make(chan struct{}),
	}
	planner := New(k, s, s)
	var ticks atomic.Int64
	planner.now = func() time.Time { return time.Unix(1e9+ticks.Add(1), 0) }

	first := make(chan bytebites.Week, 1)
	go func() {
		week, err := planner.Plan(context.WithoutCancel(t.Context()), "u1")
		if err != nil {
			t.Errorf("first plan: %v", err)
		}
		first <- week
	}()
	<-s.read
	second, err := planner.Plan(t.Context(), "u1")
	close(s.release)
	if err != nil {
		t.Fatalf("second plan: %v", err)
	}
	if week := <-first; !week.PlannedAt.Before(second.PlannedAt) {
		t.Errorf("the plan that began first says %v, the second one %v", week.PlannedAt, second.PlannedAt)
	}
}

func TestBasisGrowsWithEachOrder(t *testing.T) {
	at := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name     string
		placedAt time.Time // of the new order; the others are placed at and in the hours before
		want     int       // as cmp.Compare
	}{
		{"later than all", at.Add(time.Hour), +1},
		{"by a replica whose clock is behind", at.Add(-time.Minute), +1},
		{"of the same instant", at, +1},
		{"too old to be considered", at.AddDate(-1, 0, 0), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			orders := make([]bytebites.Order, historyOrders)
			for i := range orders {
				orders[i].PlacedAt = at.Add(-time.Duration(i) * time.Hour)
			}
			before := basisOf(orders)
			orders = append(orders, bytebites.Order{PlacedAt: test.placedAt})
			slices.SortFunc(orders, func(a, b bytebites.Order) int { return b.PlacedAt.Compare(a.PlacedAt) })
			if got := cmp.Compare(basisOf(orders[:historyOrders]), before); got != test.want {
				t.Errorf("compared with the basis before: got %d, want %d", got, test.want)
			}
		})
	}
	if one, two := basisOf(make([]bytebites.Order, 0)), basisOf([]bytebites.Order{{PlacedAt: at}}); one >= two {
		t.Errorf("basis of no order %d, of the first %d", one, two)
	}
}
