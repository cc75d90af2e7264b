package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

func placeLook(hint string) lab.Look {
	return lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: hint}
}

func receiveLook(hint string) lab.Look {
	return lab.Look{File: "publisher.go", Func: "Payments.Receive", Hint: hint}
}

// asked returns a request for an order.
func asked(key string) bytebites.OrderRequest {
	return bytebites.OrderRequest{
		User: "ada", Email: "ada@bytebites.example", IdempotencyKey: key, Lines: []bytebites.Line{{Meal: "meal-1", Quantity: 1}},
	}
}

// counter is a checkout over a shop.
type counter struct {
	*shop
	checkout bytebites.Checkout
	close    func()
}

func (c *composed) counter() (*counter, error) {
	s := newShop()
	steps, err := s.steps(nil)
	if err != nil {
		return nil, err
	}
	r, end := resources()
	at := &counter{shop: s, close: end}
	err = guard(placeLook("NewCheckout must not panic or wait"), func() (err error) {
		at.checkout, err = c.Checkout(r, steps)
		return err
	})
	if err != nil {
		end()
		return nil, failed(err, "a checkout", placeLook("NewCheckout must return a checkout"))
	}
	return at, nil
}

// order places an order. The last error is about the call itself, such as a panic.
func (c *counter) order(ctx context.Context, request bytebites.OrderRequest) (order bytebites.Order, replayed bool, refused, err error) {
	err = guard(placeLook("let an order wait for Replay, Draft, Reserve and Place only"), func() error {
		order, replayed, refused = c.checkout.PlaceOrder(ctx, request)
		return nil
	})
	return order, replayed, refused, err
}

// placed returns how many orders the shop has.
func (s *shop) placed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.orders)
}

