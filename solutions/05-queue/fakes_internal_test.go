package queue

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/service"
)

// errDown is the error of a server that does not answer.
var errDown = errors.New("down")

// world is the parts of a service that orders and their effects need. log has the calls, in order; fail
// has the calls that fail. A part that is nil panics.
type world struct {
	bytebites.Catalogue
	bytebites.Stock
	bytebites.Orders
	bytebites.SupplierLedger
	bytebites.Weeks

	log    []string
	fail   map[string]error
	orders map[bytebites.OrderID]bytebites.Order
	told   map[bytebites.EventID]bytebites.Event
	claims map[bytebites.Effect]bool // live ones
	paid   map[string]bool
}

func newWorld() *world {
	return &world{
		fail: make(map[string]error), orders: make(map[bytebites.OrderID]bytebites.Order),
		told: make(map[bytebites.EventID]bytebites.Event), claims: make(map[bytebites.Effect]bool), paid: make(map[string]bool),
	}
}

// transaction is the context key of being inside one.
type transaction struct{}

// did notes a call, in brackets when it is inside a transaction.
func (w *world) did(ctx context.Context, what string) error {
	if ctx.Value(transaction{}) != nil {
		what = "(" + what + ")"
	}
	w.log = append(w.log, what)
	return w.fail[what]
}

// transact undoes all that work has changed when it fails.
func (w *world) transact(ctx context.Context, work func(context.Context) error) error {
	orders, told, paid := maps.Clone(w.orders), maps.Clone(w.told), maps.Clone(w.paid)
	err := work(context.WithValue(ctx, transaction{}, true))
	if err != nil {
		w.orders, w.told, w.paid = orders, told, paid
	}
	return err
}

func (w *world) MealsByID(_ context.Context, ids []bytebites.MealID) (meals []bytebites.Meal, err error) {
	for _, id := range ids {
		meals = append(meals, bytebites.Meal{ID: id, Name: "Soup", Price: 100})
	}
	return meals, nil
}

func (w *world) Reserve(ctx context.Context, _ bytebites.OrderID, _ bytebites.UserID, _ []bytebites.Line) error {
	return w.did(ctx, "reserve")
}
func (w *world) Confirm(ctx context.Context, _ bytebites.OrderID) error { return w.did(ctx, "confirm") }
func (w *world) Release(ctx context.Context, _ bytebites.OrderID) error { return w.did(ctx, "release") }

func (w *world) Place(ctx context.Context, order bytebites.Order, within func(context.Context) error) error {
	return w.transact(ctx, func(ctx context.Context) error {
		for _, other := range w.orders {
			if other.IdempotencyKey == order.IdempotencyKey {
				return bytebites.ErrDuplicate
			}
		}
		w.orders[order.ID] = order
		if err := w.did(ctx, "place"); err != nil {
			return err
		}
		return within(ctx)
	})
}

func (w *world) Order(ctx context.Context, _ bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	order, ok := w.orders[id]
	if !ok {
		return bytebites.Order{}, bytebites.ErrNotFound
	}
	return order, w.did(ctx, "read")
}

func (w *world) OrderByKey(_ context.Context, _ bytebites.UserID, key string) (bytebites.Order, error) {
	for _, order := range w.orders {
		if order.IdempotencyKey == key {
			return order, nil
		}
	}
	return bytebites.Order{}, bytebites.ErrNotFound
}

func (w *world) note(id bytebites.OrderID, effect bytebites.Effect) {
	order := w.orders[id]
	order.Done = maps.Clone(order.Done)
	if order.Done == nil {
		order.Done = make(map[bytebites.Effect]time.Time)
	}
	order.Done[effect] = time.Now()
	w.orders[id] = order
}

func (w *world) Once(ctx context.Context, _ bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect, work func(context.Context) error) (bool, error) {
	if _, done := w.orders[id].Done[effect]; done {
		return false, nil
	}
	err := w.transact(ctx, func(ctx context.Context) error {
		w.note(id, effect)
		return work(ctx)
	})
	return err == nil, err
}

func (w *world) RecordPayment(ctx context.Context, event bytebites.PaymentEvent, within func(context.Context) error) (bool, error) {
	if w.paid[event.ID] {
		return false, nil
	}
	err := w.transact(ctx, func(ctx context.Context) error {
		w.paid[event.ID] = true
		return within(ctx)
	})
	return err == nil, err
}

func (w *world) SettlePayment(ctx context.Context, _ bytebites.PaymentEvent) error {
	return w.did(ctx, "settle")
}

func (w *world) Record(ctx context.Context, _ bytebites.Order) error { return w.did(ctx, "book") }

func (w *world) SetWeek(ctx context.Context, _ bytebites.UserID, _ bytebites.Week) error {
	return w.did(ctx, "save week")
}

func (w *world) Plan(ctx context.Context, _ bytebites.UserID) (bytebites.Week, error) {
	return bytebites.Week{Meals: []bytebites.MealID{"m1"}}, w.did(ctx, "plan")
}

func (w *world) ConfirmOrder(ctx context.Context, _ string, _ bytebites.Order) error {
	return w.did(ctx, "mail")
}

// told is the world's outbox.
type outboxOf struct{ *world }

func (o outboxOf) Add(ctx context.Context, _ bytebites.UserID, events ...bytebites.Event) error {
	for _, event := range events {
		if err := o.did(ctx, "tell "+string(event.Topic)); err != nil {
			return err
		}
		o.told[event.ID] = event
	}
	return nil
}

type claimsOf struct{ *world }

func (c claimsOf) Claim(ctx context.Context, _ bytebites.UserID, _ bytebites.OrderID, effect bytebites.Effect, _ time.Duration) (bool, error) {
	if err := c.did(ctx, "claim"); err != nil {
		return false, err
	}
	free := !c.claims[effect]
	c.claims[effect] = true
	return free, nil
}

func (c claimsOf) Release(ctx context.Context, _ bytebites.UserID, _ bytebites.OrderID, effect bytebites.Effect) error {
	delete(c.claims, effect)
	return c.did(ctx, "give up claim")
}

// parts returns the world as a service has it.
func (w *world) parts(t *testing.T) service.Parts {
	t.Helper()
	steps, err := checkout.NewSteps(checkout.Parts{
		Catalogue: w, Stock: w, Orders: w, Ledger: w, Weeks: w, Recommender: w, Mailer: w, Outbox: outboxOf{w},
	})
	if err != nil {
		t.Fatal(err)
	}
	return service.Parts{
		Steps:    steps,
		UserData: service.UserData{Orders: w, Outbox: outboxOf{w}, Claims: claimsOf{w}},
	}
}

// wants fails the test unless the world was asked for exactly that.
func (w *world) wants(t *testing.T, calls ...string) {
	t.Helper()
	if !slices.Equal(w.log, calls) {
		t.Errorf("called %q\n  want %q", w.log, calls)
	}
}
