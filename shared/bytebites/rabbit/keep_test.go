package rabbit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var errBroken = errors.New("broken")

func options(url string) Options {
	return Options{URL: url, Name: "test of keep", Logger: slog.New(slog.DiscardHandler)}
}

// within returns a context for an operation that should end at once.
func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

// until returns work that runs until its context ends, and passes that context on.
func until(working chan<- context.Context) func(context.Context, *amqp.Connection) error {
	return func(ctx context.Context, _ *amqp.Connection) error {
		working <- ctx
		<-ctx.Done()
		return nil
	}
}

func TestKeepEndsWithItsWork(t *testing.T) {
	l := listen(t)
	if err := Keep(within(t), options(l.url()), func(_ context.Context, conn *amqp.Connection) error {
		if conn.IsClosed() {
			return errors.New("closed before it was used")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if l.connections() != 1 || !strings.Contains(l.names[0], "test of keep") {
		t.Errorf("connections: %q, want one that has its name", l.names)
	}
}

func TestKeepTriesAgainAfterAFailure(t *testing.T) {
	l := listen(t)
	calls := 0
	began := time.Now()
	err := Keep(within(t), options(l.url()), func(context.Context, *amqp.Connection) error {
		if calls++; calls < 3 {
			return errBroken
		}
		return nil
	})
	if err != nil || calls != 3 || l.connections() != 3 {
		t.Errorf("%v after %d calls over %d connections; want 3 of both", err, calls, l.connections())
	}
	if took := time.Since(began); took < (minPause+2*minPause)/2 {
		t.Errorf("two failures took %v: no pause", took)
	}
}

func TestKeepConnectsAgain(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	working, done := make(chan context.Context, 1), make(chan error, 1)
	go func() { done <- Keep(ctx, options(l.url()), until(working)) }()
	for range 2 {
		work := <-working
		if work.Err() != nil {
			t.Fatal("work begins with a context that has ended")
		}
		l.hangUp()
		select {
		case <-work.Done():
		case <-ctx.Done():
			t.Fatal("the connection is lost, and work is not told")
		}
		if cause := context.Cause(work); !errors.Is(cause, ErrLost) {
			t.Errorf("work ends because of %v, want ErrLost", cause)
		}
	}
	work := <-working
	cancel()
	if err := <-done; err != nil {
		t.Errorf("told to stop: %v", err)
	}
	if cause := context.Cause(work); errors.Is(cause, ErrLost) {
		t.Errorf("told to stop, work ends because of %v", cause)
	}
}

// TestKeepDoesNotTakeALossForTheEnd has work that returns nil after a lost connection, with and
// without looking at its context. Work is not done then, so Keep must call it again.
func TestKeepDoesNotTakeALossForTheEnd(t *testing.T) {
	l := listen(t)
	calls := 0
	err := Keep(within(t), options(l.url()), func(context.Context, *amqp.Connection) error {
		if calls++; calls == 1 {
			l.hangUp()
		}
		return nil
	})
	if err != nil || calls != 2 {
		t.Errorf("%v after %d calls, want 2", err, calls)
	}
}

func TestKeepWaitsForABroker(t *testing.T) {
	l := listen(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o := options(l.url())
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := Keep(ctx, o, func(context.Context, *amqp.Connection) error {
		t.Error("work was called without a connection")
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if n := strings.Count(log.String(), "refused"); n < 2 {
		t.Errorf("logged %d times in 300 ms why the connection failed: %s", n, log.String())
	}
	if strings.Contains(err.Error()+log.String(), "opensesame") {
		t.Errorf("a password is told: %v\n%s", err, log.String())
	}
}

func TestKeepTellsNoPassword(t *testing.T) {
	for _, url := range []string{"", "opensesame", "amqp://guest:opensesame@local host/", "http://guest:opensesame@localhost/", "amqp://guest:opensesame@localhost:port/"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := Keep(ctx, options(url), nil); err == nil || strings.Contains(err.Error(), "opensesame") {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

// TestKeepStopsInAHandshake needs its own check because the library's handshake takes no context.
func TestKeepStopsInAHandshake(t *testing.T) {
	l := listenInSilence(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := Keep(ctx, options(l.url()), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if took := time.Since(began); took > dialTimeout/2 {
		t.Errorf("stopped after %v", took)
	}
}

func TestKeepReturnsTheErrorOfWorkThatIsStopped(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(within(t))
	err := Keep(ctx, options(l.url()), func(context.Context, *amqp.Connection) error {
		cancel()
		return errBroken
	})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, errBroken) {
		t.Errorf("got %v, want both reasons", err)
	}
}

func TestPausesGrow(t *testing.T) {
	for range 100 {
		var p pauses
		for want := minPause; ; want *= 2 {
			want = min(want, maxPause)
			if got := p.next(); got > want || got < want/2 {
				t.Fatalf("a pause of %v, want from %v to %v", got, want/2, want)
			}
			if want == maxPause {
				break
			}
		}
	}
}
