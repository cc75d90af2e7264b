package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
)

var errBroken = errors.New("broken")

// world is an in-memory fake of all dependencies of a checkout. A test can make each call fail.
// Calls that need the single database connection wait for it, so a checkout that needs two at
// once hangs.
type world struct {
	bytebites.Catalogue
	bytebites.Stock
	bytebites.Orders

	mu     sync.Mutex
	fail   map[string]error  // by name of the call; the call does nothing
	lose   map[string]error  // by name of the call; the call succeeds and its answer is lost
	on     map[string]func() // by name of the call; runs before it
	shelf  map[bytebites.MealID]int
	held   map[bytebites.OrderID]*reservation
	placed map[bytebites.OrderID]bytebites.Order
	booked map[bytebites.OrderID]int
	mailed map[bytebites.OrderID]int
	weeks  map[bytebites.UserID]bytebites.Week
	told   map[bytebites.EventID]bytebites.Event
	plans  int
	nextID int
	conn   chan struct{}
}

type reservation struct {
	user  bytebites.UserID
	lines []bytebites.Line
	state string // held, confirmed or released
}

func newWorld() *world {
	return &world{
		fail: make(map[string]error), lose: make(map[string]error), on: make(map[string]func()),
		shelf:  map[bytebites.MealID]int{"soup": 10, "stew": 10, "rare": 1},
		held:   make(map[bytebites.OrderID]*reservation),
		placed: make(map[bytebites.OrderID]bytebites.Order),
		booked: make(map[bytebites.OrderID]int),
		mailed: make(map[bytebites.OrderID]int),
		weeks:  make(map[bytebites.UserID]bytebites.Week),
		told:   make(map[bytebites.EventID]bytebites.Event),
		conn:   make(chan struct{}, 1),
	}
}

