package load_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// direct passes requests to a handler without a network. So a test under synctest runs in
// virtual time, which is exact and independent of the machine's load.
type direct struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// virtual runs an attack on a handler in virtual time.
func virtual(t *testing.T, mix load.Mix, schedule load.Schedule, length time.Duration, wait func(began time.Time, r *http.Request)) load.Result {
	t.Helper()
	var result load.Result
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wait(began, r)
			answer(w, r)
		})
		r, err := generator("http://127.0.0.1:1", mix).Over(direct{handler}).Attack(t.Context(), schedule, length)
		if err != nil {
			t.Fatal(err)
		}
		result = r
	})
	return result
}

// A server stalls for d in a run of length T. The requests of that time wait from d down to
// 0, so the mean is d²/2T. When d is more than 1 % of T, the 99th percentile is d - T/100. A
// closed loop would hardly measure the stall. Neither would latencies that count from the
// time of sending.
func TestStalledServer(t *testing.T) {
	tests := []struct {
		name          string
		length, stall time.Duration
	}{
		{"1 s of 10 s", 10 * time.Second, time.Second},
		{"1 s of 5 s", 5 * time.Second, time.Second}, // as in TestStalledServerOverLoopback
		{"1.9 s of 10 s", 10 * time.Second, 1900 * time.Millisecond},
		{"0.5 s of 4 s", 4 * time.Second, 500 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			const rate = 200
			from := time.Second
			r := virtual(t, only(load.ShowMeal), load.Constant(rate), test.length, func(began time.Time, _ *http.Request) {
				if now := time.Since(began); now >= from && now < from+test.stall {
					time.Sleep(from + test.stall - now)
				}
			})
			if want := int(rate * test.length.Seconds()); r.Completed != want || r.Failed != 0 {
				t.Fatalf("%d completed, %d failed, want %d and 0", r.Completed, r.Failed, want)
			}
			d, whole := test.stall.Seconds(), test.length.Seconds()
			within(t, "mean", r.Latency.Mean().Seconds(), d*d/2/whole, 0.02)
			within(t, "p99", r.Latency.Quantile(0.99).Seconds(), d-whole/100, 0.02)
			within(t, "goodput", r.Goodput(), rate, 0.001)
			within(t, "concurrency", r.Concurrency, rate*d*d/2/whole, 0.02) // Little: λW
			if r.Lateness.Max() > time.Microsecond {
				t.Errorf("lateness of up to %s, want none: the server stalled, not the generator", r.Lateness.Max())
			}
		})
	}
}

// A generator that stalls for d of T sends the share d/T of the requests late, by d/2 in the
// mean. Their latency includes the lateness.
func TestSlowGeneratorShowsAsLateness(t *testing.T) {
	slow := blocked{load.Constant(100), 100, time.Second, &sync.Once{}}
	const service = 30 * time.Millisecond
	r := virtual(t, only(load.ShowMeal), slow, 4*time.Second, func(time.Time, *http.Request) { time.Sleep(service) })
	if r.Sent != 400 {
		t.Fatalf("sent %d, want 400", r.Sent)
	}
	within(t, "p99 of lateness", r.Lateness.Quantile(0.99).Seconds(), 1-0.04, 0.02)
	within(t, "mean of lateness", r.Lateness.Mean().Seconds(), 1.0/2/4, 0.02)
	within(t, "mean of latency", r.Latency.Mean().Seconds(), r.Lateness.Mean().Seconds()+service.Seconds(), 0.001)
}

