// Command enginestats serves the metrics of package enginestats on /metrics.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bytebites.example/workshop/shared/cmd/program"
	"bytebites.example/workshop/shared/testbed/enginestats"
)

const (
	// headerTimeout bounds the wait for the header of a request.
	headerTimeout = 5 * time.Second
	// stopTimeout bounds the wait for requests under way.
	stopTimeout = 5 * time.Second
)

func main() { program.Main("enginestats", run) }

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("enginestats", flag.ContinueOnError)
	addr := flags.String("addr", ":9465", "address to serve /metrics on")
	socket := flags.String("socket", "/run/engine.sock", "the engine's socket")
	if err := flags.Parse(args); err != nil {
		return err
	}
	self, err := os.Hostname() // in a container, the start of its id
	if err != nil {
		return fmt.Errorf("find the own container: %w", err)
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(enginestats.New(*socket, self)); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		// The context is over. Requests under way get a time of their own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return server.Shutdown(ctx)
	}
}
