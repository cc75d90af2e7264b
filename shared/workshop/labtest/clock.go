package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// closingTime is the part of the test's time that a run keeps for taking its servers down.
	closingTime = 30 * time.Second
	// runTime is what a lab's tests need at most on the reference machine. A test of `go test`
	// that has less left when it still waits for the machine gives up.
	runTime = 4 * time.Minute
)

// clock is the time of a test.
type clock struct {
	// lastStart is when a run must have the machine at the latest, because else it would not end
	// in time. It is zero where waiting does not count.
	lastStart time.Time
	timeout   time.Duration // that lastStart comes from
}

// timeOf returns a context that ends early enough to take the servers down. An interrupt
// ends it too, and not the process, so that the servers go with the run.
//
// The command line gives the test a time limit in lab.EnvTimeout. Waiting for the machine does
// not count against it. In `go test` it counts: the go command kills a test binary a minute
// after its -timeout, whatever the binary waits for.
func timeOf(t *testing.T) (context.Context, clock, context.CancelFunc) {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	if text := os.Getenv(lab.EnvTimeout); text != "" {
		limit, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("%s=%q: want a duration", lab.EnvTimeout, text)
		}
		ctx, cancel := limited(ctx, limit)
		return ctx, clock{}, func() { cancel(); stop() }
	}
	deadline, ok := t.Deadline()
	if !ok {
		return ctx, clock{}, stop
	}
	left := time.Until(deadline)
	end := deadline.Add(-min(closingTime, left/4))
	ctx, cancel := context.WithDeadline(ctx, end)
	return ctx, clock{lastStart: end.Add(-min(runTime, left/2)), timeout: left}, func() { cancel(); stop() }
}

// limited returns a context that ends before the limit. A test that does not end then, because
// code of the lab does not, is ended by a panic at the limit, as the testing package does it.
func limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	whole, lift := hostlock.WithLimit(ctx, limit)
	context.AfterFunc(whole, func() {
		if errors.Is(context.Cause(whole), context.DeadlineExceeded) {
			debug.SetTraceback("all")
			panic(fmt.Sprintf("test timed out after %v", limit))
		}
	})
	ctx, cancel := hostlock.WithTimeout(whole, limit-min(closingTime, limit/4))
	return ctx, func() { lift(); cancel() }
}

// inTime bounds a lab's wait for the machine. A run that would get it too late judges nothing.
func (c clock) inTime(claim func(context.Context, *lab.Run) (func(), error)) func(context.Context, *lab.Run) (func(), error) {
	if claim == nil || c.lastStart.IsZero() {
		return claim
	}
	return func(ctx context.Context, run *lab.Run) (release func(), err error) {
		waiting, cancel := context.WithDeadlineCause(ctx, c.lastStart, errors.New("too late"))
		defer cancel()
		release, err = claim(waiting, run)
		if err == nil || waiting.Err() == nil || ctx.Err() != nil {
			return release, err
		}
		return nil, &lab.Doubt{
			Reason: fmt.Sprintf("%v: the rest of the %v that go test gives a package is too short for this lab",
				err, c.timeout.Round(time.Second)),
			Remedy: "run it again when the other run has ended, or give it more time: go test -timeout 30m; `go tool workshop check` waits for as long as it takes",
		}
	}
}
