package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
)

var errBroken = errors.New("broken")

// done reports whether an effect of an order is done.
func (f *fixture) done(t *testing.T, order bytebites.Order, effect bytebites.Effect) bool {
	t.Helper()
	got, err := f.orders.Order(f.ctx, order.User, order.ID)
	must(t, err)
	return !got.Done[effect].IsZero()
}

func testOnce(t *testing.T, f *fixture) {
	order := f.placed(t, f.user(), seed.Meal(1))
	book := func(ctx context.Context) error { return f.ledger.Record(ctx, order) }
	booked := func() int {
		return f.count(t, `SELECT count(*) FROM supplier_ledger WHERE order_id = $1`, string(order.ID))
	}
	first, err := f.orders.Once(f.ctx, order.User, order.ID, bytebites.EffectLedger, func(ctx context.Context) error {
		return errors.Join(book(ctx), errBroken)
	})
	if first || !errors.Is(err, errBroken) || booked() != 0 || f.done(t, order, bytebites.EffectLedger) {
		t.Errorf("work failed: first %v, %v, %d entries booked, done %v", first, err, booked(), f.done(t, order, bytebites.EffectLedger))
	}
	first, err = f.orders.Once(f.ctx, order.User, order.ID, bytebites.EffectLedger, book)
	if !first || err != nil || booked() == 0 || !f.done(t, order, bytebites.EffectLedger) {
		t.Errorf("first %v, %v, %d entries booked", first, err, booked())
	}
	never := func(context.Context) error { t.Error("work was called"); return nil }
	if first, err = f.orders.Once(f.ctx, order.User, order.ID, bytebites.EffectLedger, never); first || err != nil {
		t.Errorf("again: first %v, %v", first, err)
	}
	must(t, f.orders.Finish(f.ctx, order.User, order.ID, bytebites.EffectEmail))
	if first, err = f.orders.Once(f.ctx, order.User, order.ID, bytebites.EffectEmail, never); first || err != nil {
		t.Errorf("finished before: first %v, %v", first, err)
	}
	_, err = f.orders.Once(f.ctx, f.user(), order.ID, bytebites.EffectRecommendation, never)
	wantError(t, "another subscriber's", err, bytebites.ErrNotFound)
	_, err = f.orders.Once(f.ctx, order.User, "nothing", bytebites.EffectRecommendation, never)
	wantError(t, "unknown order", err, bytebites.ErrNotFound)

	history, err := f.orders.History(f.ctx, seed.User(f.size.Users), bytebites.HistoryCursor{}, 1)
	must(t, err)
	seeded := history[0]
	if first, err = f.orders.Once(f.ctx, seeded.User, seeded.ID, bytebites.EffectEmail, never); first || err != nil {
		t.Errorf("of a seeded order: first %v, %v", first, err)
	}
	t.Run("at once", func(t *testing.T) { testOnceAtOnce(t, f) })
	t.Run("the second waits", func(t *testing.T) { testOnceWaits(t, f) })
}

func testOnceAtOnce(t *testing.T, f *fixture) {
	order := f.placed(t, f.user(), seed.Meal(1))
	var called, first [16]bool
	for _, err := range together(len(first), func(i int) (err error) {
		first[i], err = f.orders.Once(f.ctx, order.User, order.ID, bytebites.EffectRecommendation, func(context.Context) error {
			called[i] = true
			return nil
		})
		return err
	}) {
		must(t, err)
	}
	n := 0
	for i := range first {
		if first[i] != called[i] {
			t.Errorf("first %v, work called %v", first[i], called[i])
		}
		if first[i] {
			n++
		}
	}
	if n != 1 {
		t.Errorf("work was done %d times", n)
	}
}

