package queue

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/service"
)

func request() bytebites.OrderRequest {
	return bytebites.OrderRequest{
		User: "u1", Email: "ada@example.com", IdempotencyKey: "k1", Lines: []bytebites.Line{{Meal: "m1", Quantity: 2}},
	}
}

func TestPlaceOrderTellsWithTheOrderAndDoesNothingElse(t *testing.T) {
	w := newWorld()
	c := NewCheckout(service.Resources{}, w.parts(t).Steps)
	order, replayed, err := c.PlaceOrder(t.Context(), request())
	if err != nil || replayed || len(order.Done) > 0 {
		t.Fatalf("%+v, %v, %v; want a fresh order with nothing done", order, replayed, err)
	}
	w.wants(t, "reserve", "(place)", "(tell order_placed)", "(tell recommendation_request)", "confirm")
	want := bytebites.Event{
		ID: outbox.NewID(bytebites.TopicOrderPlaced, order.ID), Topic: bytebites.TopicOrderPlaced,
		User: "u1", Order: order.ID, At: order.PlacedAt, Email: "ada@example.com",
	}
	if got := w.told[want.ID]; got != want {
		t.Errorf("told %+v, want %+v", got, want)
	}
	for _, event := range w.told {
		if _, err := outbox.Encode(event); err != nil {
			t.Error(err)
		}
	}

	w.log = nil
	again, replayed, err := c.PlaceOrder(t.Context(), request())
	if err != nil || !replayed || again.ID != order.ID {
		t.Errorf("again: %s, %v, %v; want a replay of %s", again.ID, replayed, err, order.ID)
	}
	w.wants(t) // told once is enough
}

func TestOrderThatCannotBeToldOfIsNotPlaced(t *testing.T) {
	for _, failing := range []string{"(place)", "(tell order_placed)", "(tell recommendation_request)"} {
		w := newWorld()
		w.fail[failing] = errDown
		_, _, err := NewCheckout(service.Resources{}, w.parts(t).Steps).PlaceOrder(t.Context(), request())
		if !errors.Is(err, errDown) || len(w.orders) > 0 || len(w.told) > 0 || !slices.Contains(w.log, "release") {
			t.Errorf("%s fails: %v, %d orders, told %v, called %q", failing, err, len(w.orders), slices.Collect(maps.Keys(w.told)), w.log)
		}
	}
}

func TestPaymentIsToldOfOnce(t *testing.T) {
	w := newWorld()
	event := bytebites.PaymentEvent{ID: "evt_1", User: "u1", Order: "o1", Amount: 200, Succeeded: true}
	payments := NewPayments(service.Resources{}, w, outboxOf{w})
	for i, want := range []bool{true, false, false} {
		if fresh, err := payments.Receive(t.Context(), event); err != nil || fresh != want {
			t.Errorf("time %d: %v, %v; want %v", i+1, fresh, err, want)
		}
	}
	w.wants(t, "(tell payment_processed)")
	told := w.told[outbox.NewPaymentID(event)]
	if told.Payment == nil || *told.Payment != event || told.User != "u1" || told.Order != "o1" {
		t.Errorf("told %+v", told)
	}
	if _, err := outbox.Encode(told); err != nil {
		t.Error(err)
	}
}

func TestPaymentThatCannotBeToldOfIsNotKept(t *testing.T) {
	w := newWorld()
	w.fail["(tell payment_processed)"] = errDown
	_, err := NewPayments(service.Resources{}, w, outboxOf{w}).Receive(t.Context(), bytebites.PaymentEvent{ID: "evt_1", User: "u1", Order: "o1"})
	if !errors.Is(err, errDown) || w.paid["evt_1"] {
		t.Errorf("%v, kept %v", err, w.paid)
	}
}
