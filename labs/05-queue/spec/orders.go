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
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// plentyMeals is how many meals the orders choose from. None of them sells out.
	plentyMeals = 200
	// maxRefusals ends a load when so many of its orders were not accepted.
	maxRefusals = 3
	// retryFor is how long a client repeats a request that got no answer or a server error,
	// and retryPause the pause between two tries.
	retryFor   = 5 * time.Second
	retryPause = 200 * time.Millisecond
)

// order is an order that was accepted.
type order struct {
	person   *person
	id       bytebites.OrderID
	lines    []line
	total    bytebites.Cents
	placedAt time.Time
	// accepted is when the answer came, and tries how many requests it took.
	accepted time.Time
	tries    int
	// doneAtOnce are the effects that the answer reports as done.
	doneAtOnce []bytebites.Effect
}

// line is a line of an order, as the API has it.
type line struct {
	Meal     bytebites.MealID `json:"meal_id"`
	Quantity int              `json:"quantity"`
}

// someLines returns one to three different meals.
func someLines() []line {
	chosen := make([]line, 0, 3)
	for _, n := range rand.Perm(plentyMeals)[:1+rand.IntN(3)] {
		chosen = append(chosen, line{Meal: bytebites.MealID(seed.Meal(1 + n)), Quantity: 1 + rand.IntN(4)})
	}
	return chosen
}

// place places an order of a subscriber, and repeats the request under one Idempotency-Key
// until it is accepted. The error is a failure when that takes too long.
func (l *trial) place(ctx context.Context, p *person) (*order, error) {
	o := &order{person: p, lines: someLines()}
	r := rig.Request{
		Method: http.MethodPost, Path: "/orders", Body: map[string][]line{"lines": o.lines},
		Header: map[string]string{"Cookie": p.cookie, "Idempotency-Key": fmt.Sprintf("check-%d", l.keys.Add(1))},
	}
	a, tries, seen, err := l.retry(ctx, r, http.StatusCreated, http.StatusOK)
	if err != nil {
		return nil, err
	}
	if seen != "" {
		return nil, &lab.Failure{
			Expected: fmt.Sprintf("an order to be accepted within %s", retryFor), Seen: seen, Waited: lateAnswer(a),
			Look: lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "let an order wait for Replay, Draft, Reserve and Place only"},
		}
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
	if err := a.Into(&placed); err != nil {
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

// retry repeats a request until the answer has one of the wanted statuses. It returns that
// answer and the number of tries. Without such an answer seen describes the last try; else it is
// empty.
func (l *trial) retry(ctx context.Context, r rig.Request, wanted ...int) (a rig.Answer, tries int, seen string, err error) {
	for began := time.Now(); ; {
		tries++
		a, err = l.ask(ctx, r)
		switch {
		case ctx.Err() != nil:
			return a, tries, "", context.Cause(ctx)
		case err == nil && slices.Contains(wanted, a.Status):
			return a, tries, "", nil
		case err == nil && a.Status < http.StatusInternalServerError, time.Since(began) > retryFor:
			seen := a.String()
			if err != nil {
				seen = "no answer: " + err.Error()
			}
			return a, tries, fmt.Sprintf("%s, at try %d of %s %s", seen, tries, r.Method, r.Path), nil
		}
		if err := rig.Pause(ctx, retryPause); err != nil {
			return a, tries, "", err
		}
	}
}

// lateAnswer returns the wait of a request that was repeated for retryFor, when its last answer says
// that the service had no time or did not come.
func lateAnswer(a rig.Answer) lab.Waited {
	if a.Status != 0 && !lab.LateStatus(a.Status) {
		return lab.Waited{}
	}
	return lab.Last(retryFor)
}

// load places n orders of the people in turn, several at a time, with a pause after each. It
// returns the accepted orders, and a failure when some were not accepted.
func (l *trial) load(ctx context.Context, people []*person, n int, pause time.Duration) ([]*order, error) {
	var mu sync.Mutex
	var placed []*order
	var failures []error
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range n {
			mu.Lock()
			enough := len(failures) >= maxRefusals
			mu.Unlock()
			if enough {
				return
			}
			next <- i
		}
	}()
	var ordering sync.WaitGroup
	for range min(concurrency, n) {
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
				_ = rig.Pause(ctx, pause) // when ctx ends the next order fails
			}
		})
	}
	ordering.Wait()
	if len(failures) > 0 {
		return placed, fmt.Errorf("%d of %d orders: %w", len(failures), len(placed)+len(failures), failures[0])
	}
	return placed, nil
}
