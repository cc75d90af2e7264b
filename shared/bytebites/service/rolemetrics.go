package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bytebites.example/workshop/shared/bytebites/httpapi"
)

// serveMetrics serves /metrics and /healthz on addr until stop is called. The API has both among
// its own routes; a role has no other routes. /healthz says only that the process runs. The metrics
// show what the role waits for.
func serveMetrics(ctx context.Context, addr string, metrics *prometheus.Registry, logger *slog.Logger) (stop func() error, err error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	server := httpapi.NewServer(mux)
	server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "metrics server failed", "error", err)
		}
	}()
	logger.InfoContext(ctx, "serving metrics", "addr", listener.Addr().String())
	return server.Close, nil
}
