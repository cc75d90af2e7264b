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

// handOver places an order and adds its events in the same transaction.
func handOver(ctx context.Context, steps *checkout.Steps) error {
	order, err := steps.Draft(ctx, request("k"))
	if err != nil {
		return err
	}
	if err := steps.Reserve(ctx, order); err != nil {
		return err
	}
	_, _, err = steps.Place(ctx, order, func(ctx context.Context) error {
		return steps.Tell(ctx, order.User, bytebites.Event{ID: "placed", Order: order.ID}, bytebites.Event{ID: "requested", Order: order.ID})
	})
	return err
}

func TestToldIfAndOnlyIfItIsPlaced(t *testing.T) {
	for _, test := range []struct {
		name string
		fail checkouttest.Call // step that fails
		told int
	}{
		{"all is well", "", 2},
		{"the outbox takes nothing", "outbox", 0},
		{"the order is not committed", "commit", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			if test.fail != "" {
				w.Fail[test.fail] = errBroken
			}
			err := handOver(within(t), stepsOf(t, w, nil))
			if (err == nil) != (test.fail == "") || err != nil && !errors.Is(err, errBroken) {
				t.Errorf("got %v", err)
			}
			if len(w.Told) != test.told || (len(w.Placed) == 1) != (test.told > 0) {
				t.Errorf("told %v of %d orders, want %d events", w.Told, len(w.Placed), test.told)
			}
			if test.fail != "commit" { // the sweeper settles that reservation
				settled(t, w)
			}
		})
	}
}

func TestTellingIsAStepOfItsOwn(t *testing.T) {
	registry := prometheus.NewRegistry()
	if err := handOver(within(t), stepsOf(t, newWorld(), registry)); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == string(checkout.StepOutbox) && metric.GetHistogram().GetSampleCount() == 1 {
				return
			}
		}
	}
	t.Error("no time of the outbox among the steps")
}
