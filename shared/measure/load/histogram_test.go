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

func TestPercentileCurve(t *testing.T) {
	h := load.NewHistogram()
	if points := h.Curve(); len(points) != 0 {
		t.Errorf("an empty histogram has the curve %v", points)
	}
	h.Record(7 * time.Millisecond)
	if points := h.Curve(); len(points) != 1 || points[0] != (load.CurvePoint{Percentile: 100, Value: 7 * time.Millisecond}) {
		t.Errorf("one duration has the curve %v", points)
	}
	h = load.NewHistogram()
	const count = 1000
	for i := range count {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	points := h.Curve()
	if len(points) < 20 || len(points) > 100 {
		t.Errorf("%d points", len(points))
	}
	for i, p := range points {
		within(t, "value", p.Value.Seconds(), max(1, p.Percentile/100*count)/1000, 0.003)
		if i > 0 && (p.Percentile <= points[i-1].Percentile || p.Value < points[i-1].Value) {
			t.Errorf("the curve falls from %v to %v", points[i-1], p)
		}
	}
	last, before := points[len(points)-1], points[len(points)-2]
	if last.Percentile != 100 || last.Value != h.Max() {
		t.Errorf("the curve ends with %v", last)
	}
	if before.Percentile > 100*(1-1.0/count) {
		t.Errorf("the percentile %v is finer than %d durations tell", before.Percentile, count)
	}
}
