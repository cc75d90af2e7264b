package measure_test

import (
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
)

// sound is the result of a valid round: 300 requests in 3 s, each 20 ms.
func sound() load.Result {
	r := load.Result{
		Window: 3 * time.Second, Planned: 300, Sent: 300, Completed: 300, InWindow: 298, Ended: 298,
		EndedLatency: 20 * time.Millisecond, Concurrency: 2,
		Latency: load.NewHistogram(), Lateness: load.NewHistogram(),
		Host: load.Host{CPUs: 2, IdleShare: 0.25},
	}
	fill(r.Latency, 300, 20*time.Millisecond)
	fill(r.Lateness, 300, 200*time.Microsecond)
	return r
}

func fill(h *load.Histogram, n int, d time.Duration) {
	for range n {
		h.Record(d)
	}
}

// A busy host and a late generator make a service look slower, and nothing else.
func TestBeyondSlowness(t *testing.T) {
	r := measure.Round{Result: sound(), QuotaProblems: []string{"service: 2 CPU, want 0.25"}}
	r.Result.Host.IdleShare, r.Result.Sent = 0, 200
	fill(r.Result.Lateness, 30, time.Second)
	v := r.Check()
	if len(v.Reasons) != 4 {
		t.Fatalf("reasons %q, want 4", v.Reasons)
	}
	beyond := v.BeyondSlowness()
	if len(beyond) != 2 || !strings.Contains(beyond[0], "sent 200 of 300") || !strings.Contains(beyond[1], "quota not in force") {
		t.Errorf("beyond slowness %q, want the count and the quota", beyond)
	}
	if len(v.Reasons) != 4 {
		t.Errorf("the reasons themselves are now %q", v.Reasons)
	}
}

func TestCheck(t *testing.T) {
	late := func(n int, d, latency time.Duration) func(*measure.Round) {
		return func(r *measure.Round) {
			r.Result.Latency, r.Result.Lateness = load.NewHistogram(), load.NewHistogram()
			fill(r.Result.Latency, 300, latency)
			fill(r.Result.Lateness, 300-n, 0)
			fill(r.Result.Lateness, n, d)
		}
	}
	tests := []struct {
		name   string
		change func(*measure.Round)
		want   string // part of the one reason; empty for none
	}{
		{"sound", func(*measure.Round) {}, ""},
		{"late by less than 2 ms", late(30, 1900*time.Microsecond, 5*time.Millisecond), ""},
		{"late by more than 2 ms", late(30, 2100*time.Microsecond, 5*time.Millisecond), "lateness 2.1ms, limit 2ms"},
		{"late by less than a tenth", late(30, 9*time.Millisecond, 100*time.Millisecond), ""},
		{"late by more than a tenth", late(30, 11*time.Millisecond, 100*time.Millisecond), "load generator late"},
		{"late with less than 1 %", late(2, time.Second, 20*time.Millisecond), ""},
		{"98 % sent", func(r *measure.Round) { r.Result.Sent = 294 }, ""},
		{"less than 98 % sent", func(r *measure.Round) { r.Result.Sent = 293 }, "sent 293 of 300"},
		{"nothing planned", func(r *measure.Round) { r.Result.Sent, r.Result.Planned = 0, 0 }, "sent 0 of 0"},
		{"no idle time", func(r *measure.Round) { r.Result.Host.IdleShare = 0.04 }, "0.08 cores idle"},
		{"idle time unknown", func(r *measure.Round) { r.Result.Host = load.Host{} }, "0.00 cores idle"},
		{"idle enough", func(r *measure.Round) { r.Result.Host.IdleShare = 0.06 }, ""},
		{"quota", func(r *measure.Round) { r.QuotaProblems = []string{"service: 2 CPU, want 0.25"} }, "quota not in force: service: 2 CPU"},
		{"Little off above the knee", func(r *measure.Round) { r.Result.Concurrency = 4 }, ""},
		{"Little off below the knee", func(r *measure.Round) { r.Result.Concurrency, r.BelowKnee = 4, true }, "Little's law off by 101 %"},
		{"Little right below the knee", func(r *measure.Round) { r.BelowKnee = true }, ""},
		{"Little off by less than a tenth", func(r *measure.Round) { r.Result.Concurrency, r.BelowKnee = 2.15, true }, ""},
		{"Little of too few", func(r *measure.Round) { r.Result.Concurrency, r.Result.Ended, r.BelowKnee = 4, 199, true }, ""},
		// A round is never invalid because of the service's results.
		{"everything failed", func(r *measure.Round) { r.Result.Failed, r.Result.Completed, r.Result.InWindow = 300, 0, 0 }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			round := measure.Round{Result: sound()}
			test.change(&round)
			v := round.Check()
			switch {
			case v.OK != (len(v.Reasons) == 0):
				t.Errorf("OK is %v with reasons %q", v.OK, v.Reasons)
			case test.want == "" && !v.OK:
				t.Errorf("reasons %q, want none", v.Reasons)
			case test.want != "" && (len(v.Reasons) != 1 || !strings.Contains(v.Reasons[0], test.want)):
				t.Errorf("reasons %q, want one that says %q", v.Reasons, test.want)
			}
		})
	}
}

func TestValidityAnd(t *testing.T) {
	good, bad := measure.Validity{OK: true}, measure.Validity{Reasons: []string{"a"}}
	if v := good.And(good); !v.OK {
		t.Errorf("%+v, want OK", v)
	}
	if v := good.And(bad).And(bad); v.OK || len(v.Reasons) != 2 {
		t.Errorf("%+v, want two reasons", v)
	}
}
