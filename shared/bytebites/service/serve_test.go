package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// served is a server under test.
type served struct {
	url  string
	stop context.CancelFunc
	done chan error
}

func startServer(t *testing.T, s server) served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan net.Addr, 1)
	s.addr = "127.0.0.1:0"
	s.logger = slog.New(slog.DiscardHandler)
	s.listening = func(a net.Addr) { addr <- a }
	if s.stop == nil {
		s.stop = abrupt{}.Stop
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, s) }()
	select {
	case a := <-addr:
		return served{url: "http://" + a.String(), stop: cancel, done: done}
	case err := <-done:
		t.Fatalf("serve: %v", err)
	}
	panic("unreachable")
}

func (s served) get(t *testing.T) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func (s served) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("still serving after 10 s")
		return nil
	}
}

func TestRequestInFlightIsFinished(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := startServer(t, server{
		api: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-goOn
			if r.Context().Err() != nil {
				_, _ = io.WriteString(w, "cancelled")
				return
			}
			_, _ = io.WriteString(w, "dinner")
		})},
	})
	answer := make(chan string, 1)
	go func() {
		body, err := s.get(t)
		if err != nil {
			body = err.Error()
		}
		answer <- body
	}()
	<-begun
	s.stop()
	// New connections are refused before the old request is done.
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			break
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("still takes connections 5 s after the stop")
		}
	}
	close(goOn)
	if got := <-answer; got != "dinner" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := s.wait(t); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestServesUntilItMayFinish(t *testing.T) {
	told, goOn := make(chan struct{}), make(chan struct{})
	s := startServer(t, server{
		stop: func(ctx context.Context, finish func(context.Context) error) error {
			close(told)
			<-goOn
			return finish(ctx)
		},
		api: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "dinner")
		})},
	})
	s.stop()
	<-told
	if body, err := s.get(t); err != nil || body != "dinner" {
		t.Errorf("told to stop: %q, %v; a balancer that has not noticed yet still sends requests", body, err)
	}
	close(goOn)
	if err := s.wait(t); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStopThatForgetsToFinish(t *testing.T) {
	sorry := errors.New("forgot")
	s := startServer(t, server{
		stop: func(context.Context, func(context.Context) error) error { return sorry },
		api: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "dinner")
		})},
	})
	s.stop()
	if err := s.wait(t); !errors.Is(err, sorry) {
		t.Errorf("got %v, want what stop returned", err)
	}
	if body, err := s.get(t); err == nil {
		t.Errorf("still answers %q", body)
	}
}

func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for name, s := range map[string]server{
		"api":      {addr: listener.Addr().String()},
		"profiles": {addr: "127.0.0.1:0", pprofAddr: listener.Addr().String()},
	} {
		s.api, s.logger = &http.Server{}, slog.New(slog.DiscardHandler)
		if err := serve(t.Context(), s); err == nil || !strings.Contains(err.Error(), "listen") {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
}

func TestProfilesAreServedApart(t *testing.T) {
	profiles, listener, err := listenPprof(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = profiles.Serve(listener) }()
	defer func() { _ = profiles.Close() }()
	s := served{url: "http://" + listener.Addr().String() + "/debug/pprof/goroutine?debug=1"}
	if body, err := s.get(t); err != nil || !strings.Contains(body, "goroutine profile") {
		t.Errorf("got %.60q, %v", body, err)
	}
}

// database answers as its fields say.
type database struct {
	err   error
	hang  bool
	pings atomic.Int64
}

func (d *database) PingContext(ctx context.Context) error {
	d.pings.Add(1)
	if d.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return d.err
}

func TestReadiness(t *testing.T) {
	now := time.Unix(1000, 0)
	db := &database{}
	r := newReadiness(map[string]pinger{"catalogue": db}, func() time.Time { return now })
	ctx := t.Context()
	check := func(when string, want bool) {
		t.Helper()
		if err := r.Healthy(ctx); (err == nil) != want {
			t.Errorf("%s: got %v, want ready %v", when, err, want)
		}
	}
	check("at the start", true)
	if db.pings.Load() != 0 {
		t.Error("asked again within a second")
	}
	now = now.Add(time.Second)
	check("a second later", true)
	if db.pings.Load() != 1 {
		t.Errorf("%d pings, want 1", db.pings.Load())
	}
	db.err = errors.New("connection refused")
	now = now.Add(time.Second)
	check("database gone", false)
	check("database gone, asked again", false)
	if db.pings.Load() != 2 {
		t.Errorf("%d pings, want 2: the answer is good for a second", db.pings.Load())
	}
	db.err = nil
	now = now.Add(time.Second)
	check("database back", true)
}

func TestSlowDatabaseIsNotGoneAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for two time-outs")
	}
	now := time.Unix(1000, 0)
	db := &database{hang: true}
	r := newReadiness(map[string]pinger{"catalogue": db}, func() time.Time { return now })
	now = now.Add(time.Second)
	if err := r.Healthy(t.Context()); err != nil {
		t.Errorf("silent for a second: got %v, want ready", err)
	}
	now = now.Add(goneAfter)
	if err := r.Healthy(t.Context()); err == nil {
		t.Errorf("silent for %v: still ready", goneAfter)
	}
}

func TestOneCheckForAll(t *testing.T) {
	now := time.Unix(1000, 0)
	db := &database{hang: true}
	r := newReadiness(map[string]pinger{"catalogue": db}, func() time.Time { return now })
	now = now.Add(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 20)
	for range 20 {
		go func() { done <- r.Healthy(ctx) }()
	}
	for range 20 {
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the caller's own deadline", err)
		}
	}
	if n := db.pings.Load(); n != 1 {
		t.Errorf("%d pings at a time, want 1", n)
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	config := Config{
		CatalogueURL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable",
		UserDataURL:  "postgres://nobody@127.0.0.1:1/none?sslmode=disable",
		LogOutput:    io.Discard,
	}
	if err := Run(ctx, config, Baseline()); err == nil || !strings.Contains(err.Error(), "open catalogue database") {
		t.Errorf("got %v, want an error that names the database", err)
	}
}
