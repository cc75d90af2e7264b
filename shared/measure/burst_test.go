package measure_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
)

// sharing is a service without a clock that works on all requests at once. capacity is in
// requests a second. Few requests are done when a burst ends.
type sharing struct {
	capacity float64
	rates    []float64
	change   func(n int, r *load.Result)
}

func (s *sharing) hit(_ context.Context, rate float64, d time.Duration) (load.Result, error) {
	s.rates = append(s.rates, rate)
	n := int(math.Ceil(rate * d.Seconds()))
	r := load.Result{
		Window: d, Planned: n, Sent: n, Completed: n, InWindow: n / 3,
		Elapsed: max(d, time.Duration(float64(n)/s.capacity*float64(time.Second))),
		Latency: load.NewHistogram(), Lateness: load.NewHistogram(), Host: load.Host{CPUs: 2, IdleShare: 0.5},
	}
	fill(r.Latency, n, 500*time.Millisecond)
	fill(r.Lateness, n, 100*time.Microsecond)
	if s.change != nil {
		s.change(len(s.rates), &r)
	}
	return r, nil
}

func TestBursts(t *testing.T) {
	late := func(at ...int) func(int, *load.Result) {
		return func(n int, r *load.Result) {
			if slices.Contains(at, n) {
				r.Host.IdleShare = 0
			}
		}
	}
	lateAnswer := func(at int) func(int, *load.Result) {
		return func(n int, r *load.Result) {
			if n == at {
				r.Elapsed = max(r.Elapsed, 3*time.Second)
			}
		}
	}
	// collapses answers a third of its capacity when more than it can do comes in.
	collapses := func(capacity float64) func(int, *load.Result) {
		return func(_ int, r *load.Result) {
			if float64(r.Planned) > capacity*r.Window.Seconds() {
				r.Elapsed = time.Duration(float64(r.Planned) / (capacity / 3) * float64(time.Second))
			}
		}
	}
	for _, test := range []struct {
		name      string
		service   sharing
		max       int
		want      float64
		saturated bool
		valid     bool
		rates     []float64
	}{
		{"the first is too much", sharing{capacity: 5}, 0, 5, true, true, []float64{8, 10.4}},
		{"the third is", sharing{capacity: 9}, 0, 9, true, true, []float64{8, 10.4, 13.52, 17.576}},
		{"none is", sharing{capacity: 1000}, 2, 10.5, false, true, []float64{8, 10.4}},
		{"the last is", sharing{capacity: 9}, 3, 9, false, true, []float64{8, 10.4, 13.52}},
		{"one answer is late", sharing{capacity: 13, change: lateAnswer(1)}, 0, 13, true, true, []float64{8, 10.4, 13.52, 17.576, 22.8488, 29.70344}},
		{"one answer is late near the limit", sharing{capacity: 13, change: lateAnswer(4)}, 0, 13, true, true, []float64{8, 10.4, 13.52, 17.576, 22.8488}},
		{"a disturbed one again", sharing{capacity: 7, change: late(1, 3)}, 0, 7, true, true, []float64{8, 8, 10.4, 10.4, 13.52}},
		{"never quiet", sharing{capacity: 5, change: late(1, 2, 3, 4)}, 0, 5, true, false, []float64{8, 8, 8, 8, 10.4}},
		{"it collapses", sharing{capacity: 12, change: collapses(12)}, 0, 10.5, true, true, []float64{8, 10.4, 13.52, 17.576}},
		{"it collapses at the last", sharing{capacity: 12, change: collapses(12)}, 3, 10.5, false, true, []float64{8, 10.4, 13.52}},
		{"what failed is not counted", sharing{capacity: 5, change: func(_ int, r *load.Result) { r.Completed -= 8; r.Failed = 8 }}, 0, 3.8889, true, true, []float64{8, 10.4, 13.52, 17.576}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := measure.Bursts(t.Context(), measure.BurstConfig{Start: 8, Max: test.max}, test.service.hit)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got.Goodput-test.want) > 0.01 || got.Saturated != test.saturated || got.Validity.OK != test.valid {
				t.Errorf("got %+v, want %v, saturated %t, valid %t", got, test.want, test.saturated, test.valid)
			}
			if !slices.EqualFunc(test.service.rates, test.rates, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
				t.Errorf("rates %v, want %v", test.service.rates, test.rates)
			}
		})
	}
}

// When the machine is faster for a while, the limit is the faster result.
func TestBurstsAgain(t *testing.T) {
	t.Parallel()
	service := sharing{capacity: 7}
	service.change = func(n int, r *load.Result) {
		if n == 5 {
			r.Elapsed = time.Duration(float64(r.Planned) / 9 * float64(time.Second))
		}
		if n == 4 { // fast by chance
			r.Elapsed, r.Host.IdleShare = r.Window, 0
		}
	}
	got, err := measure.Bursts(t.Context(), measure.BurstConfig{Start: 11, Again: 3}, service.hit)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got.Goodput-9) > 0.01 || !got.Saturated || !got.Validity.OK {
		t.Errorf("got %+v, want the 9/s that were seen once", got)
	}
	if want := []float64{11, 14.3, 11, 11, 11, 11}; !slices.EqualFunc(service.rates, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
		t.Errorf("rates %v, want %v", service.rates, want)
	}
}

func TestBurstsErrors(t *testing.T) {
	broken := errors.New("broken")
	fails := func(context.Context, float64, time.Duration) (load.Result, error) { return load.Result{}, broken }
	service := sharing{capacity: 5}
	for _, test := range []struct {
		name   string
		config measure.BurstConfig
		hit    measure.Hit
		want   string
	}{
		{"no rate", measure.BurstConfig{}, service.hit, "start rate"},
		{"no growth", measure.BurstConfig{Start: 1, Factor: 0.5}, service.hit, "factor"},
		{"a hit that fails", measure.BurstConfig{Start: 1}, fails, "broken"},
		{"quotas that cannot be read", measure.BurstConfig{Start: 1, Quotas: func(context.Context) ([]string, error) { return nil, broken }}, service.hit, "broken"},
	} {
		if _, err := measure.Bursts(t.Context(), test.config, test.hit); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one that says %q", test.name, err, test.want)
		}
	}
}
