package promstat_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bytebites.example/workshop/shared/measure/probe/promstat"
)

func TestHistogram(t *testing.T) {
	registry := prometheus.NewRegistry()
	steps := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "step_seconds", Help: "Steps."}, []string{"step", "result"})
	registry.MustRegister(steps)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()

	steps.WithLabelValues("mail", "ok").Observe(0.5)
	steps.WithLabelValues("mail", "failed").Observe(1)
	before, err := promstat.Read(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	steps.WithLabelValues("mail", "ok").Observe(0.25)
	steps.WithLabelValues("place", "ok").Observe(2)
	after, err := promstat.Read(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}

	got := after.Histogram("step_seconds", "step")
	want := map[string]promstat.Sum{"mail": {Count: 3, Total: 1.75}, "place": {Count: 1, Total: 2}}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	since := got["mail"].Less(before.Histogram("step_seconds", "step")["mail"])
	if since != (promstat.Sum{Count: 1, Total: 0.25}) || since.Mean() != 0.25 {
		t.Errorf("since the first scrape: %v, mean %v; want one of 0.25", since, since.Mean())
	}
	if got := after.Histogram("nothing", "step"); len(got) != 0 {
		t.Errorf("a metric that is not there has %v", got)
	}
}

func TestReadFails(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"status": http.NotFound,
		"text":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("not { metrics\n")) },
	} {
		server := httptest.NewServer(handler)
		if _, err := promstat.Read(t.Context(), server.URL); err == nil {
			t.Errorf("%s: no error", name)
		}
		server.Close()
	}
}
