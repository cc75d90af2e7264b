package load_test

import (
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

func TestHistogram(t *testing.T) {
	h := load.NewHistogram()
	if h.Mean() != 0 || h.Quantile(0.99) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Errorf("empty: %+v", h.Quantiles())
	}
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	h.Record(-time.Second) // a clock that went back gives no latency
	if want := 1000 * 1001 / 2 * time.Millisecond / 1001; h.Mean() != want {
		t.Errorf("mean %s, want %s exactly", h.Mean(), want)
	}
	for q, want := range map[float64]float64{0.5: 0.5, 0.95: 0.95, 0.99: 0.99, 1: 1} {
		within(t, "quantile", h.Quantile(q).Seconds(), want, 0.002)
	}
	other := load.NewHistogram()
	other.Record(10 * time.Minute) // longer than maxTrackable
	h.Merge(other)
	if h.Max() != 10*time.Minute || h.Count() != 1002 || h.Quantile(1) < 119*time.Second {
		t.Errorf("merged: %+v", h.Quantiles())
	}
}
