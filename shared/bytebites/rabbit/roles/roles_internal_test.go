package roles

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
)

func TestLinkIsReadyWhenTheBrokerTakesMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Link{changed: make(chan struct{})}
		if err := l.Ready(t.Context()); err != nil || l.Blocked() {
			t.Errorf("fresh: %v, blocked %v", err, l.Blocked())
		}
		l.set(true)
		began := time.Now()
		time.AfterFunc(time.Minute, func() { l.set(true) }) // the same state again
		time.AfterFunc(time.Hour, func() { l.set(false) })
		if err := l.Ready(t.Context()); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %v, want to have waited for an hour", err, time.Since(began))
		}
		l.set(true)
		gone := errors.New("told to stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(gone) })
		if err := l.Ready(ctx); !errors.Is(err, gone) {
			t.Errorf("%v, want the cause", err)
		}
		l.set(false)
		if err := l.Ready(ctx); !errors.Is(err, gone) {
			t.Errorf("with nothing to wait for: %v, want the cause", err)
		}
	})
}

func TestWorkerTakesTheQueuesThatAreNamed(t *testing.T) {
	all := []Consumer{{Queue: "a"}, {Queue: "b"}, {Queue: "c"}}
	for _, test := range []struct{ names, want, err string }{
		{"", "a b c", ""},
		{"b", "b", ""},
		{"c a", "c a", ""},
		{"a d", "", `no consumer for queue "d": choose from a, b, c`},
	} {
		chosen, err := named(all, strings.Fields(test.names))
		var got []string
		for _, c := range chosen {
			got = append(got, c.Queue)
		}
		if strings.Join(got, " ") != test.want || err == nil && test.err != "" || err != nil && err.Error() != test.err {
			t.Errorf("%q: %v, %v; want %s %s", test.names, got, err, test.want, test.err)
		}
	}
}

func TestRelayWantsABroker(t *testing.T) {
	nobody, err := postgres.OpenLater("postgres://nobody@127.0.0.1:1/none?sslmode=disable", postgres.PoolConfig{MaxOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close() //nolint:errcheck // it was never open
	err = Relay(nil, nil).Job(t.Context(), service.Resources{
		UserData: nobody, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	}, nil)
	if err == nil || !strings.Contains(err.Error(), "BYTEBITES_AMQP") {
		t.Errorf("%v, want an error that names BYTEBITES_AMQP", err)
	}
}

// A role that is told to stop before the broker is up returns no error.
func TestRoleStopsWithoutABroker(t *testing.T) {
	var listen net.ListenConfig
	nobody, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	r := service.Resources{
		Config: service.Config{BrokerURL: "amqp://" + nobody.Addr().String() + "/"}, Logger: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := keep(ctx, r, "worker", nil); err != nil {
		t.Error(err)
	}
}

// A Publish that hangs shows in the log, with the call that hangs most often.
func TestLatePublishIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedLog // the timer's goroutine writes
		o := outlet{server: "1", logger: slog.New(slog.NewTextHandler(&log, nil))}
		o.warnWhenLate(t.Context()).Stop() // in time
		defer o.warnWhenLate(t.Context()).Stop()
		time.Sleep(publishTimeout)
		synctest.Wait()
		if log.String() != "" {
			t.Errorf("within the bound: %s", log.String())
		}
		time.Sleep(2 * publishGrace)
		synctest.Wait()
		if n := strings.Count(log.String(), "publish outlives its bound"); n != 1 || !strings.Contains(log.String(), "ch.Confirm(false)") {
			t.Errorf("%d warnings: %s", n, log.String())
		}
	})
}

type lockedLog struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}
