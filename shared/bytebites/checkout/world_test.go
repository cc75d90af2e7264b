package checkout_test

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/checkout/checkouttest"
)

var errBroken = errors.New("broken")

// newWorld returns a fake with a single connection to its database.
func newWorld() *checkouttest.World {
	return checkouttest.New(1, map[bytebites.MealID]int{"soup": 10, "stew": 10, "rare": 1})
}

func stepsOf(tb testing.TB, w *checkouttest.World, registerer prometheus.Registerer) *checkout.Steps {
	tb.Helper()
	steps, err := w.Steps(registerer)
	if err != nil {
		tb.Fatal(err)
	}
	return steps
}

func settled(tb testing.TB, w *checkouttest.World) {
	tb.Helper()
	if err := w.Books(); err != nil {
		tb.Error(err)
	}
}

func request(key string, lines ...bytebites.Line) bytebites.OrderRequest {
	if lines == nil {
		lines = []bytebites.Line{{Meal: "soup", Quantity: 2}, {Meal: "stew", Quantity: 1}}
	}
	return bytebites.OrderRequest{User: "u1", Email: "u1@example.com", IdempotencyKey: key, Lines: lines}
}

// calling returns a hook that needs no context.
func calling(f func()) func(context.Context) { return func(context.Context) { f() } }
