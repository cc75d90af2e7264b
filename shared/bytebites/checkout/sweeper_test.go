package checkout_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/checkout/checkouttest"
)

func sweeper(w *checkouttest.World) *checkout.Sweeper {
	return &checkout.Sweeper{
		Stock: w, Orders: w, Logger: slog.New(slog.DiscardHandler),
		MinAge: time.Minute, Every: time.Millisecond, Limit: 100,
	}
}

// crashed returns a world in which two checkouts died, one before its order was placed and
// one after.
func crashed(t *testing.T) *checkouttest.World {
	t.Helper()
	w := newWorld()
	for _, id := range []bytebites.OrderID{"before", "after"} {
		if err := w.Reserve(t.Context(), id, "u1", []bytebites.Line{{Meal: "soup", Quantity: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	w.Placed["after"] = bytebites.Order{ID: "after", User: "u1"}
	return w
}

func TestSweepSettlesWhatCrashesLeft(t *testing.T) {
	w := crashed(t)
	if n, err := sweeper(w).Sweep(within(t)); n != 2 || err != nil {
		t.Fatalf("settled %d, %v; want 2", n, err)
	}
	settled(t, w)
	if w.Held["before"].State != "released" || w.Held["after"].State != "confirmed" {
		t.Errorf("before: %s, after: %s", w.Held["before"].State, w.Held["after"].State)
	}
}

func TestSweepLeavesWhatItCannotTell(t *testing.T) {
	w := crashed(t)
	w.Fail["order"] = errBroken // reading orders fails
	if n, err := sweeper(w).Sweep(within(t)); n != 0 || !errors.Is(err, errBroken) {
		t.Fatalf("settled %d, %v; want none", n, err)
	}
	for id, r := range w.Held {
		if r.State != "held" {
			t.Errorf("%s was %s on a guess", id, r.State)
		}
	}
}

func TestSweepGoesOnPastAFailure(t *testing.T) {
	w := crashed(t)
	w.Fail["release"] = errBroken
	if n, err := sweeper(w).Sweep(within(t)); n != 1 || !errors.Is(err, errBroken) {
		t.Fatalf("settled %d, %v; want 1 and the failure", n, err)
	}
}

func TestSweepIsBounded(t *testing.T) {
	w := crashed(t)
	s := sweeper(w)
	s.Limit = 1
	if n, err := s.Sweep(within(t)); n != 1 || err != nil {
		t.Fatalf("settled %d, %v; want 1", n, err)
	}
}

func TestRunSweepsUntilItIsStopped(t *testing.T) {
	w := crashed(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { sweeper(w).Run(ctx); close(done) }()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		w.Lock()
		settled := w.Held["before"].State != "held" && w.Held["after"].State != "held"
		w.Unlock()
		if settled {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was swept in 5 s")
		}
	}
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("still running 5 s after its context ended")
	}
}
