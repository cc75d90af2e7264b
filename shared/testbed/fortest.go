package testbed

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/images"
)

// ForTest makes a bed for a test, which it skips under -short. The test must measure
// nothing: it waits for one of the machine's cores, saying who holds them, and others may
// work beside it. The core is given back and the bed closed when the test ends. When the test has failed, the
// last log lines of its services and their roles are shown.
// An interrupt closes the bed, so that a test called off leaves nothing behind.
func ForTest(tb testing.TB) *Bed {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs real servers")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	tb.Cleanup(stop)
	report := progress.Stderr()
	release, err := hostlock.Core(ctx, func(holder string) { report.Note("waiting for a core of the machine, held by %s", holder) })
	if err != nil {
		tb.Fatalf("wait for a core: %v", err)
	}
	tb.Cleanup(release)
	bed, err := Start(ctx, Options{Progress: report})
	if err != nil {
		tb.Fatal(err)
	}
	// A second interrupt ends the process as usual.
	context.AfterFunc(ctx, stop)
	tb.Cleanup(func() {
		if tb.Failed() && ctx.Err() == nil { // else the servers are gone already
			bed.logServices(tb)
		}
		if err := bed.Close(); err != nil {
			tb.Error(err)
		}
	})
	// On a fresh machine all of these are needed before the tests are through, and side by
	// side they are built in half the time.
	if err := bed.Images(ctx, images.Postgres, images.RabbitMQ, images.Redis, images.Nginx, images.Static, images.Toxiproxy); err != nil {
		tb.Fatal(err)
	}
	return bed
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
