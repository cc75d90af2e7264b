package hostlock_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/testbed/hostlock"
)

// A test that waits for the machine ends with the reason and a remedy, and not by the panic of a
// test that timed out.
func TestWaitOfATestEndsInTime(t *testing.T) {
	ownFolder(t)
	release, err := hostlock.Lock(t.Context(), "oven", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	deadline := time.Now().Add(600 * time.Millisecond)
	ctx, cancel := hostlock.InTest(t.Context(), deadline, true)
	defer cancel()
	_, err = hostlock.Lock(ctx, "oven", nil)
	if !errors.Is(err, hostlock.ErrLateForTests) || !strings.Contains(err.Error(), "go test -timeout") || !strings.Contains(err.Error(), "held by") {
		t.Errorf("got %v, want the holder and the remedy", err)
	}
	if left := time.Until(deadline); left < 100*time.Millisecond {
		t.Errorf("%s are left for the tests, want about half of it", left)
	}
}

func TestWaitOfATestWithoutDeadline(t *testing.T) {
	ctx, cancel := hostlock.InTest(t.Context(), time.Time{}, false)
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		t.Errorf("it ends at %s", deadline)
	}
	ctx, cancel = hostlock.BeforeTests(t.Context())
	defer cancel()
	_, limited := t.Deadline()
	if deadline, ok := ctx.Deadline(); ok != limited || ok && time.Until(deadline) > 24*time.Hour {
		t.Errorf("it ends at %s, limited: %t", deadline, limited)
	}
}
