// Package checkouttest has a fake of everything that a checkout needs, in memory: the
// catalogue, the stock, the orders, the suppliers' ledger, the weeks, the recommender and the
// mail server. Tests and the checks of lab 01 run a checkout against it. They make each call
// fail, lose its answer, or wait, and then read what the fake holds.
package checkouttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
)

// Call names a call that a checkout makes.
type Call string

// The calls of a checkout. Commit is the end of Place's transaction.
const (
	Replay    Call = "replay" // Orders.OrderByKey
	Prices    Call = "prices"
	Reserve   Call = "reserve"
	Recommend Call = "recommend"
	Place     Call = "place"
	Outbox    Call = "outbox"
	Commit    Call = "commit"
	Confirm   Call = "confirm"
	Release   Call = "release"
	Mail      Call = "mail"
	Ledger    Call = "ledger"
	SaveWeek  Call = "save_week"
	Finish    Call = "finish"
	Order     Call = "order" // Orders.Order
	Unsettled Call = "unsettled"
)

// World is the fake. Lock it to read or change its fields while a checkout runs.
type World struct {
	bytebites.Catalogue
	bytebites.Stock
	bytebites.Orders

	sync.Mutex
	Fail map[Call]error // the call does nothing and returns the error
	Lose map[Call]error // the call does its work and then returns the error
	// On runs before its call, with the context of the call.
	On map[Call]func(ctx context.Context)

	Shelf  map[bytebites.MealID]int
	Held   map[bytebites.OrderID]*Reservation
	Placed map[bytebites.OrderID]bytebites.Order
	Booked map[bytebites.OrderID]int // calls of the suppliers' ledger
	Mails  []Message
	Weeks  map[bytebites.UserID]bytebites.Week
	Told   map[bytebites.EventID]bytebites.Event
	Plans  int

	stocked map[bytebites.MealID]int
	nextID  int
	open    int // transactions
	pool    chan struct{}
}

// Reservation is the stock reserved for an order.
type Reservation struct {
	User  bytebites.UserID
	Lines []bytebites.Line
	State string // held, confirmed or released
}

// Message is a mail that the mail server took.
type Message struct {
	To    string
	Order bytebites.Order
	// Stored reports whether the order was in the database, and OpenTransactions how many
	// transactions were open, when the mail was sent.
	Stored           bool
	OpenTransactions int
	// TimeLeft is the time from then to the end of the mail's context; 0 is no end.
	TimeLeft time.Duration
}

// New returns a World with that many portions of each meal, and with that many connections to
// its database. A call of the database waits for a free connection, so a checkout that needs
// two of one connection hangs.
func New(connections int, stocked map[bytebites.MealID]int) *World {
	return &World{
		Fail: make(map[Call]error), Lose: make(map[Call]error), On: make(map[Call]func(context.Context)),
		Shelf: maps.Clone(stocked), stocked: maps.Clone(stocked),
		Held:   make(map[bytebites.OrderID]*Reservation),
		Placed: make(map[bytebites.OrderID]bytebites.Order),
		Booked: make(map[bytebites.OrderID]int),
		Weeks:  make(map[bytebites.UserID]bytebites.Week),
		Told:   make(map[bytebites.EventID]bytebites.Event),
		pool:   make(chan struct{}, connections),
	}
}

// Mailed returns how many mails the mail server took for an order.
func (w *World) Mailed(id bytebites.OrderID) int {
	n := 0
	for _, mail := range w.Mails {
		if mail.Order.ID == id {
			n++
		}
	}
	return n
}

// OpenTransactions returns how many transactions of Place are open.
func (w *World) OpenTransactions() int {
	w.Lock()
	defer w.Unlock()
	return w.open
}

