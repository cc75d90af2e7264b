package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// The same test over real connections and a real clock. The machine adds noise to the
// latency. A second attack, on a server that never stalls, runs in parallel and measures this
// noise. Requests outside of the stall should have the latency of the second attack.
func TestStalledServerOverLoopback(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 6 s")
	}
	const rate, length, stall = 75, 5 * time.Second, time.Second
	// A machine that is busy now will be busy during the stall.
	quiet(t, beside(t, rate, 500*time.Millisecond)())
	control := beside(t, rate, length)
	var gate sync.RWMutex
	var held time.Duration
	server := serve(t, func(*http.Request) {
		gate.RLock()
		defer gate.RUnlock()
	})
	time.AfterFunc(time.Second, func() {
		gate.Lock()
		defer gate.Unlock()
		began := time.Now()
		time.Sleep(stall)
		held = time.Since(began)
	})
	r, err := generator(server.URL, only(load.ShowMeal)).Hit(t.Context(), rate, length)
	if err != nil {
		t.Fatal(err)
	}
	noise := control().Latency.Mean().Seconds()
	gate.Lock() // waits for the end of the stall, so that held can be read
	defer gate.Unlock()
	quiet(t, r)
	if want := int(rate * length.Seconds()); r.Completed != want || r.Failed != 0 {
		t.Fatalf("%d completed, %d failed, want %d and 0", r.Completed, r.Failed, want)
	}
	d, whole := held.Seconds(), length.Seconds()
	within(t, "mean", r.Latency.Mean().Seconds(), d*d/2/whole+noise*(1-d/whole), 0.05)
	within(t, "p99", r.Latency.Quantile(0.99).Seconds(), d-whole/100, 0.05)
	within(t, "goodput", r.Goodput(), rate, 0.02)
}

// quiet skips a test when the machine is too busy for it.
func quiet(t *testing.T, r load.Result) {
	t.Helper()
	if idle := r.Host.IdleCores(); idle < 0.5 {
		t.Skipf("inconclusive: with %.2f cores idle the machine's own noise is more than 5 %% of the mean", idle)
	}
}

// beside starts an attack on a server that answers immediately. The returned function waits
// for the result.
func beside(tb testing.TB, rate float64, length time.Duration) func() load.Result {
	tb.Helper()
	server := serve(tb, func(*http.Request) {})
	type outcome struct {
		result load.Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		r, err := generator(server.URL, only(load.ShowMeal)).Hit(tb.Context(), rate, length)
		done <- outcome{r, err}
	}()
	return func() load.Result {
		tb.Helper()
		o := <-done
		if o.err != nil {
			tb.Fatal(o.err)
		}
		return o.result
	}
}