// testOnceWaits makes the first call fail while a second waits for it. The second then does the work.
func testOnceWaits(t *testing.T, f *fixture) {
	order := f.placed(t, f.user(), seed.Meal(1))
	once := func(work func(context.Context) error) (bool, error) {
		return f.orders.Once(f.ctx, order.User, order.ID, bytebites.EffectLedger, work)
	}
	type result struct {
		first bool
		err   error
	}
	second := make(chan result, 1)
	_, err := once(func(context.Context) error {
		go func() {
			first, err := once(func(context.Context) error { return nil })
			second <- result{first, err}
		}()
		select {
		case r := <-second:
			t.Errorf("the second did not wait: %+v", r)
		case <-time.After(200 * time.Millisecond):
		}
		return errBroken
	})
	wantError(t, "the first", err, errBroken)
	if r := <-second; !r.first || r.err != nil {
		t.Errorf("the second, after the first failed: %+v", r)
	}
}

// testPaymentHalves records and settles the events of testPayments in two calls.
func testPaymentHalves(t *testing.T, f *fixture) {
	order := f.placed(t, f.user(), seed.Meal(1))
	status := func() bytebites.OrderStatus {
		t.Helper()
		got, err := f.orders.Order(f.ctx, order.User, order.ID)
		must(t, err)
		return got.Status
	}
	event := func(id string, succeeded bool) bytebites.PaymentEvent {
		return bytebites.PaymentEvent{ID: "halves " + id, User: order.User, Order: order.ID, Amount: order.Total, Succeeded: succeeded}
	}
	record := func(e bytebites.PaymentEvent, within func(context.Context) error, want bool, wantErr error) {
		t.Helper()
		if got, err := f.orders.RecordPayment(f.ctx, e, within); got != want || !errors.Is(err, wantErr) {
			t.Errorf("record %q: %v, %v; want %v, %v", e.ID, got, err, want, wantErr)
		}
	}
	settle := func(e bytebites.PaymentEvent, want error, after bytebites.OrderStatus) {
		t.Helper()
		for range 2 { // the second time changes nothing
			if err := f.orders.SettlePayment(f.ctx, e); !errors.Is(err, want) {
				t.Errorf("settle %q: %v, want %v", e.ID, err, want)
			}
			if got := status(); got != after {
				t.Errorf("after %q the order is %s, want %s", e.ID, got, after)
			}
		}
	}
	failed, paid := event("1", false), event("2", true)
	settle(failed, bytebites.ErrNotFound, bytebites.OrderPlaced) // not recorded yet

	note := func(ctx context.Context) error {
		return f.orders.Finish(ctx, order.User, order.ID, bytebites.EffectEmail)
	}
	record(failed, func(ctx context.Context) error { return errors.Join(note(ctx), errBroken) }, false, errBroken)
	if f.done(t, order, bytebites.EffectEmail) {
		t.Error("what was done within an event that was not recorded stayed")
	}
	settle(failed, bytebites.ErrNotFound, bytebites.OrderPlaced)
	record(failed, note, true, nil)
	if !f.done(t, order, bytebites.EffectEmail) {
		t.Error("what was done within an event that was recorded is not there")
	}
	record(failed, func(context.Context) error { t.Error("within was called again"); return nil }, false, nil)
	if got := status(); got != bytebites.OrderPlaced {
		t.Errorf("recording made the order %s", got)
	}
	record(paid, nil, true, nil)

	other := failed
	other.Succeeded = true
	record(other, nil, false, bytebites.ErrConflict)
	settle(other, bytebites.ErrConflict, bytebites.OrderPlaced)
	short := event("3", true)
	short.Amount--
	record(short, nil, false, bytebites.ErrConflict)
	stranger := event("4", true)
	stranger.User = f.user()
	record(stranger, nil, false, bytebites.ErrNotFound)
	settle(stranger, bytebites.ErrNotFound, bytebites.OrderPlaced)

	settle(failed, nil, bytebites.OrderPaymentFailed)
	settle(paid, nil, bytebites.OrderPaid)
	settle(failed, nil, bytebites.OrderPaid) // late, and for the second time
	if applied, err := f.orders.ApplyPayment(f.ctx, paid); applied || err != nil {
		t.Errorf("applied %v, %v: it was recorded before", applied, err)
	}
	order = f.placed(t, f.user(), seed.Meal(1))
	record(event("2", true), nil, false, bytebites.ErrConflict) // id of an event of another subscriber
}
