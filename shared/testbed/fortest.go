package testbed

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/images"
)

// ForTest starts a bed for a test, and skips the test under -short. The test must not
// measure times, because it holds only one core of the machine and other tests run beside
// it. ForTest waits for that core and names its holder. When the test ends, the bed is
// closed and the core is released. A failed test also shows the last log lines of its
// services and roles. An interrupt closes the bed, so that it leaves nothing behind.
func ForTest(tb testing.TB) *Bed {
	tb.Helper()
	return ForTestWith(tb, Options{})
}

// ForTestWith is ForTest with options. It sets the option Progress.
func ForTestWith(tb testing.TB, o Options) *Bed {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs real servers")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	tb.Cleanup(stop)
	report := progress.Stderr()
	tb.Cleanup(coreForTest(ctx, tb, report))
	o.Progress = report
	bed, err := Start(ctx, o)
	if err != nil {
		tb.Fatal(err)
	}
	// A second interrupt ends the process as usual.
	context.AfterFunc(ctx, stop)
	tb.Cleanup(func() {
		if tb.Failed() && ctx.Err() == nil { // an interrupt has removed the servers
			bed.logServices(tb)
		}
		if err := bed.Close(); err != nil {
			tb.Error(err)
		}
	})
	// The tests need all of these images. Built in parallel, they take half the time.
	if err := bed.Images(ctx, images.Postgres, images.RabbitMQ, images.Redis, images.Nginx, images.Static, images.Toxiproxy); err != nil {
		tb.Fatal(err)
	}
	return bed
}

// closingTime is what ContextForTest leaves of a test program's time: a test that hangs says where, and
// removes its servers.
const closingTime = 30 * time.Second

// ContextForTest returns a context for a test with servers. It ends shortly before the time of the test
// program is over, which go test sets with -timeout. A shorter limit would be a guess: on a busy machine the
// same work takes several times as long.
func ContextForTest(tb testing.TB) context.Context {
	tb.Helper()
	deadline, limited := deadlineOf(tb)
	if !limited {
		return tb.Context()
	}
	ctx, cancel := context.WithDeadline(tb.Context(), deadline.Add(-min(closingTime, time.Until(deadline)/4)))
	tb.Cleanup(cancel)
	return ctx
}

// deadlineOf returns when the time of the test program is over, if it has a limit.
func deadlineOf(tb testing.TB) (deadline time.Time, limited bool) {
	t, ok := tb.(interface{ Deadline() (time.Time, bool) }) // a *testing.B has none
	if !ok {
		return time.Time{}, false
	}
	return t.Deadline()
}

// coreForTest waits for a core of the machine, as long as that leaves enough of the test's time.
func coreForTest(ctx context.Context, tb testing.TB, report *progress.Reporter) (release func()) {
	tb.Helper()
	deadline, limited := deadlineOf(tb)
	ctx, cancel := hostlock.InTest(ctx, deadline, limited)
	defer cancel()
	release, err := hostlock.Core(ctx, func(holder string) { report.Note("waiting for a core of the machine, held by %s", holder) })
	if err != nil {
		tb.Fatal(err)
	}
	return release
}

func (b *Bed) logServices(tb testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), hostspeed.Wait(cleanupTimeout))
	defer cancel()
	for _, s := range b.Servers() {
		if s.Kind() != "service" && s.Kind() != "role" || s.ContainerID() == "" {
			continue
		}
		logs, err := s.Logs(ctx, logLines)
		if err != nil {
			tb.Logf("logs of %s: %v", s.Name(), err)
			continue
		}
		tb.Logf("last log lines of %s:\n%s", s.Name(), logs)
	}
}
