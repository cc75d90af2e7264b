package checkout_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
)

func lockKey(t *testing.T, steps *checkout.Steps, user bytebites.UserID, key string) func() {
	t.Helper()
	unlock, err := steps.LockKey(t.Context(), bytebites.OrderRequest{User: user, IdempotencyKey: key})
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

func TestOnlyRequestsWithOneKeyTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := stepsOf(t, newWorld(), nil)
		first := lockKey(t, steps, "u1", "k")
		lockKey(t, steps, "u1", "other")()
		lockKey(t, steps, "u2", "k")()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := steps.LockKey(ctx, bytebites.OrderRequest{User: "u1", IdempotencyKey: "k"})
		if !errors.Is(err, bytebites.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want ErrBusy and the deadline", err)
		}

		first()
		first() // the second call must not free the next holder's lock
		second := lockKey(t, steps, "u1", "k")
		first()
		third := make(chan func())
		go func() { third <- lockKey(t, steps, "u1", "k") }()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("two requests hold the lock of one key")
		default:
		}
		second()
		(<-third)()
	})
}

func TestRequestsWithOneKeyRunOneByOne(t *testing.T) {
	steps := stepsOf(t, newWorld(), nil)
	var wg sync.WaitGroup
	inside := 0 // the race detector sees two that hold the lock at once
	for range 100 {
		wg.Go(func() {
			unlock, err := steps.LockKey(t.Context(), bytebites.OrderRequest{User: "u1", IdempotencyKey: "k"})
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			inside++
		})
	}
	wg.Wait()
	if inside != 100 {
		t.Errorf("%d requests went through, want 100", inside)
	}
}

func TestAbandoned(t *testing.T) {
	steps := stepsOf(t, newWorld(), nil)
	for _, test := range []struct {
		age  time.Duration
		want bool
	}{{0, false}, {checkout.AbandonedAfter - time.Second, false}, {checkout.AbandonedAfter + time.Second, true}} {
		if got := steps.Abandoned(bytebites.Order{PlacedAt: time.Now().Add(-test.age)}); got != test.want {
			t.Errorf("an order of %s: got %t, want %t", test.age, got, test.want)
		}
	}
}
