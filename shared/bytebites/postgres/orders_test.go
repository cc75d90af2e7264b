package postgres_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
)

func testOrders(t *testing.T, f *fixture) {
	t.Run("place and read", func(t *testing.T) { testPlace(t, f) })
	t.Run("one order a key", func(t *testing.T) { testOneOrderAKey(t, f) })
	t.Run("within", func(t *testing.T) { testWithin(t, f) })
	t.Run("history", func(t *testing.T) { testHistory(t, f) })
	t.Run("finish", func(t *testing.T) { testFinish(t, f) })
	t.Run("seeded", func(t *testing.T) { testSeededOrders(t, f) })
	t.Run("popular", func(t *testing.T) { testPopular(t, f) })
}

func testPlace(t *testing.T, f *fixture) {
	user, stranger := f.user(), f.user()
	order := f.placed(t, user, seed.Meal(30), seed.Meal(10), seed.Meal(20))
	order.Done = map[bytebites.Effect]time.Time{}
	got, err := f.orders.Order(f.ctx, user, order.ID)
	must(t, err)
	if !reflect.DeepEqual(got, order) {
		t.Errorf("got  %+v\nwant %+v", got, order)
	}
	got, err = f.orders.OrderByKey(f.ctx, user, order.IdempotencyKey)
	must(t, err)
	if got.ID != order.ID {
		t.Errorf("key leads to %s, want %s", got.ID, order.ID)
	}
	_, err = f.orders.Order(f.ctx, stranger, order.ID)
	wantError(t, "another subscriber's order", err, bytebites.ErrNotFound)
	_, err = f.orders.OrderByKey(f.ctx, stranger, order.IdempotencyKey)
	wantError(t, "another subscriber's key", err, bytebites.ErrNotFound)

	sameID := f.draft(user, seed.Meal(1))
	sameID.ID = order.ID
	wantError(t, "same id", f.orders.Place(f.ctx, sameID, nil), bytebites.ErrDuplicate)
	wantError(t, "order of an unknown subscriber", f.orders.Place(f.ctx, f.draft("nobody", seed.Meal(1)), nil), bytebites.ErrNotFound)

	// Another subscriber may use the same key.
	theirs := f.draft(stranger, seed.Meal(1))
	theirs.IdempotencyKey, theirs.PlacedAt = order.IdempotencyKey, time.Time{}
	f.reserve(t, theirs)
	must(t, f.orders.Place(f.ctx, theirs, nil))
	if got, err = f.orders.Order(f.ctx, stranger, theirs.ID); err != nil || time.Since(got.PlacedAt).Abs() > time.Hour {
		t.Errorf("without PlacedAt: placed at %s, error %v", got.PlacedAt, err)
	}
}

func testOneOrderAKey(t *testing.T, f *fixture) {
	user := f.user()
	orders := make([]bytebites.Order, 16)
	for i := range orders {
		orders[i] = f.draft(user, seed.Meal(1))
		orders[i].IdempotencyKey = "the same key"
		f.reserve(t, orders[i])
	}
	errs := together(len(orders), func(i int) error { return f.orders.Place(f.ctx, orders[i], nil) })
	placed := 0
	for i, err := range errs {
		switch {
		case err == nil:
			placed++
		case errors.Is(err, bytebites.ErrDuplicate):
			must(t, f.stock.Release(f.ctx, orders[i].ID))
		default:
			t.Errorf("got error %v, want ErrDuplicate", err)
		}
	}
	if placed != 1 {
		t.Errorf("%d orders placed under one key", placed)
	}
}

