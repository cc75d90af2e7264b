package checkout_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/checkout/checkouttest"
)

var _ bytebites.Checkout = (*checkout.Serial)(nil)

// within returns a context with a deadline, so that no test hangs.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestPlaceOrder(t *testing.T) {
	w := newWorld()
	order, replayed, err := checkout.NewSerial(stepsOf(t, w, nil)).PlaceOrder(within(t), request("k"))
	if err != nil || replayed {
		t.Fatalf("got replayed %v, %v", replayed, err)
	}
	if order.Total != 1500 || len(order.Lines) != 2 || order.Lines[0].Name != "a soup" {
		t.Errorf("got %+v", order)
	}
	for _, effect := range bytebites.Effects() {
		if order.Done[effect].IsZero() || w.Placed[order.ID].Done[effect].IsZero() {
			t.Errorf("effect %s is not done", effect)
		}
	}
	if w.Mailed(order.ID) != 1 || w.Booked[order.ID] != 1 || len(w.Weeks) != 1 {
		t.Errorf("mailed %d, booked %d, weeks %d; want 1 each", w.Mailed(order.ID), w.Booked[order.ID], len(w.Weeks))
	}
	settled(t, w)
}

// TestEveryFailure makes each step fail in turn. No reservation leaks, and no order lacks a
// reservation. A retry without the failure then ends in one complete order.
func TestEveryFailure(t *testing.T) {
	for _, test := range []struct {
		step      checkouttest.Call
		lost      bool // the step succeeds and its answer is lost
		stands    bool // the order is placed despite the failure
		sweep     bool // the sweeper must settle the reservation
		unmet     bytebites.Effect
		mailAgain bool // the first try sent its mail, and its order was rolled back
	}{
		{step: "replay"},
		{step: "prices"},
		{step: "reserve"},
		{step: "reserve", lost: true},
		{step: "recommend"},
		{step: "place"},
		{step: "mail"},
		{step: "commit", sweep: true, mailAgain: true},
		{step: "commit", lost: true, stands: true},
		{step: "confirm", stands: true, sweep: true},
		{step: "confirm", lost: true, stands: true},
		{step: "ledger", stands: true, unmet: bytebites.EffectLedger},
		{step: "ledger", lost: true, stands: true, unmet: bytebites.EffectLedger},
		{step: "save_week", stands: true, unmet: bytebites.EffectRecommendation},
		{step: "finish", stands: true, unmet: bytebites.EffectEmail},
	} {
		name := string(test.step)
		if test.lost {
			name += " answer lost"
		}
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			broken := w.Fail
			if test.lost {
				broken = w.Lose
			}
			broken[test.step] = errBroken
			serial := checkout.NewSerial(stepsOf(t, w, nil))
			order, replayed, err := serial.PlaceOrder(within(t), request("k"))
			if test.stands {
				if err != nil || replayed {
					t.Fatalf("got replayed %v, %v; want the order to stand", replayed, err)
				}
				if _, ok := w.Placed[order.ID]; !ok {
					t.Fatal("the order is not there")
				}
			} else if !errors.Is(err, errBroken) || len(w.Placed) != 0 {
				t.Fatalf("got %v and %d orders; want the step's error and none", err, len(w.Placed))
			}
			if _, done := order.Done[test.unmet]; test.unmet != "" && done {
				t.Errorf("effect %s failed and is called done", test.unmet)
			}
			delete(broken, test.step)
			if test.sweep {
				if n, err := sweeper(w).Sweep(within(t)); n != 1 || err != nil {
					t.Fatalf("swept %d, %v; want one reservation", n, err)
				}
			}
			settled(t, w)

			order, replayed, err = serial.PlaceOrder(within(t), request("k"))
			if err != nil || replayed != test.stands {
				t.Fatalf("retry: got replayed %v, %v; want replayed %v", replayed, err, test.stands)
			}
			for _, effect := range bytebites.Effects() {
				if order.Done[effect].IsZero() {
					t.Errorf("after the retry, effect %s is not done", effect)
				}
			}
			if w.Mailed(order.ID) != 1 {
				t.Errorf("after the retry, the order was mailed %d times", w.Mailed(order.ID))
			}
			if len(w.Mails) != 1 && !test.mailAgain {
				t.Errorf("%d orders were mailed, want 1", len(w.Mails))
			}
			if len(w.Placed) != 1 {
				t.Errorf("%d orders, want 1", len(w.Placed))
			}
			settled(t, w)
		})
	}
}

// TestClientGone cancels the request at each step. The invariants of TestEveryFailure must hold.
func TestClientGone(t *testing.T) {
	for _, test := range []struct {
		step   checkouttest.Call
		stands bool
	}{
		{"replay", false}, {"prices", false}, {"reserve", false}, {"recommend", false},
		{"place", false}, {"mail", false},
		{"confirm", true}, {"ledger", true}, {"save_week", true}, {"finish", true},
	} {
		t.Run(string(test.step), func(t *testing.T) {
			w := newWorld()
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			w.On[test.step] = calling(cancel)
			_, _, err := checkout.NewSerial(stepsOf(t, w, nil)).PlaceOrder(ctx, request("k"))
			if (err == nil) != test.stands || (len(w.Placed) == 1) != test.stands {
				t.Fatalf("got %v and %d orders; want it to stand: %v", err, len(w.Placed), test.stands)
			}
			settled(t, w)
			if test.stands {
				for _, order := range w.Placed {
					if len(order.Done) != len(bytebites.Effects()) {
						t.Errorf("effects %v: an order that stands has all of them", order.Done)
					}
				}
			}
		})
	}
}