// leftHeld returns how many reservations are left to the sweeper.
func (s *shop) leftHeld() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// toldWithTheOrder places orders in a shop in memory, and lets each step fail.
func (l *trial) toldWithTheOrder(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	for _, scenario := range []func(context.Context, *composed) error{
		tellsOfAnOrder, tellsOfNoOrderThatFails, tellsOncePerKey, leavesNothingWhenTheOutboxFails,
	} {
		if err := scenario(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// tellsOfAnOrder demands the events of an order, added in its transaction, and no other work.
func tellsOfAnOrder(ctx context.Context, c *composed) error {
	at, err := c.counter()
	if err != nil {
		return err
	}
	defer at.close()
	order, replayed, refused, err := at.order(ctx, asked("key-1"))
	if err != nil {
		return err
	}
	if refused != nil || replayed || at.placed() != 1 {
		return &lab.Failure{
			Expected: "a new order", Seen: fmt.Sprintf("%d orders, replayed %t, error %v", at.placed(), replayed, refused),
			Look: placeLook("do Replay, Draft, Reserve and Place, in this order"),
		}
	}
	if at.count(callReserve) == 0 || at.leftHeld() > 0 {
		return &lab.Failure{
			Expected: "stock that is reserved for the order, and confirmed", Seen: fmt.Sprintf("%d reservations, %d of them not settled", at.count(callReserve), at.leftHeld()),
			Look: placeLook("call Reserve before the answer, and return its error"),
		}
	}
	if err := wantTold(at.shop, order); err != nil {
		return err
	}
	if slices.ContainsFunc(at.calls(callOutbox), func(c call) bool { return !c.inside }) {
		return &lab.Failure{
			Expected: "events that are added inside the order's transaction", Seen: "an event that was added outside of it",
			Look: placeLook("call c.Tell inside Place, with the context that Place gives"),
		}
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	if n := at.count(callPlan, callSaveWeek, callMail, callBook); n > 0 {
		return &lab.Failure{
			Expected: "an order that leaves its effects to workers", Seen: fmt.Sprintf("%d calls that plan, mail or book", n),
			Look: placeLook("leave planning, mail and booking to the workers"),
		}
	}
	return nil
}

// wantTold demands both events of an order in the outbox.
func wantTold(s *shop, order bytebites.Order) error {
	told := s.told()
	for _, topic := range []bytebites.Topic{bytebites.TopicOrderPlaced, bytebites.TopicRecommendationRequest} {
		event, ok := told[outbox.NewID(topic, order.ID)]
		email := ""
		if topic == bytebites.TopicOrderPlaced {
			email = "ada@bytebites.example"
		}
		if !ok || event.Topic != topic || event.User != order.User || event.Order != order.ID || event.Email != email {
			var ids []string
			for id := range told {
				ids = append(ids, string(id))
			}
			slices.Sort(ids)
			seen := "no event in the outbox"
			if len(ids) > 0 {
				seen = "the events " + strings.Join(ids, ", ")
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("an event %s of order %s in the outbox, with the id of outbox.NewID", topic, order.ID),
				Seen:     seen,
				Look:     placeLook("call c.Tell inside Place, with the context that Place gives"),
			}
		}
	}
	return nil
}

// tellsOfNoOrderThatFails lets the steps of an order fail. Then there is no order, and no event.
func tellsOfNoOrderThatFails(ctx context.Context, c *composed) error {
	soldOut := &bytebites.OutOfStockError{Meal: "meal-1"}
	for _, step := range []struct {
		call string
		err  error
	}{
		{callPrices, bytebites.ErrNotFound}, {callPrices, errDown}, {callReserve, soldOut}, {callReserve, bytebites.ErrBusy}, {callPlace, errDown}, {callCommit, errDown}, {callPlace, bytebites.ErrBusy},
	} {
		at, err := c.counter()
		if err != nil {
			return err
		}
		defer at.close()
		at.fail(step.call, step.err)
		_, _, refused, err := at.order(ctx, asked("key-1"))
		if err != nil {
			return err
		}
		if err := rig.Pause(ctx, lookInterval); err != nil {
			return err
		}
		lost := !errors.Is(step.err, errDown) && !errors.Is(refused, step.err) // an error of the domain
		if refused == nil || lost || at.placed() > 0 || len(at.told()) > 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("no order, no event and the error %q, when the step %q fails", step.err, step.call),
				Seen:     fmt.Sprintf("%d orders, %d events, error %v", at.placed(), len(at.told()), refused),
				Look:     placeLook("return the error of each step. Before the commit an event could announce an order that is rolled back"),
			}
		}
		if n := at.count(callRelease); step.call == callCommit && n > 0 {
			return &lab.Failure{
				Expected: "a reservation that is left to the sweeper, when the commit of its order has failed and may have arrived", Seen: fmt.Sprintf("it was released %d times", n),
				Look: placeLook("Place releases the reservation of an order that does not exist: release nothing after it"),
			}
		}
	}
	return nil
}

// tellsOncePerKey repeats a request, one after another and at once.
func tellsOncePerKey(ctx context.Context, c *composed) error {
	at, err := c.counter()
	if err != nil {
		return err
	}
	defer at.close()
	first, _, refused, err := at.order(ctx, asked("key-1"))
	if err != nil {
		return err
	}
	adds := at.count(callOutbox)
	again, replayed, refusedAgain, err := at.order(ctx, asked("key-1"))
	if err != nil {
		return err
	}
	if refused != nil || refusedAgain != nil || !replayed || again.ID != first.ID || len(at.told()) != 2 {
		return &lab.Failure{
			Expected: "the order of the first request, and its two events",
			Seen:     fmt.Sprintf("orders %s and %s, replayed %t, %d events, errors %v and %v", first.ID, again.ID, replayed, len(at.told()), refused, refusedAgain),
			Look:     placeLook("return the order that Replay finds"),
		}
	}
	if n := at.count(callOutbox) - adds; n > 0 {
		return &lab.Failure{
			Expected: "no event of an order that was placed before", Seen: fmt.Sprintf("%d more calls of the outbox", n),
			Look: placeLook("its events were written with the order: return the order that Replay finds, and nothing else"),
		}
	}
	// The meals may be sold out by now, and the order stands nevertheless.
	at.fail(callReserve, &bytebites.OutOfStockError{Meal: "meal-1"})
	again, replayed, refused, err = at.order(ctx, asked("key-1"))
	if err != nil {
		return err
	}
	other := asked("key-1")
	other.Lines[0].Quantity++
	_, _, reused, err := at.order(ctx, other)
	if err != nil {
		return err
	}
	if refused != nil || !replayed || again.ID != first.ID || !errors.Is(reused, bytebites.ErrKeyReused) || len(at.told()) != 2 {
		return &lab.Failure{
			Expected: fmt.Sprintf("the order of the first request when its meals are sold out, and the error %q for other lines under its key", bytebites.ErrKeyReused),
			Seen:     fmt.Sprintf("order %s, replayed %t, errors %v and %v, %d events", again.ID, replayed, refused, reused, len(at.told())),
			Look:     placeLook("begin with Replay"),
		}
	}
	// The other request of the same key commits while this one reserves.
	if at, err = c.counter(); err != nil {
		return err
	}
	defer at.close()
	type outcome struct {
		order    bytebites.Order
		replayed bool
		err      error
	}
	rival := make(chan outcome, 1)
	at.on(callReserve, func(ctx context.Context) error {
		at.on(callReserve, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			var o outcome
			o.order, o.replayed, o.err = at.checkout.PlaceOrder(context.WithoutCancel(ctx), asked("key-2"))
			rival <- o
		}()
		select {
		case <-done:
		case <-time.After(stillPause): // a checkout may let one request wait for the other
		}
		return nil
	})
	order, replayed, refused, err := at.order(ctx, asked("key-2"))
	if err != nil {
		return err
	}
	var o outcome
	select {
	case o = <-rival:
	case <-time.After(stepLimit()):
		o.err = errors.New("no answer to the other request")
	}
	if refused != nil || o.err != nil || replayed == o.replayed || order.ID != o.order.ID || at.placed() != 1 || len(at.told()) != 2 || at.leftHeld() > 0 {
		return &lab.Failure{
			Expected: "one order with two events for two requests with one key at once, and no reservation left over",
			Seen: fmt.Sprintf("%d orders, %d events, %d reservations left over, answers %s (replayed %t) and %s (replayed %t), errors %v and %v",
				at.placed(), len(at.told()), at.leftHeld(), order.ID, replayed, o.order.ID, o.replayed, refused, o.err),
			Look: placeLook("return what Place returns: for the second of two requests with one key, the earlier order and true"),
		}
	}
	return wantTold(at.shop, order)
}

// leavesNothingWhenTheOutboxFails lets the outbox take no event, or only the first.
func leavesNothingWhenTheOutboxFails(ctx context.Context, c *composed) error {
	type fault struct {
		number int // of the first event that the outbox refuses
		err    error
	}
	for _, fault := range []fault{{1, errDown}, {2, errDown}, {1, bytebites.ErrBusy}, {2, bytebites.ErrConflict}} {
		at, err := c.counter()
		if err != nil {
			return err
		}
		defer at.close()
		n := 0
		at.on(callOutbox, func(context.Context) error {
			if n++; n >= fault.number {
				return fault.err
			}
			return nil
		})
		_, _, refused, err := at.order(ctx, asked("key-1"))
		if err != nil {
			return err
		}
		if refused == nil || at.placed() > 0 || len(at.told()) > 0 || at.leftHeld() > 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("an error, and no order, event or reservation, when the outbox takes no event from number %d on (%s)", fault.number, fault.err),
				Seen:     fmt.Sprintf("%d orders, %d events, %d reservations, error %v", at.placed(), len(at.told()), at.leftHeld(), refused),
				Look:     placeLook("add the events inside Place, so that both are stored or neither is"),
			}
		}
		at.on(callOutbox, nil)
		order, replayed, refused, err := at.order(ctx, asked("key-1"))
		if err != nil {
			return err
		}
		if refused != nil || replayed {
			return &lab.Failure{
				Expected: "a new order when the request is repeated and the outbox takes events", Seen: fmt.Sprintf("replayed %t, error %v", replayed, refused),
				Look: placeLook("an order that fails must leave nothing: add the events inside Place"),
			}
		}
		if err := wantTold(at.shop, order); err != nil {
			return err
		}
	}
	return nil
}