func testWithin(t *testing.T, f *fixture) {
	order := f.draft(f.user(), seed.Meal(1))
	broken := errors.New("the mail did not go out")
	err := f.orders.Place(f.ctx, order, func(ctx context.Context) error {
		// A store that takes part in the transaction sees the order and is rolled back with it.
		must(t, f.orders.Finish(ctx, order.User, order.ID, bytebites.EffectEmail))
		must(t, f.ledger.Record(ctx, order))
		if got, err := f.orders.Order(ctx, order.User, order.ID); err != nil || len(got.Done) != 1 {
			t.Errorf("inside: got %+v, %v", got, err)
		}
		_, err := f.orders.Order(f.ctx, order.User, order.ID)
		wantError(t, "seen from outside", err, bytebites.ErrNotFound)
		return broken
	})
	wantError(t, "within failed", err, broken)
	_, err = f.orders.Order(f.ctx, order.User, order.ID)
	wantError(t, "order that was undone", err, bytebites.ErrNotFound)
	if n := f.count(t, `SELECT count(*) FROM supplier_ledger WHERE order_id = $1`, string(order.ID)); n != 0 {
		t.Errorf("%d ledger entries of an order that was undone", n)
	}

	// The same order succeeds afterwards, so the rollback left no rows.
	f.reserve(t, order)
	must(t, f.orders.Place(f.ctx, order, func(ctx context.Context) error {
		return f.orders.Finish(ctx, order.User, order.ID, bytebites.EffectEmail)
	}))
	if got, err := f.orders.Order(f.ctx, order.User, order.ID); err != nil || len(got.Done) != 1 {
		t.Errorf("got %+v, %v; want the effect done", got, err)
	}

	// A panic inside returns the connection to the pool.
	func() {
		defer func() { _ = recover() }()
		_ = f.orders.Place(f.ctx, f.draft(f.user(), seed.Meal(1)), func(context.Context) error { panic("oops") })
	}()
	if inUse := f.db.Stats().InUse; inUse != 0 {
		t.Errorf("%d connections in use after a panic", inUse)
	}
}

func (f *fixture) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	var n int
	must(t, f.db.QueryRowContext(f.ctx, query, args...).Scan(&n))
	return n
}