// flaky fails a number of attempts of each order, and records all attempts.
type flaky struct {
	mu    sync.Mutex
	seen  map[string]int
	bad   int // how many attempts of each order fail
	fails func(http.ResponseWriter, *http.Request)
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	key := r.Header.Get("Idempotency-Key") + " " + r.Header.Get("Cookie") + " " + string(body)
	f.seen[key]++
	n := f.seen[key]
	f.mu.Unlock()
	if n <= f.bad {
		f.fails(w, r)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer(w, r)
}

func TestOrderIsRetriedOnceUnderItsKey(t *testing.T) {
	t.Parallel()
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	const timeout, pause = 300 * time.Millisecond, 100 * time.Millisecond
	const sold = `{"type":"https://bytebites.example/problems/out-of-stock"}`
	tests := []struct {
		name     string
		bad      int
		fails    func(http.ResponseWriter, *http.Request)
		attempts int
		outcome  load.Outcome
		failures map[string]int
		least    time.Duration // of the latency of each
	}{
		{"well", 0, nil, 1, load.Accepted, map[string]int{}, 0},
		{"503 once", 1, status(503, "{}"), 2, load.Accepted, map[string]int{}, pause},
		{"503 twice", 2, status(503, "{}"), 2, load.Unknown, map[string]int{"status 503": 20}, pause},
		{"500 for ever", 9, status(500, "{}"), 2, load.Unknown, map[string]int{"status 500": 20}, pause},
		{"cut once", 1, abort, 2, load.Accepted, map[string]int{}, pause},
		{"cut for ever", 9, abort, 2, load.Unknown, map[string]int{"connection": 20}, pause},
		{"hangs once", 1, hang, 2, load.Accepted, map[string]int{}, timeout + pause},
		{"hangs for ever", 9, hang, 2, load.Unknown, map[string]int{"timeout": 20}, 2*timeout + pause},
		{"out of stock", 9, status(409, sold), 1, load.OutOfStock, map[string]int{}, 0},
		{"another conflict", 9, status(409, "{}"), 1, load.Refused, map[string]int{"status 409": 20}, 0},
		{"bad request", 9, status(422, "{}"), 1, load.Refused, map[string]int{"status 422": 20}, 0},
		{"not an order", 9, status(201, `{}`), 1, load.Unknown, map[string]int{"answer": 20}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := &flaky{seen: map[string]int{}, bad: test.bad, fails: test.fails}
			server := httptest.NewServer(f)
			defer server.Close()
			g := generator(server.URL, only(load.PlaceOrder))
			g.Timeout, g.RetryAfter = timeout, pause
			r, err := g.Hit(t.Context(), 40, 500*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			server.Close() // ends the handlers, so that their records can be read
			if len(f.seen) != 20 {
				t.Errorf("the server saw %d orders, want 20: a retry must be the same order", len(f.seen))
			}
			for key, n := range f.seen {
				if n != test.attempts {
					t.Fatalf("order %s was sent %d times, want %d", key, n, test.attempts)
				}
			}
			if !reflect.DeepEqual(r.Failures, test.failures) {
				t.Errorf("failures %v, want %v", r.Failures, test.failures)
			}
			// A quantile has three digits, so it may be a thousandth below the recorded value.
			// The mean is exact.
			if got := r.Latency.Quantile(0); got < test.least-test.least/1000 {
				t.Errorf("least latency %s, want %s or more", got, test.least)
			}
			if got := r.Latency.Mean(); got < test.least {
				t.Errorf("mean latency %s, want %s or more", got, test.least)
			}
			if len(r.Orders) != 20 || r.Summary().Orders[test.outcome] != 20 {
				t.Errorf("orders %v, want 20 %s", r.Summary().Orders, test.outcome)
			}
			if n := len(r.Accepted()); n != r.Summary().Orders[load.Accepted] {
				t.Errorf("ids of %d accepted orders, want %d", n, r.Summary().Orders[load.Accepted])
			}
			for _, o := range r.Orders {
				if (o.Outcome == load.Accepted) != (string(o.Order) == "o-"+o.Key) || o.Email == "" || len(o.Lines) == 0 || o.Attempts != test.attempts {
					t.Fatalf("ledger entry %+v", o)
				}
			}
		})
	}
}

// Only orders are retried.
func TestNothingElseIsRetried(t *testing.T) {
	t.Parallel()
	f := &flaky{seen: map[string]int{}, bad: 1000, fails: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }}
	server := httptest.NewServer(f)
	defer server.Close()
	r, err := generator(server.URL, only(load.SetCart)).Hit(t.Context(), 100, 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	sum := 0
	for _, n := range f.seen {
		sum += n
	}
	if sum != 30 || r.Retried != 0 || r.Failures["status 502"] != 30 {
		t.Errorf("%d requests arrived, %d retried, failures %v, want 30, 0 and 30 of status 502", sum, r.Retried, r.Failures)
	}
}

func TestAttackRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		target   string
		rate     float64
		duration time.Duration
		want     string
	}{
		{"another machine", "http://10.0.0.1:80", 10, time.Second, "loopback"},
		{"a name", "http://bytebites.example", 10, time.Second, "loopback"},
		{"any address", "http://0.0.0.0:80", 10, time.Second, "loopback"},
		{"loopback as a prefix", "http://127.0.0.1.bytebites.example", 10, time.Second, "loopback"},
		{"loopback as a user", "http://127.0.0.1@bytebites.example", 10, time.Second, "want http://host:port"},
		{"https", "https://127.0.0.1", 10, time.Second, "want http://host:port"},
		{"not a URL", "http://[::1", 10, time.Second, "target"},
		{"too long", "http://127.0.0.1:1", 10, 11 * time.Minute, "duration"},
		{"no time", "http://127.0.0.1:1", 10, 0, "duration"},
		{"too many", "http://127.0.0.1:1", 1_000_001, time.Second, "requests"},
		{"no rate", "http://127.0.0.1:1", 0, time.Second, "rate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := generator(test.target, load.Dinner()).Hit(t.Context(), test.rate, test.duration)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if (test.want == "loopback") != errors.Is(err, load.ErrNotLoopback) {
				t.Errorf("errors.Is(%v, ErrNotLoopback) is %v", err, test.want != "loopback")
			}
		})
	}
}

