package measure_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
)

// queue is a server with one queue and c workers that each take the same time for a request.
// It answers c / service requests a second. Each worker has its own timetable, so that a
// late timer does not make it slower.
type queue struct {
	mu      sync.Mutex
	service time.Duration
	free    []time.Time // when each worker has done its present requests
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
		// The generator compares the answer with the question, which is GET /meals/ID.
		fmt.Fprintf(w, `{"id": %q}`, path.Base(r.URL.Path))
	case <-r.Context().Done():
	}
}

func against(tb testing.TB, handler http.Handler) measure.Hit {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return load.Generator{
		Target: server.URL, Population: load.Population{Meals: []bytebites.MealID{"m1", "m2"}},
		Mix: load.Mix{Name: "meals", Skew: 1.1, Shares: []load.Share{{Kind: load.ShowMeal, Weight: 1}}},
	}.Hit
}

// fifo computes, without a clock, the latencies of evenly spaced requests in a first-come
// queue of c workers with the same service time. Clients time out after 2 s; the workers
// still do their requests.
func fifo(c int, service time.Duration) measure.Hit {
	return func(_ context.Context, rate float64, d time.Duration) (load.Result, error) {
		free := make([]time.Duration, c)
		r := load.Result{
			Window: d, Latency: load.NewHistogram(), Lateness: load.NewHistogram(), Host: load.Host{CPUs: 2, IdleShare: 0.5},
		}
		var underWay, ended time.Duration
		for n := range load.Constant(rate).Count(d) {
			at := load.Constant(rate).At(n)
			slices.Sort(free)
			free[0] = max(free[0], at) + service
			latency := min(free[0]-at, load.DefaultTimeout)
			r.Planned++
			r.Sent++
			r.Latency.Record(latency)
			r.Lateness.Record(0)
			if latency == load.DefaultTimeout {
				r.Failed++
			} else {
				r.Completed++
				if at+latency <= d {
					r.InWindow++
				}
			}
			if at+latency <= d {
				r.Ended++
				ended += latency
			}
			underWay += min(at+latency, d) - at
		}
		r.Concurrency = underWay.Seconds() / d.Seconds()
		if r.Ended > 0 {
			r.EndedLatency = ended / time.Duration(r.Ended)
		}
		return r, nil
	}
}

// checkRamp requires that a ramp finds the capacity of a queue within a tenth, and the knee
// around it.
func checkRamp(t *testing.T, r measure.RampResult, capacity, factor float64) {
	t.Helper()
	for _, l := range r.Levels {
		t.Logf("%.1f/s: goodput %.1f, p95 %s, SLO met %v, overloaded %v, %+v", l.Rate, l.Goodput,
			l.Result.Latency.Quantile(0.95), l.MetSLO, l.Overloaded, l.Validity)
	}
	t.Logf("goodput %.1f, knee %+v", r.Goodput, r.Knee)
	if !r.Saturated || math.Abs(r.Goodput-capacity) > 0.1*capacity {
		t.Errorf("saturated %v, goodput %.1f/s, want %.0f within 10 %%", r.Saturated, r.Goodput, capacity)
	}
	// Just above its capacity, a queue takes longer than a level to fill up.
	if r.Knee.Low < capacity/factor || r.Knee.Low > 1.12*capacity || r.Knee.High < capacity || r.Knee.High > factor*1.12*capacity {
		t.Errorf("knee %+v, want it around %.0f", r.Knee, capacity)
	}
	if r.SLOCapacity != r.Knee.Low {
		t.Errorf("SLO capacity %v, want the knee's low end %v", r.SLOCapacity, r.Knee.Low)
	}
}

func TestRampFindsTheCapacityOfAQueue(t *testing.T) {
	tests := []struct {
		name    string
		workers int
		service time.Duration
		start   float64
		refine  int
	}{
		{"150/s", 6, 40 * time.Millisecond, 20, 0},
		{"150/s refined", 6, 40 * time.Millisecond, 20, 2},
		{"14/s, as the monolith at a quarter core", 1, 70 * time.Millisecond, 4, 1},
		{"1,100/s, as its catalogue", 11, 10 * time.Millisecond, 100, 1},
		{"started too high", 6, 40 * time.Millisecond, 700, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := quick(test.start)
			config.Refine = test.refine
			r, err := measure.Ramp(t.Context(), config, fifo(test.workers, test.service))
			if err != nil {
				t.Fatal(err)
			}
			if !r.Validity.OK {
				t.Errorf("validity %+v", r.Validity)
			}
			factor := math.Pow(1.5, math.Pow(0.5, float64(test.refine)))
			if test.start > 200 {
				factor = math.Pow(1.5*1.5, math.Pow(0.5, float64(test.refine)))
			}
			checkRamp(t, r, float64(test.workers)/test.service.Seconds(), factor)
		})
	}
}