func testHistory(t *testing.T, f *fixture) {
	user := f.user()
	old, err := f.orders.History(f.ctx, user, bytebites.HistoryCursor{}, 1000)
	must(t, err)
	first, second := f.placed(t, user, seed.Meal(1), seed.Meal(2)), f.placed(t, user, seed.Meal(3))
	all, err := f.orders.History(f.ctx, user, bytebites.HistoryCursor{}, 1000)
	must(t, err)
	if len(all) != len(old)+2 || all[0].ID != second.ID || all[1].ID != first.ID || len(all[1].Lines) != 2 {
		t.Errorf("got %d orders, the first %+v", len(all), all[0])
	}
	if !slices.IsSortedFunc(all, func(a, b bytebites.Order) int { return b.PlacedAt.Compare(a.PlacedAt) }) {
		t.Error("not the latest first")
	}
	// Reading page by page returns the same orders.
	var paged []bytebites.OrderID
	for before := (bytebites.HistoryCursor{}); ; {
		page, err := f.orders.History(f.ctx, user, before, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, order := range page {
			paged = append(paged, order.ID)
		}
		before = page[len(page)-1].Cursor()
	}
	if len(paged) != len(all) {
		t.Fatalf("pages hold %d orders, want %d", len(paged), len(all))
	}
	for i, order := range all {
		if order.ID != paged[i] || order.User != user {
			t.Errorf("order %d: %s of %s, page has %s", i, order.ID, order.User, paged[i])
		}
	}
	testHistoryOfOneInstant(t, f)
	if none, err := f.orders.History(f.ctx, user, bytebites.HistoryCursor{}, -1); err != nil || len(none) != 0 {
		t.Errorf("limit of -1: %d orders, error %v", len(none), err)
	}
}

// testHistoryOfOneInstant reads nine orders of one instant in pages of each size.
func testHistoryOfOneInstant(t *testing.T, f *fixture) {
	t.Helper()
	const orders = 9
	user := bytebites.NewUserID(time.Now())
	must(t, f.profiles.Create(f.ctx, bytebites.Profile{User: user, Preferences: bytebites.Preferences{PortionCount: 2}}))
	var want []bytebites.OrderID // the ids of drafts ascend
	at := time.Date(2026, 2, 1, 18, 0, 0, 0, time.UTC)
	for range orders {
		order := f.draft(user, seed.Meal(1))
		order.PlacedAt = at
		f.reserve(t, order)
		must(t, f.orders.Place(f.ctx, order, nil))
		must(t, f.stock.Confirm(f.ctx, order.ID))
		want = slices.Insert(want, 0, order.ID)
	}
	for limit := 1; limit <= orders; limit++ {
		var got []bytebites.OrderID
		for before := (bytebites.HistoryCursor{}); len(got) <= orders; {
			page, err := f.orders.History(f.ctx, user, before, limit)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, order := range page {
				got = append(got, order.ID)
			}
			before = page[len(page)-1].Cursor()
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %v, want %v", limit, got, want)
		}
	}
}

func testFinish(t *testing.T, f *fixture) {
	order := f.placed(t, f.user(), seed.Meal(1))
	must(t, f.orders.Finish(f.ctx, order.User, order.ID, bytebites.EffectLedger))
	got, err := f.orders.Order(f.ctx, order.User, order.ID)
	must(t, err)
	first := got.Done[bytebites.EffectLedger]
	if len(got.Done) != 1 || first.IsZero() {
		t.Errorf("done: %v", got.Done)
	}
	must(t, f.orders.Finish(f.ctx, order.User, order.ID, bytebites.EffectLedger))
	if got, err = f.orders.Order(f.ctx, order.User, order.ID); err != nil || !got.Done[bytebites.EffectLedger].Equal(first) {
		t.Errorf("finishing again moved %s to %s, error %v", first, got.Done[bytebites.EffectLedger], err)
	}
	wantError(t, "another subscriber's", f.orders.Finish(f.ctx, f.user(), order.ID, bytebites.EffectEmail), bytebites.ErrNotFound)
}

func testSeededOrders(t *testing.T, f *fixture) {
	history, err := f.orders.History(f.ctx, seed.User(f.size.Users), bytebites.HistoryCursor{}, 1)
	must(t, err)
	if len(history) != 1 {
		t.Fatal("no seeded orders")
	}
	order := history[0]
	if order.Status != bytebites.OrderPaid || len(order.Done) != len(bytebites.Effects()) || order.PlacedAt.After(seed.LastOrderAt()) {
		t.Errorf("got %+v", order)
	}
	must(t, f.orders.Finish(f.ctx, order.User, order.ID, bytebites.EffectEmail))
}

func testPopular(t *testing.T, f *fixture) {
	popular, err := f.orders.Popular(f.ctx, 10)
	must(t, err)
	const portions = `SELECT coalesce(sum(quantity), 0) FROM order_lines WHERE meal_id = $1
		AND order_id IN (SELECT id FROM orders ORDER BY placed_at DESC LIMIT $2)`
	for i, p := range popular {
		if n := f.count(t, portions, string(p.Meal), postgres.PopularOrders); n != p.Portions {
			t.Errorf("%s: %d portions, want %d", p.Meal, p.Portions, n)
		}
		if i > 0 && p.Portions > popular[i-1].Portions {
			t.Errorf("%v is not the most popular first", popular)
		}
	}
	if len(popular) != 10 || popular[0].Meal != seed.Meal(1) {
		t.Errorf("got %v", popular)
	}
}

func testPayments(t *testing.T, f *fixture) {
	type event struct {
		id        string
		succeeded bool
		short     bytebites.Cents // difference from the total
		stranger  bool
		applied   bool
		err       error
	}
	for _, test := range []struct {
		name   string
		events []event
		want   bytebites.OrderStatus
	}{
		{"paid", []event{{id: "1", succeeded: true, applied: true}}, bytebites.OrderPaid},
		{"replayed", []event{{id: "1", succeeded: true, applied: true}, {id: "1", succeeded: true}}, bytebites.OrderPaid},
		{"failed, then paid", []event{{id: "1", applied: true}, {id: "2", succeeded: true, applied: true}}, bytebites.OrderPaid},
		{"failure comes late", []event{{id: "1", succeeded: true, applied: true}, {id: "2", applied: true}}, bytebites.OrderPaid},
		{"failed", []event{{id: "1", applied: true}}, bytebites.OrderPaymentFailed},
		{"other outcome, same id", []event{{id: "1", applied: true}, {id: "1", succeeded: true, err: bytebites.ErrConflict}}, bytebites.OrderPaymentFailed},
		{"wrong amount", []event{{id: "1", succeeded: true, short: 1, err: bytebites.ErrConflict}, {id: "1", succeeded: true, applied: true}}, bytebites.OrderPaid},
		{"another subscriber's order", []event{{id: "1", succeeded: true, stranger: true, err: bytebites.ErrNotFound}}, bytebites.OrderPlaced},
	} {
		t.Run(test.name, func(t *testing.T) {
			order, stranger := f.placed(t, f.user(), seed.Meal(1), seed.Meal(2)), f.user()
			for i, e := range test.events {
				event := bytebites.PaymentEvent{
					ID: test.name + e.id, User: order.User, Order: order.ID, Amount: order.Total - e.short, Succeeded: e.succeeded,
				}
				if e.stranger {
					event.User = stranger
				}
				applied, err := f.orders.ApplyPayment(f.ctx, event)
				if applied != e.applied || !errors.Is(err, e.err) {
					t.Errorf("event %d: applied %t, error %v; want %t, %v", i, applied, err, e.applied, e.err)
				}
			}
			if got, err := f.orders.Order(f.ctx, order.User, order.ID); err != nil || got.Status != test.want {
				t.Errorf("order is %s, error %v; want %s", got.Status, err, test.want)
			}
		})
	}
	t.Run("at once", func(t *testing.T) {
		order := f.placed(t, f.user(), seed.Meal(1))
		var applied [16]bool
		for _, err := range together(len(applied), func(i int) (err error) {
			applied[i], err = f.orders.ApplyPayment(f.ctx, bytebites.PaymentEvent{
				ID: "at once", User: order.User, Order: order.ID, Amount: order.Total, Succeeded: true,
			})
			return err
		}) {
			must(t, err)
		}
		n := 0
		for _, a := range applied {
			if a {
				n++
			}
		}
		if n != 1 {
			t.Errorf("one event was applied %d times", n)
		}
		other := f.placed(t, order.User, seed.Meal(1))
		_, err := f.orders.ApplyPayment(f.ctx, bytebites.PaymentEvent{
			ID: "at once", User: other.User, Order: other.ID, Amount: other.Total, Succeeded: true,
		})
		wantError(t, "event id of another order", err, bytebites.ErrConflict)
	})
}

func testLedger(t *testing.T, f *fixture) {
	order := f.placed(t, f.user(), seed.Meal(1), seed.Meal(11))
	grams := 0
	for _, line := range order.Lines {
		meal, err := f.catalogue.Meal(f.ctx, line.Meal)
		must(t, err)
		for _, ingredient := range meal.Ingredients {
			grams += ingredient.Grams * line.Quantity
		}
	}
	for _, err := range together(4, func(int) error { return f.ledger.Record(f.ctx, order) }) {
		must(t, err)
	}
	if got := f.count(t, `SELECT sum(grams) FROM supplier_ledger WHERE order_id = $1`, string(order.ID)); got != grams {
		t.Errorf("%d g booked, want %d", got, grams)
	}
	wantError(t, "unknown order", f.ledger.Record(f.ctx, f.draft(order.User, seed.Meal(1))), bytebites.ErrNotFound)
	unknown := order
	unknown.Lines = []bytebites.OrderLine{{Meal: "nothing", Quantity: 1}}
	wantError(t, "unknown meal", f.ledger.Record(f.ctx, unknown), bytebites.ErrNotFound)
}
