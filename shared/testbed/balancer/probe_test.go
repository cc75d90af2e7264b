package balancer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestHTTPProber(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ready", http.StatusFound) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p := newHTTPProber()
	for path, ready := range map[string]bool{"/ready": true, "/busy": false, "/elsewhere": false, "/hang": false} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := p.Probe(ctx, server.URL+path); (err == nil) != ready {
			t.Errorf("%s: %v, want ready %v", path, err, ready)
		}
		cancel()
	}
	server.Close()
	if err := p.Probe(t.Context(), server.URL+"/ready"); err == nil {
		t.Error("a dead server is ready")
	}
}
