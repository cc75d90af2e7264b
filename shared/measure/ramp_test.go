package measure_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/load"
	"bytebites.example/workshop/shared/measure"
)

// queue is a server of c workers that each take the same time for a request, with one
// queue before them. Each keeps to its own timetable, so that a timer which is late does
// not make it slower: it answers c / service requests a second.
type queue struct {
	mu      sync.Mutex
	service time.Duration
	free    []time.Time // when each worker is done with what it has
}

func newQueue(c int, service time.Duration) *queue {
	return &queue{service: service, free: make([]time.Time, c)}
}

func (q *queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	first := 0
	for i, at := range q.free {
		if at.Before(q.free[first]) {
			first = i
		}
	}
	start := q.free[first]
	if now := time.Now(); start.Before(now) {
		start = now
	}
	done := start.Add(q.service)
	q.free[first] = done
	q.mu.Unlock()
	select {
	case <-time.After(time.Until(done)):
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "{}")
	case <-r.Context().Done():
	}
}

func against(tb testing.TB, handler http.Handler) measure.Hit {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	generator := load.Generator{
		Target: server.URL, Population: load.Population{Meals: []bytebites.MealID{"m1", "m2"}},
		Mix: load.Mix{Name: "meals", Skew: 1.1, Shares: []load.Share{{Kind: load.ShowMeal, Weight: 1}}},
	}
	return func(ctx context.Context, rate float64, d time.Duration) (load.Result, error) {
		r, err := generator.Hit(ctx, rate, d)
		// Other tests and compilers run beside this one. What follows from a busy
		// machine is tested with simulated results; here it would only double the time.
		r.Lateness, r.Host = load.NewHistogram(), load.Host{CPUs: 2, IdleShare: 0.5}
		return r, err
	}
}