// call begins a call of the database or of another part.
func (w *World) call(ctx context.Context, name Call, database bool) (done func(), err error) {
	w.Lock()
	on := w.On[name]
	w.Unlock()
	if on != nil {
		on(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if database {
		select {
		case w.pool <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	w.Lock()
	defer w.Unlock()
	done = func() {
		if database {
			<-w.pool
		}
	}
	if err := w.Fail[name]; err != nil {
		done()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return done, nil
}

// do runs a call's work, and then loses the answer if the test says so.
func (w *World) do(ctx context.Context, name Call, work func() error) error {
	done, err := w.call(ctx, name, true)
	if err != nil {
		return err
	}
	defer done()
	w.Lock()
	defer w.Unlock()
	if err := work(); err != nil {
		return err
	}
	return w.Lose[name]
}

// MealsByID is the bytebites.Catalogue method. It knows the meals that were stocked.
func (w *World) MealsByID(ctx context.Context, ids []bytebites.MealID) (meals []bytebites.Meal, err error) {
	err = w.do(ctx, Prices, func() error {
		for _, id := range ids {
			if _, ok := w.Shelf[id]; ok {
				meals = append(meals, bytebites.Meal{ID: id, Name: "a " + string(id), Price: 500})
			}
		}
		return nil
	})
	return meals, err
}

// Reserve is the bytebites.Stock method.
func (w *World) Reserve(ctx context.Context, id bytebites.OrderID, user bytebites.UserID, lines []bytebites.Line) error {
	return w.do(ctx, Reserve, func() error {
		for _, line := range lines {
			if w.Shelf[line.Meal] < line.Quantity {
				return &bytebites.OutOfStockError{Meal: line.Meal}
			}
		}
		for _, line := range lines {
			w.Shelf[line.Meal] -= line.Quantity
		}
		w.Held[id] = &Reservation{User: user, Lines: lines, State: "held"}
		return nil
	})
}

// Confirm is the bytebites.Stock method.
func (w *World) Confirm(ctx context.Context, id bytebites.OrderID) error {
	return w.do(ctx, Confirm, func() error {
		r, ok := w.Held[id]
		if !ok || r.State == "released" {
			return bytebites.ErrConflict
		}
		r.State = "confirmed"
		return nil
	})
}

// Release is the bytebites.Stock method.
func (w *World) Release(ctx context.Context, id bytebites.OrderID) error {
	return w.do(ctx, Release, func() error {
		r, ok := w.Held[id]
		switch {
		case !ok || r.State == "released":
			return nil
		case r.State == "confirmed":
			return bytebites.ErrConflict
		}
		for _, line := range r.Lines {
			w.Shelf[line.Meal] += line.Quantity
		}
		r.State = "released"
		return nil
	})
}

// Unsettled is the bytebites.Stock method. It ignores the age.
func (w *World) Unsettled(ctx context.Context, _, limit int) (due []bytebites.Reservation, err error) {
	err = w.do(ctx, Unsettled, func() error {
		for id, r := range w.Held {
			if r.State == "held" && len(due) < limit {
				due = append(due, bytebites.Reservation{Order: id, User: r.User})
			}
		}
		return nil
	})
	return due, err
}

// Place is the bytebites.Orders method.
func (w *World) Place(ctx context.Context, order bytebites.Order, within func(context.Context) error) error {
	done, err := w.call(ctx, Place, true)
	if err != nil {
		return err
	}
	defer done()
	w.Lock()
	for _, other := range w.Placed {
		if other.User == order.User && other.IdempotencyKey == order.IdempotencyKey {
			w.Unlock()
			return bytebites.ErrDuplicate
		}
	}
	w.open++
	w.Unlock()
	defer func() {
		w.Lock()
		defer w.Unlock()
		w.open--
	}()
	if within == nil {
		within = func(context.Context) error { return nil }
	}
	told := make(map[bytebites.EventID]bytebites.Event)
	if err := within(context.WithValue(ctx, transaction{}, told)); err != nil {
		return fmt.Errorf("place order: %w", err)
	}
	w.Lock()
	on := w.On[Commit]
	w.Unlock()
	if on != nil {
		on(ctx)
	}
	w.Lock()
	defer w.Unlock()
	if err := w.Fail[Commit]; err != nil {
		return err
	}
	maps.Copy(w.Told, told)
	order.Done = make(map[bytebites.Effect]time.Time)
	w.Placed[order.ID] = order
	return w.Lose[Commit]
}

// transaction is the context key of the events that an order's transaction adds.
type transaction struct{}

// Add is the bytebites.Outbox method.
func (w *World) Add(ctx context.Context, _ bytebites.UserID, events ...bytebites.Event) error {
	told, ok := ctx.Value(transaction{}).(map[bytebites.EventID]bytebites.Event)
	done, err := w.call(ctx, Outbox, !ok) // the transaction has the connection
	if err != nil {
		return err
	}
	defer done()
	w.Lock()
	defer w.Unlock()
	if !ok {
		told = w.Told
	}
	for _, event := range events {
		told[event.ID] = event
	}
	return nil
}

// Order is the bytebites.Orders method.
func (w *World) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (order bytebites.Order, err error) {
	err = w.do(ctx, Order, func() error {
		var ok bool
		if order, ok = w.Placed[id]; !ok || order.User != user {
			return bytebites.ErrNotFound
		}
		return nil
	})
	return order, err
}

// OrderByKey is the bytebites.Orders method.
func (w *World) OrderByKey(ctx context.Context, user bytebites.UserID, key string) (order bytebites.Order, err error) {
	err = w.do(ctx, Replay, func() error {
		for _, o := range w.Placed {
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

// Finish is the bytebites.Orders method.
func (w *World) Finish(ctx context.Context, _ bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect) error {
	return w.do(ctx, Finish, func() error {
		w.Placed[id].Done[effect] = time.Unix(1, 0)
		return nil
	})
}

// Record is the bytebites.SupplierLedger method.
func (w *World) Record(ctx context.Context, order bytebites.Order) error {
	return w.do(ctx, Ledger, func() error {
		w.Booked[order.ID]++
		return nil
	})
}

// SetWeek is the bytebites.Weeks method.
func (w *World) SetWeek(ctx context.Context, user bytebites.UserID, week bytebites.Week) error {
	return w.do(ctx, SaveWeek, func() error {
		w.Weeks[user] = week
		return nil
	})
}

// Week is the bytebites.Weeks method. It never finds a week.
func (w *World) Week(context.Context, bytebites.UserID) (bytebites.Week, error) {
	return bytebites.Week{}, bytebites.ErrNotFound
}

// Plan is the bytebites.Recommender method. It reads the history, so it needs a connection.
func (w *World) Plan(ctx context.Context, _ bytebites.UserID) (bytebites.Week, error) {
	err := w.do(ctx, Recommend, func() error { // it reads the history
		w.Plans++
		return nil
	})
	return bytebites.Week{Meals: []bytebites.MealID{"soup"}}, err
}

// ConfirmOrder is the bytebites.Mailer method.
func (w *World) ConfirmOrder(ctx context.Context, to string, order bytebites.Order) error {
	done, err := w.call(ctx, Mail, false)
	if err != nil {
		return err
	}
	defer done()
	w.Lock()
	defer w.Unlock()
	_, stored := w.Placed[order.ID]
	message := Message{To: to, Order: order, Stored: stored, OpenTransactions: w.open}
	if end, ok := ctx.Deadline(); ok {
		message.TimeLeft = time.Until(end)
	}
	w.Mails = append(w.Mails, message)
	return w.Lose[Mail]
}

// Steps returns the steps of a checkout over the fake. The registerer may be nil.
func (w *World) Steps(registerer prometheus.Registerer) (*checkout.Steps, error) {
	return checkout.NewSteps(checkout.Parts{
		Catalogue: w, Stock: w, Orders: w, Ledger: w, Weeks: w, Recommender: w, Mailer: w, Outbox: w,
		Registerer: registerer,
		NewID: func(bytebites.UserID) bytebites.OrderID {
			w.Lock()
			defer w.Unlock()
			w.nextID++
			return bytebites.OrderID(fmt.Sprintf("o%d", w.nextID))
		},
	})
}

// Settle settles the reservations that are still held, as a sweeper does when no request runs.
func (w *World) Settle(ctx context.Context) error {
	sweeper := checkout.Sweeper{Stock: w, Orders: w, Limit: len(w.Held) + 1}
	_, err := sweeper.Sweep(ctx)
	return err
}

// Books returns an error unless every order has a confirmed reservation and every confirmed
// reservation has an order. No reservation may be held, and no stock may be missing.
func (w *World) Books() error {
	w.Lock()
	defer w.Unlock()
	var errs []error
	problemf := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for id := range w.Placed {
		if r, ok := w.Held[id]; !ok || r.State != "confirmed" {
			problemf("order %s has no confirmed reservation", id)
		}
	}
	taken := make(map[bytebites.MealID]int)
	for id, r := range w.Held {
		switch _, exists := w.Placed[id]; {
		case r.State == "held":
			problemf("reservation %s is still held", id)
		case r.State == "confirmed" && !exists:
			problemf("reservation %s is confirmed and there is no such order", id)
		case r.State == "confirmed":
			for _, line := range r.Lines {
				taken[line.Meal] += line.Quantity
			}
		}
	}
	for meal, full := range w.stocked {
		if w.Shelf[meal] != full-taken[meal] {
			problemf("%d portions of %s are left, want %d", w.Shelf[meal], meal, full-taken[meal])
		}
	}
	return errors.Join(errs...)
}