// At 1.5 times its capacity, a queue that drops no request makes the request of time t wait
// t/2. After 4 s that is 2 s, and from then on every client times out. So in 8 s half of the
// requests fail, and the mean latency is (1 s + 2 s) / 2.
func TestRush(t *testing.T) {
	const capacity = 150
	r, err := measure.Rush(t.Context(), capacity, nil, fifo(6, 40*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if r.Rate != 225 || r.Length != 8*time.Second || math.Abs(r.FailureShare-0.5) > 0.02 {
		t.Errorf("rate %v, length %s, failure share %.3f, want 225, 8s and 0.5", r.Rate, r.Length, r.FailureShare)
	}
	if math.Abs(r.Mean.Seconds()-1.5) > 0.05 || math.Abs(r.P99.Seconds()-2) > 0.01 {
		t.Errorf("mean %s, p99 %s, want 1.5s and 2s", r.Mean, r.P99)
	}
	if _, err := measure.Rush(t.Context(), 0, nil, nil); err == nil {
		t.Error("a rush on a variant that completes nothing: no error")
	}
}

func TestRushIsJudgedLikeAnyRound(t *testing.T) {
	s := &simulated{capacity: 100, change: func(_ int, r *load.Result) { r.Host.IdleShare = 0 }}
	quotas := func(context.Context) ([]string, error) { return []string{"postgres: none"}, nil }
	r, err := measure.Rush(t.Context(), 100, quotas, s.hit)
	if err != nil {
		t.Fatal(err)
	}
	if r.Validity.OK || len(r.Validity.Reasons) != 2 {
		t.Errorf("validity %+v, want two reasons", r.Validity)
	}
}

// The same test over real connections and a real clock.
func TestRampAndRushOverLoopback(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 12 s")
	}
	const capacity = 150
	hit := against(t, newQueue(6, 40*time.Millisecond))
	errBusy := errors.New("inconclusive: less than half a core is idle")
	watched := func(ctx context.Context, rate float64, d time.Duration) (load.Result, error) {
		r, err := hit(ctx, rate, d)
		if err == nil && r.Host.IdleCores() < 0.5 {
			return r, errBusy
		}
		// Simulated results test the effect of a busy machine; here it would double the time.
		r.Lateness, r.Host = load.NewHistogram(), load.Host{CPUs: 2, IdleShare: 0.5}
		return r, err
	}
	ramp, err := measure.Ramp(t.Context(), measure.RampConfig{
		Start: 57, Level: 1200 * time.Millisecond, Drain: 50 * time.Millisecond, Refine: 1,
	}, watched)
	var rush measure.RushResult
	if err == nil {
		rush, err = measure.RushFor(t.Context(), capacity, 1500*time.Millisecond, nil, watched)
	}
	if errors.Is(err, errBusy) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	checkRamp(t, ramp, capacity, 1.5)
	// Up to 0.75 s of waiting after 1.5 s, and 40 ms of service.
	if mean := rush.Mean.Seconds(); math.Abs(mean-0.415) > 0.05 || rush.FailureShare != 0 {
		t.Errorf("rush: mean %s, failure share %v, want about 415 ms and 0", rush.Mean, rush.FailureShare)
	}
}

// simulated is a service without a clock. capacity is in requests a second; requests above
// it fail.
type simulated struct {
	capacity float64
	shared   bool // it works on everything at once: within an overload it ends less, of twice its capacity nothing
	patient  bool // what is shared ends later, at the rate of the capacity
	rates    []float64
	change   func(n int, r *load.Result)
}

func (s *simulated) hit(_ context.Context, rate float64, d time.Duration) (load.Result, error) {
	s.rates = append(s.rates, rate)
	n := int(math.Ceil(rate * d.Seconds()))
	good := min(n, int(s.capacity*d.Seconds()))
	if s.shared && rate > s.capacity {
		good = int(max(0, 2*s.capacity-rate) * d.Seconds())
	}
	r := load.Result{
		Window: d, Planned: n, Sent: n, Completed: good, InWindow: good, Failed: n - good,
		Latency: load.NewHistogram(), Lateness: load.NewHistogram(), Host: load.Host{CPUs: 2, IdleShare: 0.5},
	}
	fill(r.Latency, good, 10*time.Millisecond)
	fill(r.Latency, n-good, 2*time.Second)
	fill(r.Lateness, n, 100*time.Microsecond)
	if s.patient {
		r.Completed, r.Failed = n, 0
		r.Elapsed = time.Duration(float64(n) / s.capacity * float64(time.Second))
	}
	if s.change != nil {
		s.change(len(s.rates), &r)
	}
	return r, nil
}

func quick(start float64) measure.RampConfig {
	return measure.RampConfig{Start: start, Drain: time.Nanosecond}
}

// A service that works on everything at once ends little of a great overload in a short level. What it
// answered there is not its limit.
func TestRampThatBeginsTooHighFindsTheLimit(t *testing.T) {
	for _, start := range []float64{20, 90, 150, 190, 240, 900} {
		s := &simulated{capacity: 100, shared: true}
		config := quick(start)
		config.SaturationOnly = true
		r, err := measure.Ramp(t.Context(), config, s.hit)
		if err != nil {
			t.Fatal(err)
		}
		// The rates grow by half, so the highest that is answered may be a third below the limit.
		if !r.Saturated || r.Goodput < 100/1.5 || r.Goodput > 100 {
			t.Errorf("from %.0f/s: goodput %.1f/s, saturated %t, rates %.0f; want 67 to 100", start, r.Goodput, r.Saturated, s.rates)
		}
		s = &simulated{capacity: 100, shared: true, patient: true}
		if r, err = measure.Ramp(t.Context(), config, s.hit); err != nil {
			t.Fatal(err)
		}
		if !r.Saturated || math.Abs(r.Goodput-100) > 1 {
			t.Errorf("patient, from %.0f/s: goodput %.1f/s, saturated %t, rates %.0f; want 100", start, r.Goodput, r.Saturated, s.rates)
		}
	}
}

func TestRamp(t *testing.T) {
	tests := []struct {
		name      string
		config    func(*measure.RampConfig)
		capacity  float64
		goodput   float64
		saturated bool
		low, high float64
		rates     []float64 // of the levels, rounded
	}{
		{"up to overload", func(*measure.RampConfig) {}, 100, 100, true, 90, 135, []float64{40, 60, 90, 135, 202.5}},
		{"refined", func(c *measure.RampConfig) { c.Refine = 2 }, 100, 100, true, 90, 100, nil},
		{"start too high", func(c *measure.RampConfig) { c.Start = 900 }, 100, 100, true, 79, 178, []float64{900, 400, 178, 79}},
		{"saturation only, up", func(c *measure.RampConfig) { c.SaturationOnly = true }, 100, 100, true, 90, 135, []float64{40, 60, 90, 135}},
		{"saturation only, at once", func(c *measure.RampConfig) { c.Start, c.SaturationOnly = 900, true }, 100, 100, true, 79, 119, []float64{900, 400, 178, 79, 119, 178}},
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
		// After three repeats the ramp keeps invalid levels.
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

// On a machine without idle time a service answers less than it can. A level there says nothing
// of its saturation goodput.
func TestInvalidLevelProvesNoSaturation(t *testing.T) {
	busyAbove := func(rate float64) func(int, *load.Result) {
		return func(_ int, r *load.Result) {
			if r.OfferedRate() > rate {
				r.Host.IdleShare, r.InWindow = 0, r.InWindow/2
			}
		}
	}
	for _, test := range []struct {
		name      string
		change    func(int, *load.Result)
		goodput   float64
		saturated bool
	}{
		{"quiet", nil, 100, true},
		{"busy from overload on", busyAbove(100), 90, false},
		{"busy long after overload", busyAbove(150), 100, true},
		{"busy all the time", busyAbove(0), 50, false},
	} {
		s := &simulated{capacity: 100, change: test.change}
		r, err := measure.Ramp(t.Context(), quick(40), s.hit)
		if err != nil {
			t.Fatal(err)
		}
		if r.Saturated != test.saturated || math.Abs(r.Goodput-test.goodput) > 0.5 {
			t.Errorf("%s: goodput %v, saturated %t, want %v, %t", test.name, r.Goodput, r.Saturated, test.goodput, test.saturated)
		}
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