// The client follows no redirect.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.RedirectHandler("http://bytebites.example/", http.StatusFound))
	defer server.Close()
	r, err := generator(server.URL, only(load.ShowMeal)).Hit(t.Context(), 100, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if r.Failures["status 302"] != 10 {
		t.Errorf("failures %v, want 10 of status 302", r.Failures)
	}
}

func TestWrongAnswersFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"a page for JSON", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>all is well</p>")
		}, "answer"},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/json") }, "answer"},
		{"broken off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{}")
		}, "connection"},
		{"accepted, where read", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, "status 202"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			r, err := generator(server.URL, only(load.ShowMe)).Hit(t.Context(), 50, 100*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if r.Failures[test.want] != 5 || r.Goodput() != 0 {
				t.Errorf("failures %v, goodput %v, want 5 of %q and 0", r.Failures, r.Goodput(), test.want)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	r, err := generator(server.URL, load.Dinner()).Hit(t.Context(), 100, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if r.Failures["refused"] != 50 || r.FailureShare() != 1 {
		t.Errorf("failures %v, want 50 of refused", r.Failures)
	}
}

func TestCancelledAttackEndsAtOnce(t *testing.T) {
	t.Parallel()
	// At 0.1 requests a second the generator waits 10 s between the first two.
	for _, rate := range []float64{100, 0.1} {
		t.Run(fmt.Sprintf("%v requests a second", rate), func(t *testing.T) {
			t.Parallel()
			server := serve(t, func(r *http.Request) { <-r.Context().Done() })
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := generator(server.URL, load.Dinner()).Hit(ctx, rate, 20*time.Second)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want the context's", err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("ended after %s", took)
			}
		})
	}
}

func TestMergeAndSummary(t *testing.T) {
	t.Parallel()
	server := serve(t, func(r *http.Request) {
		if r.URL.Path == "/me" {
			time.Sleep(100 * time.Millisecond)
		}
	})
	fast, err := generator(server.URL, only(load.PlaceOrder)).Hit(t.Context(), 100, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := generator(server.URL, only(load.ShowMe)).Hit(t.Context(), 50, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	sum := load.Merge(fast, slow)
	if sum.Sent != 150 || sum.Completed != 150 || sum.Window != 2*time.Second || len(sum.Orders) != 100 || len(sum.Kinds) != 2 {
		t.Errorf("sent %d, completed %d, window %s, %d orders, %d kinds", sum.Sent, sum.Completed, sum.Window, len(sum.Orders), len(sum.Kinds))
	}
	within(t, "rate", sum.OfferedRate(), 75, 1e-9)
	within(t, "mean", sum.Latency.Mean().Seconds(), (fast.Latency.Mean().Seconds()*100+slow.Latency.Mean().Seconds()*50)/150, 1e-6)
	within(t, "concurrency", sum.Concurrency, (fast.Concurrency+slow.Concurrency)/2, 1e-6)
	if fast.Sent != 100 || fast.Kinds[load.PlaceOrder].Sent != 100 {
		t.Error("merging changed a part")
	}

	data, err := json.Marshal(sum.Summary())
	if err != nil {
		t.Fatal(err)
	}
	var back load.Summary
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	want := sum.Summary()
	want.Started, back.Started = time.Time{}, time.Time{} // JSON drops the monotonic clock
	if !reflect.DeepEqual(back, want) {
		t.Errorf("summary after JSON:\n%+v\nwant\n%+v", back, want)
	}
	if want.Host.CPUs < 1 || want.Host.IdleShare < 0 || want.Host.IdleShare > 1 || want.BytesIn == 0 || want.BytesOut == 0 {
		t.Errorf("host %+v, %d bytes in, %d out", want.Host, want.BytesIn, want.BytesOut)
	}
}

func TestLate(t *testing.T) {
	for _, test := range []struct {
		name     string
		failures map[string]int
		want     bool
	}{
		{"none failed", nil, false},
		{"timeouts", map[string]int{"timeout": 2}, true},
		{"nobody there", map[string]int{"refused": 2}, true},
		{"busy", map[string]int{"status 502": 1, "status 503": 1, "status 504": 1}, true},
		{"broken", map[string]int{"status 500": 1}, false},
		{"cut", map[string]int{"connection": 1}, false},
		{"a wrong answer among timeouts", map[string]int{"timeout": 9, "answer": 1}, false},
	} {
		r := load.Result{Sent: 10, Failures: test.failures}
		for _, n := range test.failures {
			r.Failed += n
		}
		if got := r.Late(); got != test.want {
			t.Errorf("%s: late %t, want %t", test.name, got, test.want)
		}
	}
}
