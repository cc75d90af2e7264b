package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
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

// hanging is orders of which some never answer, as those on a server that hangs.
type hanging struct {
	bytebites.Orders
	user bytebites.UserID // whose orders hang
}

func (h hanging) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	if user == h.user {
		<-ctx.Done()
		return bytebites.Order{}, ctx.Err()
	}
	return h.Orders.Order(ctx, user, id)
}

// queue is reservations in order of age.
type queue struct {
	*checkouttest.World
	due []bytebites.Reservation
}

func (q *queue) Unsettled(_ context.Context, _, limit int) ([]bytebites.Reservation, error) {
	return slices.Clone(q.due[:min(limit, len(q.due))]), nil
}

// A server that hangs has the oldest reservations, more than a sweep takes. Those of other servers
// must be settled all the same.
func TestSweepPassesAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		q := &queue{World: w}
		s := sweeper(w)
		s.Stock, s.Orders, s.Every, s.Limit = q, hanging{w, "hung"}, 15*time.Second, 20
		for n := range 3 * s.Limit {
			q.due = append(q.due, bytebites.Reservation{Order: bytebites.OrderID(fmt.Sprintf("hung-%d", n)), User: "hung"})
		}
		q.due = append(q.due, bytebites.Reservation{Order: "other", User: "u1"})
		if err := w.Reserve(t.Context(), "other", "u1", []bytebites.Line{{Meal: "soup", Quantity: 1}}); err != nil {
			t.Fatal(err)
		}
		for sweeps := 1; w.Held["other"].State == "held"; sweeps++ {
			if sweeps > 4 {
				t.Fatal("after 4 sweeps, reservations of a server that hangs still take the places of all others")
			}
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), s.Every)
			_, _ = s.Sweep(ctx) // there are errors
			cancel()
			if took := time.Since(began); took > s.Every {
				t.Errorf("a sweep took %s", took)
			}
		}
	})
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