// call begins a call of the database or of another part.
func (w *world) call(ctx context.Context, name string, database bool) (done func(), err error) {
	w.mu.Lock()
	on := w.on[name]
	w.mu.Unlock()
	if on != nil {
		on()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if database {
		select {
		case w.conn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	done = func() {
		if database {
			<-w.conn
		}
	}
	if err := w.fail[name]; err != nil {
		done()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return done, nil
}

// do runs a call's work, and then loses the answer if the test says so.
func (w *world) do(ctx context.Context, name string, work func() error) error {
	done, err := w.call(ctx, name, true)
	if err != nil {
		return err
	}
	defer done()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := work(); err != nil {
		return err
	}
	return w.lose[name]
}

func (w *world) MealsByID(ctx context.Context, ids []bytebites.MealID) (meals []bytebites.Meal, err error) {
	err = w.do(ctx, "prices", func() error {
		for _, id := range ids {
			if _, ok := w.shelf[id]; ok {
				meals = append(meals, bytebites.Meal{ID: id, Name: "a " + string(id), Price: 500})
			}
		}
		return nil
	})
	return meals, err
}

func (w *world) Reserve(ctx context.Context, id bytebites.OrderID, user bytebites.UserID, lines []bytebites.Line) error {
	return w.do(ctx, "reserve", func() error {
		for _, line := range lines {
			if w.shelf[line.Meal] < line.Quantity {
				return &bytebites.OutOfStockError{Meal: line.Meal}
			}
		}
		for _, line := range lines {
			w.shelf[line.Meal] -= line.Quantity
		}
		w.held[id] = &reservation{user: user, lines: lines, state: "held"}
		return nil
	})
}

func (w *world) Confirm(ctx context.Context, id bytebites.OrderID) error {
	return w.do(ctx, "confirm", func() error {
		r, ok := w.held[id]
		if !ok || r.state == "released" {
			return bytebites.ErrConflict
		}
		r.state = "confirmed"
		return nil
	})
}

func (w *world) Release(ctx context.Context, id bytebites.OrderID) error {
	return w.do(ctx, "release", func() error {
		r, ok := w.held[id]
		switch {
		case !ok || r.state == "released":
			return nil
		case r.state == "confirmed":
			return bytebites.ErrConflict
		}
		for _, line := range r.lines {
			w.shelf[line.Meal] += line.Quantity
		}
		r.state = "released"
		return nil
	})
}

func (w *world) Unsettled(ctx context.Context, _, limit int) (due []bytebites.Reservation, err error) {
	err = w.do(ctx, "unsettled", func() error {
		for id, r := range w.held {
			if r.state == "held" && len(due) < limit {
				due = append(due, bytebites.Reservation{Order: id, User: r.user})
			}
		}
		return nil
	})
	return due, err
}

func (w *world) Place(ctx context.Context, order bytebites.Order, within func(context.Context) error) error {
	done, err := w.call(ctx, "place", true)
	if err != nil {
		return err
	}
	defer done()
	w.mu.Lock()
	for _, other := range w.placed {
		if other.User == order.User && other.IdempotencyKey == order.IdempotencyKey {
			w.mu.Unlock()
			return bytebites.ErrDuplicate
		}
	}
	w.mu.Unlock()
	told := make(map[bytebites.EventID]bytebites.Event)
	if err := within(context.WithValue(ctx, transaction{}, told)); err != nil {
		return fmt.Errorf("place order: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail["commit"]; err != nil {
		return err
	}
	maps.Copy(w.told, told)
	order.Done = make(map[bytebites.Effect]time.Time)
	w.placed[order.ID] = order
	return w.lose["commit"]
}

// transaction is the context key of the events that an order's transaction adds.
type transaction struct{}

func (w *world) Add(ctx context.Context, _ bytebites.UserID, events ...bytebites.Event) error {
	told, ok := ctx.Value(transaction{}).(map[bytebites.EventID]bytebites.Event)
	done, err := w.call(ctx, "outbox", !ok) // the transaction has the connection
	if err != nil {
		return err
	}
	defer done()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok {
		told = w.told
	}
	for _, event := range events {
		told[event.ID] = event
	}
	return nil
}

func (w *world) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (order bytebites.Order, err error) {
	err = w.do(ctx, "order", func() error {
		var ok bool
		if order, ok = w.placed[id]; !ok || order.User != user {
			return bytebites.ErrNotFound
		}
		return nil
	})
	return order, err
}

func (w *world) OrderByKey(ctx context.Context, user bytebites.UserID, key string) (order bytebites.Order, err error) {
	err = w.do(ctx, "replay", func() error {
		for _, o := range w.placed {
			if o.User == user && o.IdempotencyKey == key {
				order = copied(o)
				return nil
			}
		}
		return bytebites.ErrNotFound
	})
	return order, err
}

// copied returns a copy of an order that does not share the map of effects.
func copied(order bytebites.Order) bytebites.Order {
	done := make(map[bytebites.Effect]time.Time)
	for effect, at := range order.Done {
		done[effect] = at
	}
	order.Done = done
	return order
}

func (w *world) Finish(ctx context.Context, _ bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect) error {
	return w.do(ctx, "finish", func() error {
		w.placed[id].Done[effect] = time.Unix(1, 0)
		return nil
	})
}

func (w *world) Record(ctx context.Context, order bytebites.Order) error {
	return w.do(ctx, "ledger", func() error {
		w.booked[order.ID]++
		return nil
	})
}

func (w *world) SetWeek(ctx context.Context, user bytebites.UserID, week bytebites.Week) error {
	return w.do(ctx, "save_week", func() error {
		w.weeks[user] = week
		return nil
	})
}

func (w *world) Week(context.Context, bytebites.UserID) (bytebites.Week, error) {
	return bytebites.Week{}, bytebites.ErrNotFound
}

func (w *world) Plan(ctx context.Context, _ bytebites.UserID) (bytebites.Week, error) {
	err := w.do(ctx, "recommend", func() error { // it reads the history
		w.plans++
		return nil
	})
	return bytebites.Week{Meals: []bytebites.MealID{"soup"}}, err
}

func (w *world) ConfirmOrder(ctx context.Context, _ string, order bytebites.Order) error {
	done, err := w.call(ctx, "mail", false)
	if err != nil {
		return err
	}
	defer done()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mailed[order.ID]++
	return nil
}

func (w *world) steps(tb testing.TB, registerer prometheus.Registerer) *checkout.Steps {
	tb.Helper()
	steps, err := checkout.NewSteps(checkout.Parts{
		Catalogue: w, Stock: w, Orders: w, Ledger: w, Weeks: w, Recommender: w, Mailer: w, Outbox: w,
		Registerer: registerer,
		NewID: func(bytebites.UserID) bytebites.OrderID {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.nextID++
			return bytebites.OrderID(fmt.Sprintf("o%d", w.nextID))
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return steps
}

// settled fails the test unless every order has a confirmed reservation and every confirmed
// reservation has an order. No reservation may be held, and no stock may be missing.
func (w *world) settled(tb testing.TB) {
	tb.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.placed {
		if r, ok := w.held[id]; !ok || r.state != "confirmed" {
			tb.Errorf("order %s has no confirmed reservation", id)
		}
	}
	taken := make(map[bytebites.MealID]int)
	for id, r := range w.held {
		switch _, exists := w.placed[id]; {
		case r.state == "held":
			tb.Errorf("reservation %s is still held", id)
		case r.state == "confirmed" && !exists:
			tb.Errorf("reservation %s is confirmed and there is no such order", id)
		case r.state == "confirmed":
			for _, line := range r.lines {
				taken[line.Meal] += line.Quantity
			}
		}
	}
	for meal, full := range map[bytebites.MealID]int{"soup": 10, "stew": 10, "rare": 1} {
		if w.shelf[meal] != full-taken[meal] {
			tb.Errorf("%d of %s on the shelf, want %d", w.shelf[meal], meal, full-taken[meal])
		}
	}
}

func request(key string, lines ...bytebites.Line) bytebites.OrderRequest {
	if lines == nil {
		lines = []bytebites.Line{{Meal: "soup", Quantity: 2}, {Meal: "stew", Quantity: 1}}
	}
	return bytebites.OrderRequest{User: "u1", Email: "u1@example.com", IdempotencyKey: key, Lines: lines}
}