// The latency of a request without an answer is exactly the client's timeout.
func TestTimeoutCountsAtTheTimeout(t *testing.T) {
	half := load.Mix{Name: "half", Skew: 1.1, Shares: []load.Share{{Kind: load.ShowMeal, Weight: 1}, {Kind: load.ShowMe, Weight: 1}}}
	r := virtual(t, half, load.Constant(100), 4*time.Second, func(_ time.Time, r *http.Request) {
		if r.URL.Path == "/me" {
			time.Sleep(10 * time.Millisecond)
		} else {
			<-r.Context().Done()
		}
	})
	stuck, fine := r.Kinds[load.ShowMeal], r.Kinds[load.ShowMe]
	if r.Sent != 400 || stuck.Failed != stuck.Sent || fine.Failed != 0 || r.Failures["timeout"] != stuck.Sent {
		t.Fatalf("sent %d, stuck %+v, fine %+v, failures %v", r.Sent, *stuck, *fine, r.Failures)
	}
	if stuck.Latency.Mean() != load.DefaultTimeout || stuck.Latency.Max() != load.DefaultTimeout {
		t.Errorf("timeouts take %s in the mean and at most %s, want %s", stuck.Latency.Mean(), stuck.Latency.Max(), load.DefaultTimeout)
	}
	if fine.Latency.Mean() != 10*time.Millisecond {
		t.Errorf("the others take %s in the mean, want 10ms", fine.Latency.Mean())
	}
	within(t, "share of failures", r.FailureShare(), float64(stuck.Sent)/400, 1e-9)
	within(t, "goodput", r.Goodput(), float64(fine.Sent)/4, 0.01)
	within(t, "elapsed", r.Elapsed.Seconds(), 6, 0.01) // the last timeout ends 2 s after the window
}

// The latency of a retried order includes both attempts and the pause between them.
func TestRetryCountsInLatency(t *testing.T) {
	var mu sync.Mutex
	attempts := map[string]int{}
	r := virtual(t, only(load.PlaceOrder), load.Constant(50), time.Second, func(_ time.Time, r *http.Request) {
		mu.Lock()
		attempts[r.Header.Get("Idempotency-Key")]++
		first := attempts[r.Header.Get("Idempotency-Key")] == 1
		mu.Unlock()
		if first {
			<-r.Context().Done()
		}
		time.Sleep(20 * time.Millisecond)
	})
	want := load.DefaultTimeout + 20*time.Millisecond + load.DefaultRetryAfter + 20*time.Millisecond
	if r.Completed != 50 || r.Retried != 50 || r.Latency.Mean() != want {
		t.Errorf("%d completed, %d retried, mean %s, want 50, 50 and %s", r.Completed, r.Retried, r.Latency.Mean(), want)
	}
}

// blocked is a schedule that blocks the generator for d at request number at.
type blocked struct {
	load.Schedule
	at   uint64
	d    time.Duration
	once *sync.Once
}

func (b blocked) At(n uint64) time.Duration {
	if n == b.at {
		b.once.Do(func() { time.Sleep(b.d) })
	}
	return b.Schedule.At(n)
}

func TestGeneratorGivesUp(t *testing.T) {
	slow := blocked{load.Constant(100), 50, 1500 * time.Millisecond, &sync.Once{}}
	r := virtual(t, only(load.ShowMeal), slow, time.Second, func(time.Time, *http.Request) {})
	// The requests after the delayed one are not sent.
	if r.Planned != 100 || r.Sent != 50 {
		t.Errorf("planned %d, sent %d, want 100 and 50", r.Planned, r.Sent)
	}
}

// An open loop sends requests on schedule, independent of the number in flight.
func TestWorkersAreNotCapped(t *testing.T) {
	var mu sync.Mutex
	waiting, most := 0, 0
	r := virtual(t, only(load.ShowMeal), load.Constant(3000), time.Second, func(time.Time, *http.Request) {
		mu.Lock()
		waiting++
		most = max(most, waiting)
		mu.Unlock()
		time.Sleep(1500 * time.Millisecond)
		mu.Lock()
		waiting--
		mu.Unlock()
	})
	if r.Completed != 3000 || most != 3000 || r.InWindow != 0 {
		t.Errorf("%d completed, at most %d at a time, %d in the window, want 3000, 3000 and 0", r.Completed, most, r.InWindow)
	}
}

func TestDinnerFollowsTheCurve(t *testing.T) {
	curve := load.Curve{Base: 20, Peak: 320, Length: 8 * time.Second}
	var mu sync.Mutex
	middle := 0
	r := virtual(t, load.Browse(), curve, curve.Length, func(began time.Time, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if d := time.Since(began); d >= 2*time.Second && d < 6*time.Second {
			middle++
		}
	})
	if r.Sent != 8*(20+150) {
		t.Errorf("sent %d, want %d", r.Sent, 8*(20+150))
	}
	// The integral over the middle half of the time: 4 s of 20, and 300 (1/2 + 1/π).
	within(t, "requests around the peak", float64(middle), 4*(20+300*(0.5+0.3183)), 0.02)
}