func TestRampOnQueue(t *testing.T) {
	// 6 workers of 40 ms: 150 requests a second. Over 1 s at 1.28 times that the queue
	// grows to 0.28 s, so p95 is past the SLO's 200 ms.
	const capacity = 150
	var seen []measure.Level
	began := time.Now()
	r, err := measure.Ramp(t.Context(), measure.RampConfig{
		Start: 57, Level: 1200 * time.Millisecond, Drain: 50 * time.Millisecond, Refine: 1,
		OnLevel: func(l measure.Level) { seen = append(seen, l) },
	}, against(t, newQueue(6, 40*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range seen {
		t.Logf("%.1f/s: goodput %.1f, p95 %s, SLO met %v, overloaded %v, %+v", l.Rate, l.Goodput,
			l.Result.Latency.Quantile(0.95), l.MetSLO, l.Overloaded, l.Validity)
	}
	t.Logf("in %s: goodput %.1f, knee %+v", time.Since(began), r.Goodput, r.Knee)
	if !r.Saturated || len(seen) != len(r.Levels) {
		t.Errorf("saturated %v, %d levels told of %d", r.Saturated, len(seen), len(r.Levels))
	}
	if math.Abs(r.Goodput-capacity) > 0.1*capacity {
		t.Errorf("saturation goodput %.1f/s, want %d within 10 %%", r.Goodput, capacity)
	}
	if r.Knee.Low < 57*1.5 || r.Knee.Low > 1.1*capacity || r.Knee.High < capacity || r.Knee.High > 57*1.5*1.5*1.5 || r.SLOCapacity != r.Knee.Low {
		t.Errorf("knee %+v, SLO capacity %.1f, want them around %d", r.Knee, r.SLOCapacity, capacity)
	}
}

func TestRush(t *testing.T) {
	// At 1.5 times what it can do, a queue that forgets nobody makes the request of time
	// t wait t/2 (the third that is too much, over two thirds): up to 0.75 s after 1.5 s.
	const capacity = 150
	r, err := measure.RushFor(t.Context(), capacity, 1500*time.Millisecond, nil, against(t, newQueue(6, 40*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Rate != 225 || r.FailureShare != 0 {
		t.Errorf("rate %v, failure share %v, want 225 and 0", r.Rate, r.FailureShare)
	}
	if mean := r.Mean.Seconds(); math.Abs(mean-(0.75/2+0.04)) > 0.05 {
		t.Errorf("mean %s, want about 415 ms", r.Mean)
	}
	if _, err := measure.Rush(t.Context(), 0, nil, nil); err == nil {
		t.Error("a rush on a variant that completes nothing: no error")
	}
}

// simulated is a service without a clock: capacity in requests a second, above which
// the excess fails.
type simulated struct {
	capacity float64
	rates    []float64
	change   func(n int, r *load.Result)
}

func (s *simulated) hit(_ context.Context, rate float64, d time.Duration) (load.Result, error) {
	s.rates = append(s.rates, rate)
	n := int(math.Ceil(rate * d.Seconds()))
	good := min(n, int(s.capacity*d.Seconds()))
	r := load.Result{
		Window: d, Planned: n, Sent: n, Completed: good, InWindow: good, Failed: n - good,
		Latency: load.NewHistogram(), Lateness: load.NewHistogram(), Host: load.Host{CPUs: 2, IdleShare: 0.5},
	}
	fill(r.Latency, good, 10*time.Millisecond)
	fill(r.Latency, n-good, 2*time.Second)
	fill(r.Lateness, n, 100*time.Microsecond)
	if s.change != nil {
		s.change(len(s.rates), &r)
	}
	return r, nil
}

func quick(start float64) measure.RampConfig {
	return measure.RampConfig{Start: start, Drain: time.Nanosecond}
}

func TestRamp(t *testing.T) {
	tests := []struct {
		name      string
		config    func(*measure.RampConfig)
		capacity  float64
		goodput   float64
		saturated bool
		low, high float64
		rates     []float64 // that were tried, rounded
	}{
		{"up to overload", func(*measure.RampConfig) {}, 100, 100, true, 90, 135, []float64{40, 60, 90, 135, 202.5}},
		{"refined", func(c *measure.RampConfig) { c.Refine = 2 }, 100, 100, true, 90, 100, nil},
		{"start too high", func(c *measure.RampConfig) { c.Start = 900 }, 100, 100, true, 79, 178, []float64{900, 400, 178, 79}},
		{"never overloaded", func(c *measure.RampConfig) { c.MaxLevels = 3 }, 1000, 90, false, 90, 0, []float64{40, 60, 90}},
		{"other factor", func(c *measure.RampConfig) { c.Factor = 4 }, 100, 100, true, 40, 160, []float64{40, 160, 640}},
		{"dead", func(*measure.RampConfig) {}, 0, 0, true, 0, 2, []float64{40, 18, 8, 4, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &simulated{capacity: test.capacity}
			config := quick(40)
			test.config(&config)
			r, err := measure.Ramp(t.Context(), config, s.hit)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("rates %.0f, knee %.1f", s.rates, r.Knee)
			if test.rates != nil {
				if got, want := fmt.Sprintf("%.0f", s.rates), fmt.Sprintf("%.0f", test.rates); got != want {
					t.Errorf("rates %s, want %s", got, want)
				}
			}
			if r.Saturated != test.saturated || math.Abs(r.Goodput-test.goodput) > 0.5 {
				t.Errorf("goodput %v, saturated %v, want %v, %v", r.Goodput, r.Saturated, test.goodput, test.saturated)
			}
			if test.rates != nil && (math.Abs(r.Knee.Low-test.low) > 1 || math.Abs(r.Knee.High-test.high) > 1) {
				t.Errorf("knee %+v, want %v to %v", r.Knee, test.low, test.high)
			}
			if test.rates == nil && (r.Knee.Low < test.low || r.Knee.Low > test.high || r.Knee.High < r.Knee.Low || r.Knee.High > 1.2*r.Knee.Low) {
				t.Errorf("knee %+v, want its low end in %v to %v and no wider than 1.2", r.Knee, test.low, test.high)
			}
			if !r.Validity.OK {
				t.Errorf("validity %+v", r.Validity)
			}
		})
	}
}

func TestInvalidLevelRunsOnceMore(t *testing.T) {
	late := func(r *load.Result) { fill(r.Lateness, r.Sent, time.Second) }
	tests := []struct {
		name   string
		change func(n int, r *load.Result)
		ok     bool
		levels int
	}{
		{"late once", func(n int, r *load.Result) {
			if n == 2 {
				late(r)
			}
		}, true, 6},
		{"late again", func(n int, r *load.Result) {
			if n == 2 || n == 3 {
				late(r)
			}
		}, false, 6},
		// Three repeats, then the ramp takes what it gets.
		{"host saturated", func(_ int, r *load.Result) { r.Host.IdleShare = 0 }, false, 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &simulated{capacity: 100, change: test.change}
			r, err := measure.Ramp(t.Context(), quick(40), s.hit)
			if err != nil {
				t.Fatal(err)
			}
			if r.Validity.OK != test.ok || len(r.Levels) != test.levels {
				t.Errorf("validity %+v, %d levels, want OK %v and %d", r.Validity, len(r.Levels), test.ok, test.levels)
			}
			discarded := 0
			for _, l := range r.Levels {
				if l.Discarded {
					discarded++
				}
			}
			if discarded != test.levels-5 {
				t.Errorf("%d levels discarded, want %d", discarded, test.levels-5)
			}
		})
	}
}

func TestRampSaysWhenQuotasAreNotInForce(t *testing.T) {
	config := quick(40)
	config.Quotas = func(context.Context) ([]string, error) { return []string{"service: none"}, nil }
	r, err := measure.Ramp(t.Context(), config, (&simulated{capacity: 100}).hit)
	if err != nil {
		t.Fatal(err)
	}
	if r.Validity.OK || !strings.Contains(r.Validity.Reasons[0], "service: none") {
		t.Errorf("validity %+v", r.Validity)
	}
}

func TestRampErrors(t *testing.T) {
	broken := errors.New("broken")
	fail := func(context.Context, float64, time.Duration) (load.Result, error) { return load.Result{}, broken }
	tests := []struct {
		name   string
		change func(*measure.RampConfig)
		hit    measure.Hit
		want   string
	}{
		{"no start", func(c *measure.RampConfig) { c.Start = 0 }, fail, "start rate"},
		{"start NaN", func(c *measure.RampConfig) { c.Start = math.NaN() }, fail, "start rate"},
		{"flat", func(c *measure.RampConfig) { c.Factor = 1 }, fail, "factor"},
		{"hit fails", func(*measure.RampConfig) {}, fail, "broken"},
		{"no time", func(c *measure.RampConfig) { c.Budget = time.Second }, fail, "budget"},
		{"quotas fail", func(c *measure.RampConfig) {
			c.Quotas = func(context.Context) ([]string, error) { return nil, broken }
		}, (&simulated{capacity: 100}).hit, "broken"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := quick(40)
			test.change(&config)
			if _, err := measure.Ramp(t.Context(), config, test.hit); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestRampStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &simulated{capacity: 100, change: func(n int, _ *load.Result) {
		if n == 2 {
			cancel()
		}
	}}
	config := quick(40)
	config.Drain = time.Minute
	config.OnLevel = func(l measure.Level) {
		if l.Rate == 40 {
			cancel()
		}
	}
	if _, err := measure.Ramp(ctx, config, s.hit); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}