func TestErrorsOfTheRequest(t *testing.T) {
	w := newWorld()
	serial := checkout.NewSerial(stepsOf(t, w, nil))
	if _, _, err := serial.PlaceOrder(within(t), request("k", bytebites.Line{Meal: "soup", Quantity: 1})); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		key  string
		line bytebites.Line
		want error
	}{
		{"unknown meal", "a", bytebites.Line{Meal: "gone", Quantity: 1}, bytebites.ErrNotFound},
		{"out of stock", "b", bytebites.Line{Meal: "rare", Quantity: 2}, bytebites.ErrOutOfStock},
		{"key reused, other quantity", "k", bytebites.Line{Meal: "soup", Quantity: 2}, bytebites.ErrKeyReused},
		{"key reused, other meal", "k", bytebites.Line{Meal: "stew", Quantity: 1}, bytebites.ErrKeyReused},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := serial.PlaceOrder(within(t), request(test.key, test.line)); !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			settled(t, w)
		})
	}
}

func TestOneOrderForOneKey(t *testing.T) {
	for _, replicas := range []int{1, 4} {
		w := newWorld()
		var serials []*checkout.Serial
		for range replicas { // each has its own lock
			serials = append(serials, checkout.NewSerial(stepsOf(t, w, nil)))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		ids := make(map[bytebites.OrderID]int)
		fresh := 0
		for i := range 20 {
			wg.Go(func() {
				order, replayed, err := serials[i%replicas].PlaceOrder(within(t), request("k"))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				ids[order.ID]++
				if !replayed {
					fresh++
				}
			})
		}
		wg.Wait()
		if len(ids) != 1 || fresh != 1 || len(w.Placed) != 1 {
			t.Errorf("%d replicas: orders %v, %d not replayed, %d stored; want one", replicas, ids, fresh, len(w.Placed))
		}
		settled(t, w)
	}
}

func TestNoOversell(t *testing.T) {
	w := newWorld()
	serial := checkout.NewSerial(stepsOf(t, w, nil))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, _, err := serial.PlaceOrder(within(t), request(string(rune('a'+i)), bytebites.Line{Meal: "stew", Quantity: 1}))
			if err != nil && !errors.Is(err, bytebites.ErrOutOfStock) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(w.Placed) != 10 {
		t.Errorf("%d orders, want 10", len(w.Placed))
	}
	settled(t, w)
}

func TestLostRaceReplaysTheWinner(t *testing.T) {
	w := newWorld()
	w.On["recommend"] = func(context.Context) { // another replica places the order first
		w.Lock()
		defer w.Unlock()
		w.Placed["winner"] = bytebites.Order{ID: "winner", User: "u1", IdempotencyKey: "k", Lines: []bytebites.OrderLine{
			{Meal: "stew", Quantity: 1}, {Meal: "soup", Quantity: 2},
		}}
		w.Held["winner"] = &checkouttest.Reservation{State: "confirmed"}
	}
	order, replayed, err := checkout.NewSerial(stepsOf(t, w, nil)).PlaceOrder(within(t), request("k"))
	if err != nil || !replayed || order.ID != "winner" {
		t.Fatalf("got %s, replayed %v, %v; want the winner, replayed", order.ID, replayed, err)
	}
	if len(w.Mails) != 0 {
		t.Error("the loser's mail went out")
	}
	settled(t, w)
}

func TestWaitingForTheLockEndsWithTheRequest(t *testing.T) {
	w := newWorld()
	serial := checkout.NewSerial(stepsOf(t, w, nil))
	mailing, goOn := make(chan struct{}), make(chan struct{})
	w.On["mail"] = calling(func() { close(mailing); <-goOn })
	first := make(chan error, 1)
	go func() {
		_, _, err := serial.PlaceOrder(within(t), request("a"))
		first <- err
	}()
	<-mailing
	ctx, cancel := context.WithTimeout(within(t), 10*time.Millisecond)
	defer cancel()
	_, _, err := serial.PlaceOrder(ctx, request("b"))
	if !errors.Is(err, bytebites.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrBusy and the deadline", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	w.Lock()
	delete(w.On, "mail")
	w.Unlock()
	if _, _, err := serial.PlaceOrder(within(t), request("c")); err != nil {
		t.Fatalf("after a waiter gave up: %v", err)
	}
}

func TestStepTimesAddUp(t *testing.T) {
	w := newWorld()
	registry := prometheus.NewRegistry()
	serial := checkout.NewSerial(stepsOf(t, w, registry))
	w.On["mail"] = calling(func() { time.Sleep(50 * time.Millisecond) })
	start := time.Now()
	if _, _, err := serial.PlaceOrder(within(t), request("k")); err != nil {
		t.Fatal(err)
	}
	elapsed := time.Since(start).Seconds()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum, seconds := 0.0, make(map[string]float64)
	for _, family := range families {
		if family.GetName() != "bytebites_order_step_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			s := metric.GetHistogram().GetSampleSum()
			seconds[metric.GetLabel()[0].GetValue()] = s
			sum += s
		}
	}
	if seconds["mail"] < 0.05 || seconds["place"] >= 0.05 {
		t.Errorf("mail %v s, place %v s: the mail's time is mail's, not the transaction's", seconds["mail"], seconds["place"])
	}
	if sum > elapsed || sum < elapsed-0.02 {
		t.Errorf("steps take %v s of %v s", sum, elapsed)
	}
	for _, step := range []string{"lock_wait", "replay_check", "prices", "reserve", "recommend", "confirm", "ledger", "save_week", "finish"} {
		if _, ok := seconds[step]; !ok {
			t.Errorf("no time of step %s", step)
		}
	}
}

func TestOrderIDs(t *testing.T) {
	seen := make(map[bytebites.OrderID]bool)
	for range 1000 {
		id := checkout.NewOrderID()
		if seen[id] || len(id) != 30 {
			t.Fatalf("id %s", id)
		}
		seen[id] = true
	}
}