// toldWithThePayment receives payments in a shop in memory.
func (l *trial) toldWithThePayment(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	s := newShop()
	s.orders["order-1"] = bytebites.Order{ID: "order-1", User: "ada", Total: 250}
	parts, err := s.parts(nil)
	if err != nil {
		return err
	}
	r, end := resources()
	defer end()
	var payments bytebites.Payments
	err = guard(receiveLook("NewPayments must not panic or wait"), func() (err error) {
		payments, err = c.Payments(r, parts)
		return err
	})
	if err != nil {
		return failed(err, "a receiver of payments", receiveLook("NewPayments must return a receiver"))
	}
	receive := func(event bytebites.PaymentEvent) (applied bool, refused, err error) {
		err = guard(receiveLook("let a webhook wait for RecordPayment only, and leave the broker to the relay"), func() error {
			applied, refused = payments.Receive(ctx, event)
			return nil
		})
		return applied, refused, err
	}
	failure := bytebites.PaymentEvent{ID: "evt-1", User: "ada", Order: "order-1", Amount: 250}
	success := bytebites.PaymentEvent{ID: "evt-2", User: "ada", Order: "order-1", Amount: 250, Succeeded: true}

	s.fail(callOutbox, errDown)
	applied, refused, err := receive(success)
	if err != nil {
		return err
	}
	if applied || refused == nil || s.recorded(success.ID) || len(s.told()) > 0 {
		return &lab.Failure{
			Expected: "an error, and no payment recorded, when the outbox takes no event",
			Seen:     fmt.Sprintf("applied %t, error %v, recorded %t, %d events", applied, refused, s.recorded(success.ID), len(s.told())),
			Look:     receiveLook("add the event inside RecordPayment, so that both are undone"),
		}
	}
	s.fail(callOutbox, nil)
	s.fail(callRecord, errDown)
	applied, refused, err = receive(success)
	if err != nil {
		return err
	}
	if applied || refused == nil || len(s.told()) > 0 {
		return &lab.Failure{
			Expected: "an error and no event, when the payment cannot be recorded",
			Seen:     fmt.Sprintf("applied %t, error %v, %d events", applied, refused, len(s.told())),
			Look:     receiveLook("add the event inside RecordPayment, with the context that it gives"),
		}
	}
	s.fail(callRecord, nil)
	// A failed payment, the success after it, and each of them again.
	for i, event := range []bytebites.PaymentEvent{failure, failure, success, success, failure} {
		first := i == 0 || i == 2
		applied, refused, err := receive(event)
		if err != nil {
			return err
		}
		told, there := s.told()[outbox.NewPaymentID(event)]
		if applied != first || refused != nil || !there || told.Payment == nil || *told.Payment != event || len(s.told()) != 1+min(i/2, 1) {
			return &lab.Failure{
				Expected: fmt.Sprintf("applied %t and an event with the id of outbox.NewPaymentID, for webhook %d of one order", first, 1+i),
				Seen:     fmt.Sprintf("applied %t, error %v, %d events", applied, refused, len(s.told())),
				Look:     receiveLook("an order may have several payment events, also of payments that failed, and each of them may come twice"),
			}
		}
	}
	if n := s.count(callSettle); n > 0 {
		return &lab.Failure{
			Expected: "payments that are recorded, and left to a worker to settle", Seen: fmt.Sprintf("%d calls of SettlePayment", n),
			Look: receiveLook("record the payment and add its event, and nothing else"),
		}
	}
	if slices.ContainsFunc(s.calls(callOutbox), func(c call) bool { return !c.inside }) {
		return &lab.Failure{
			Expected: "events that are added inside the transaction that records the payment", Seen: "an event that was added outside of it",
			Look: receiveLook("call p.outbox.Add inside RecordPayment, with the context that it gives"),
		}
	}
	for event, want := range map[bytebites.PaymentEvent]error{
		{ID: "evt-3", User: "ada", Order: "no-order", Amount: 250}: bytebites.ErrNotFound,
		{ID: "evt-4", User: "ada", Order: "order-1", Amount: 1}:    bytebites.ErrConflict,
	} {
		_, refused, err := receive(event)
		if err != nil {
			return err
		}
		if !errors.Is(refused, want) || s.recorded(event.ID) {
			return &lab.Failure{
				Expected: fmt.Sprintf("the error %q for a payment that does not fit its order", want), Seen: fmt.Sprintf("error %v", refused),
				Look: receiveLook("its errors are those of Orders.ApplyPayment"),
			}
		}
	}
	return l.eventsHaveTheirTime(s)
}

// eventsHaveTheirTime demands that the time of each event is about now.
func (l *trial) eventsHaveTheirTime(s *shop) error {
	for _, event := range s.told() {
		if age := time.Since(event.At); age < -time.Minute || age > time.Minute {
			return &lab.Failure{
				Expected: "the time at which a payment came, in its event", Seen: event.At.Format(time.RFC3339),
				Look: receiveLook("keep Event.At, which eventOf sets: the age of a message is counted from it"),
			}
		}
	}
	return nil
}
