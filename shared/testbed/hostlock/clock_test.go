package hostlock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bytebites.example/workshop/shared/testbed/hostlock"
)

// The wait for a lock takes three times as long as the whole work may.
func TestWaitingCountsAgainstNoTimeout(t *testing.T) {
	ownFolder(t)
	const limit = 200 * time.Millisecond
	release, err := hostlock.Lock(t.Context(), "oven", nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, cancel := hostlock.WithTimeout(t.Context(), limit)
	defer cancel()
	type key struct{}
	part, cancelPart := hostlock.WithTimeout(context.WithValue(whole, key{}, "a part of it"), limit/2)
	defer cancelPart()
	time.AfterFunc(3*limit, release)

	began := time.Now()
	again, err := hostlock.Lock(part, "oven", nil)
	if err != nil {
		t.Fatalf("after %s: %v", time.Since(began), err)
	}
	defer again()
	if waited := time.Since(began); waited < 3*limit || part.Err() != nil || whole.Err() != nil {
		t.Errorf("waited for %s, ended: %v, %v", waited, context.Cause(part), context.Cause(whole))
	}
	// The work counts.
	<-part.Done()
	if whole.Err() != nil {
		t.Error("the whole ended with its part")
	}
	<-whole.Done()
	if cause := context.Cause(whole); !errors.Is(cause, context.DeadlineExceeded) {
		t.Errorf("the cause is %v", cause)
	}
	if took := time.Since(began) - 3*limit; took > 10*limit {
		t.Errorf("it ended %s after the wait, want about %s", took, limit)
	}
}

// One of several that work side by side waits. The clocks of the others go on.
func TestWaitStopsOnlyItsOwnClocks(t *testing.T) {
	ownFolder(t)
	release, err := hostlock.Lock(t.Context(), "oven", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	whole, cancel := hostlock.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waits, cancelWaits := hostlock.WithTimeout(whole, 50*time.Millisecond)
	works, cancelWorks := hostlock.WithTimeout(whole, 100*time.Millisecond)
	defer cancelWorks()
	ended := make(chan error, 1)
	go func() {
		_, err := hostlock.Lock(waits, "oven", nil)
		ended <- err
	}()
	<-works.Done()
	if waits.Err() != nil {
		t.Error("the one that waits has ended")
	}
	cancelWaits()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was called off: %v", err)
	}
}
