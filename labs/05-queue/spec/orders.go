package spec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// plentyMeals are the meals that people choose from: none that runs out.
	plentyMeals = 200
	// refusals are enough: a load ends early in which so many orders are not accepted.
	refusals = 3
	// refusedFor is how long somebody tries to order who has no answer, or is told to try again, and
	// againAfter the pause between two tries.
	refusedFor = 5 * time.Second
	againAfter = 200 * time.Millisecond
)

// order is one that was accepted.
type order struct {
	person   *person
	id       bytebites.OrderID
	lines    []line
	total    bytebites.Cents
	placedAt time.Time
	// accepted is when its answer was here, after so many tries.
	accepted time.Time
	tries    int
	// doneAtOnce are the effects that the answer calls done.
	doneAtOnce []bytebites.Effect
}

// line is in the API's words.
type line struct {
	Meal     bytebites.MealID `json:"meal_id"`
	Quantity int              `json:"quantity"`
}

// someLines returns a few different meals.
func someLines() []line {
	chosen := make([]line, 0, 3)
	for _, n := range rand.Perm(plentyMeals)[:1+rand.IntN(3)] {
		chosen = append(chosen, line{Meal: bytebites.MealID(seed.Meal(1 + n)), Quantity: 1 + rand.IntN(4)})
	}
	return chosen
}

// place has somebody order, under one key until the order is accepted. The error is a *lab.Failure
// when it is refused, or not accepted for too long.
func (l *trial) place(ctx context.Context, p *person) (*order, error) {
	o := &order{person: p, lines: someLines()}
	r := request{
		method: http.MethodPost, path: "/orders", body: map[string][]line{"lines": o.lines},
		header: map[string]string{"Cookie": p.cookie, "Idempotency-Key": fmt.Sprintf("check-%d", l.keys.Add(1))},
	}
	a, tries, err := l.persist(ctx, r, http.StatusCreated, http.StatusOK)
	if err != nil {
		return nil, err
	}
	o.accepted, o.tries = time.Now(), tries
	var placed struct {
		ID       bytebites.OrderID `json:"id"`
		Total    bytebites.Cents   `json:"total_cents"`
		PlacedAt time.Time         `json:"placed_at"`
		Effects  []struct {
			Name bytebites.Effect `json:"name"`
			Done bool             `json:"done"`
		} `json:"effects"`
	}
	if err := a.into(&placed); err != nil {
		return nil, err
	}
	o.id, o.total, o.placedAt = placed.ID, placed.Total, placed.PlacedAt
	for _, e := range placed.Effects {
		if e.Done {
			o.doneAtOnce = append(o.doneAtOnce, e.Name)
		}
	}
	return o, nil
}

// persist sends a request that may be sent more than once until the answer has a good status, and
// returns how often that was.
func (l *trial) persist(ctx context.Context, r request, good ...int) (a answer, tries int, err error) {
	for began := time.Now(); ; {
		tries++
		a, err = l.ask(ctx, r)
		switch {
		case ctx.Err() != nil:
			return a, tries, context.Cause(ctx)
		case err == nil && slices.Contains(good, a.status):
			return a, tries, nil
		case err == nil && a.status < http.StatusInternalServerError, time.Since(began) > refusedFor:
			seen := a.String()
			if err != nil {
				seen = "no answer: " + err.Error()
			}
			return a, tries, &lab.Failure{
				Expected: r.method + " " + r.path + " to be answered well", Seen: fmt.Sprintf("%s, at try %d", seen, tries),
				Look: lab.Look{File: "publisher.go", Func: "Checkout", Hint: "what does a request wait for?"},
			}
		}
		if err := sleep(ctx, againAfter); err != nil {
			return a, tries, err
		}
	}
}

// load has people order by turns, n orders in all, some at a time, each with a pause after
// it. It returns the accepted ones, and a failure when some were not.
func (l *trial) load(ctx context.Context, people []*person, n int, pause time.Duration) ([]*order, error) {
	var mu sync.Mutex
	var placed []*order
	var failures []error
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range n {
			mu.Lock()
			enough := len(failures) >= refusals
			mu.Unlock()
			if enough {
				return
			}
			next <- i
		}
	}()
	var ordering sync.WaitGroup
	for range min(atOnce, n) {
		ordering.Go(func() {
			for i := range next {
				o, err := l.place(ctx, people[i%len(people)])
				mu.Lock()
				if err != nil {
					failures = append(failures, err)
				} else {
					placed = append(placed, o)
				}
				mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	ordering.Wait()
	if len(failures) > 0 {
		return placed, fmt.Errorf("%d of %d orders: %w", len(failures), len(placed)+len(failures), failures[0])
	}
	return placed, nil
}
