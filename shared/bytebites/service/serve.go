package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

// shutdownTimeout is how long requests in flight may take to finish.
const shutdownTimeout = 10 * time.Second

// server holds the arguments of serve.
type server struct {
	addr      string
	pprofAddr string // empty for no profiles
	api       *http.Server
	stop      func(ctx context.Context, finish func(context.Context) error) error // see Lifecycle
	logger    *slog.Logger
	// listening, unless nil, is called with the address that the API listens on.
	listening func(net.Addr)
}

// serve serves until ctx ends and stop returns.
func serve(ctx context.Context, s server) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.api.ErrorLog = slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn)
	// Requests in flight outlive ctx, so their contexts must not derive from it.
	s.api.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }

	failed := make(chan error, 2)
	run := func(what string, server *http.Server, l net.Listener) {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve %s: %w", what, err)
		}
	}
	if s.pprofAddr != "" {
		profiles, l, err := listenPprof(ctx, s.pprofAddr)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		defer func() { _ = profiles.Close() }()
		go run("profiles", profiles, l)
	}
	go run("api", s.api, listener)
	s.logger.InfoContext(ctx, "serving", "addr", listener.Addr().String(), "pprof", s.pprofAddr,
		"gomaxprocs", runtime.GOMAXPROCS(0))
	if s.listening != nil {
		s.listening(listener.Addr())
	}

	select {
	case err := <-failed:
		return errors.Join(err, s.api.Close())
	case <-ctx.Done():
	}
	stopping := context.WithoutCancel(ctx)
	s.logger.InfoContext(stopping, "stopping: still accepting requests")
	err = s.stop(stopping, s.finish)
	// Close the server here in case stop did not call finish.
	return errors.Join(err, s.api.Close())
}

// finish accepts no more connections and gives the requests in flight shutdownTimeout.
func (s server) finish(ctx context.Context) error {
	s.logger.InfoContext(ctx, "stopping: accepting no more requests")
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := s.api.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests cut off: %w", err)
	}
	s.logger.InfoContext(ctx, "stopped")
	return nil
}

// listenPprof returns the server of the profiles. Its port must not be reachable from outside,
// because profiles reveal internals and cost CPU.
func listenPprof(ctx context.Context, addr string) (*http.Server, net.Listener, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for profiles: %w", err)
	}
	// Without a rate, /debug/pprof/block stays empty and shows no contended lock. One sample per
	// millisecond blocked costs next to nothing.
	runtime.SetBlockProfileRate(int(time.Millisecond))
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		// Long enough for a profile of 30 s.
		WriteTimeout: 2 * time.Minute,
	}, listener, nil
}
