package measure_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// script is two arms whose rounds give scripted values, and a log of their order.
type script struct {
	before, after func(n int) measure.Observation // n counts the arm's rounds from 0
	order         strings.Builder                 // B and A
	n             [2]int
}

func (s *script) arms() (before, after measure.Arm) {
	arm := func(which int, name byte, observe func(int) measure.Observation) measure.Arm {
		return func(context.Context) (measure.Observation, error) {
			s.order.WriteByte(name)
			s.n[which]++
			return observe(s.n[which] - 1), nil
		}
	}
	return arm(0, 'B', s.before), arm(1, 'A', s.after)
}

// steady gives the same value in each round, all of them valid.
func steady(value float64) func(int) measure.Observation {
	return func(int) measure.Observation { return sees(value) }
}

func sees(value float64) measure.Observation {
	return measure.Observation{Value: value, Validity: measure.Validity{OK: true}}
}

// invalidAt makes the rounds with these numbers invalid.
func invalidAt(observe func(int) measure.Observation, rounds ...int) func(int) measure.Observation {
	return func(n int) measure.Observation {
		o := observe(n)
		if slices.Contains(rounds, n) {
			o.Validity = measure.Validity{Reasons: []string{"host saturated"}}
		}
		return o
	}
}

// at replaces the value of one round.
func at(round int, value float64, observe func(int) measure.Observation) func(int) measure.Observation {
	return func(n int) measure.Observation {
		o := observe(n)
		if n == round {
			o.Value = value
		}
		return o
	}
}

// answers gives rounds of 100 requests, of which so many are answered within the window.
func answers(inTime func(round int) int) func(int) measure.Observation {
	return func(n int) measure.Observation {
		o := sees(10)
		o.Result = load.Result{Planned: 100, Sent: 100, InWindow: inTime(n), Window: time.Second}
		return o
	}
}

// A rush that was none says nothing: both variants did all that was asked.
func TestRushThatIsNone(t *testing.T) {
	all := func(n int) func(int) int { return func(int) int { return n } }
	// The warm-up is round 0, so six rounds follow.
	from := func(round, early, late int) func(int) int {
		return func(n int) int {
			if n < round {
				return early
			}
			return late
		}
	}
	for _, test := range []struct {
		name   string
		rush   bool
		inTime func(int) int
		ok     bool
	}{
		{"a rush", true, all(60), true},
		{"just a rush", true, all(80), true},
		{"never too much", true, all(81), false},
		{"too much in the warm-up only", true, from(1, 60, 95), false},
		{"too much in two of six", true, from(3, 60, 95), false},
		{"too much in half", true, from(4, 60, 95), true},
		{"no rush asked for", false, all(100), true},
	} {
		s := &script{before: answers(test.inTime), after: steady(2)}
		before, after := s.arms()
		config := measure.PairedConfig{Better: measure.LowerIsBetter, Rush: test.rush, Pause: 1}
		r, err := measure.Paired(t.Context(), config, before, after)
		if err != nil {
			t.Fatal(err)
		}
		if r.Validity.OK != test.ok || !test.ok && !strings.Contains(r.Validity.Reasons[0], "no rush") {
			t.Errorf("%s: validity %+v, want OK %t", test.name, r.Validity, test.ok)
		}
	}
}

// A variant that answers nearly all that it is sent might answer more.
func TestHeadroom(t *testing.T) {
	for _, test := range []struct {
		name   string
		inTime func(round int) int
		want   bool
	}{
		{"at its limit", func(int) int { return 89 }, false},
		{"below its limit", func(int) int { return 90 }, true},
		{"below in half of the rounds", func(n int) int { return 80 + 20*(n%2) }, false},
		{"below in the warm-up only", func(n int) int { return max(60, 100-50*n) }, false},
	} {
		s := &script{before: steady(2), after: answers(test.inTime)}
		before, after := s.arms()
		r, err := measure.Paired(t.Context(), measure.PairedConfig{Pause: 1}, before, after)
		if err != nil {
			t.Fatal(err)
		}
		if r.Headroom != test.want {
			t.Errorf("%s: headroom %t, want %t", test.name, r.Headroom, test.want)
		}
	}
}

func TestPaired(t *testing.T) {
	tests := []struct {
		name          string
		config        measure.PairedConfig
		before, after func(int) measure.Observation
		order         string
		discarded     int
		ratio         float64
		reason        string // part of the reason; empty when the result is valid
	}{
		{"six pairs after a warm-up", measure.PairedConfig{}, steady(10), steady(40),
			"BA AB BA AB BA AB BA", 0, 4, ""},
		{"nine", measure.PairedConfig{Pairs: 9}, steady(10), steady(40),
			"BA AB BA AB BA AB BA AB BA AB", 0, 4, ""},
		{"lower is better", measure.PairedConfig{Better: measure.LowerIsBetter}, steady(10), steady(40),
			"BA AB BA AB BA AB BA", 0, 0.25, ""},
		{"the warm-up does not count", measure.PairedConfig{}, at(0, 1e9, steady(10)), at(0, 1e-9, steady(40)),
			"BA AB BA AB BA AB BA", 0, 4, ""},
		{"an invalid warm-up", measure.PairedConfig{}, invalidAt(steady(10), 0), at(0, math.NaN(), steady(40)),
			"BA AB BA AB BA AB BA", 0, 4, ""},
		{"one pair again", measure.PairedConfig{}, invalidAt(at(2, 1e9, steady(10)), 2), steady(40),
			"BA AB BA AB BA AB BA AB", 1, 4, ""},
		{"both rounds of a pair invalid", measure.PairedConfig{}, invalidAt(steady(10), 2), invalidAt(steady(40), 2),
			"BA AB BA AB BA AB BA AB", 1, 4, ""},
		{"three pairs again, one of them twice", measure.PairedConfig{}, invalidAt(steady(10), 2, 7), invalidAt(steady(40), 3),
			"BA AB BA AB BA AB BA AB BA AB", 3, 4, ""},
		{"four pairs", measure.PairedConfig{}, invalidAt(steady(10), 1, 2), invalidAt(steady(40), 3, 4),
			"BA AB BA AB BA", 4, 0, "pair 3, after: host saturated"},
		{"an invalid round without a value", measure.PairedConfig{}, invalidAt(at(3, math.NaN(), steady(10)), 3), steady(40),
			"BA AB BA AB BA AB BA AB", 1, 4, ""},
		{"an invalid round without a reason", measure.PairedConfig{}, steady(10), func(n int) measure.Observation {
			return measure.Observation{Value: 40, Validity: measure.Validity{OK: n != 2}}
		}, "BA AB BA AB BA AB BA AB", 1, 4, ""},
		// A pair is never repeated for its result.
		{"a pair far off", measure.PairedConfig{}, at(2, 1e9, steady(10)), steady(40),
			"BA AB BA AB BA AB BA", 0, 4, ""},
		{"after gives nothing", measure.PairedConfig{}, steady(10), steady(0),
			"BA AB BA AB BA AB BA", 0, 0, ""},
		{"after gives nothing every other time", measure.PairedConfig{}, steady(10),
			func(n int) measure.Observation { return sees(float64(n%2) * 40) },
			"BA AB BA AB BA AB BA", 0, 0, ""},
		{"before gives nothing", measure.PairedConfig{}, at(2, 0, steady(10)), steady(40),
			"BA AB BA", 0, 0, "pair 2: no ratio of 0 before and 40 after"},
		{"no latency after", measure.PairedConfig{Better: measure.LowerIsBetter}, steady(10), steady(0),
			"BA AB", 0, 0, "no ratio of 10 before and 0 after"},
		{"no latency before", measure.PairedConfig{Better: measure.LowerIsBetter}, steady(0), steady(1),
			"BA AB", 0, 0, "no ratio"},
		{"not a number", measure.PairedConfig{}, steady(10), at(4, math.NaN(), steady(40)),
			"BA AB BA AB BA", 0, 0, "pair 4: no ratio of 10 before and NaN after"},
		{"infinite", measure.PairedConfig{}, steady(10), steady(math.Inf(1)), "BA AB", 0, 0, "no ratio"},
		{"negative", measure.PairedConfig{}, steady(-10), steady(40), "BA AB", 0, 0, "no ratio"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &script{before: test.before, after: test.after}
			var told []measure.Pair
			test.config.Pause = time.Nanosecond
			test.config.OnPair = func(p measure.Pair) { told = append(told, p) }
			before, after := s.arms()
			r, err := measure.Paired(t.Context(), test.config, before, after)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(test.order, " ", ""); s.order.String() != want {
				t.Errorf("order %s, want %s", s.order.String(), want)
			}
			if r.Discarded != test.discarded {
				t.Errorf("%d pairs discarded, want %d", r.Discarded, test.discarded)
			}
			checkValidity(t, r.Validity, test.reason)
			if test.reason == "" {
				checkInterval(t, r, test.config.Pairs, test.ratio)
			} else if r.Low != 0 || r.High != 0 || r.Confidence != 0 {
				t.Errorf("interval %v to %v (%v) of too few pairs", r.Low, r.High, r.Confidence)
			}
			if len(told) != len(r.Pairs) || !told[0].WarmUp {
				t.Errorf("told %d pairs, the first %+v; %d ran", len(told), told[0], len(r.Pairs))
			}
			for i, p := range r.Pairs {
				if p.WarmUp != (i == 0) || p.Discarded && (p.WarmUp || p.Validity.OK) {
					t.Errorf("pair %d is %+v", i, p)
				}
			}
			if _, err := json.Marshal(r); err != nil {
				t.Errorf("as JSON: %v", err)
			}
		})
	}
}

func checkValidity(t *testing.T, v measure.Validity, reason string) {
	t.Helper()
	if v.OK != (reason == "") || !strings.Contains(strings.Join(v.Reasons, "\n"), reason) {
		t.Errorf("validity %+v, want a reason like %q", v, reason)
	}
}

// checkInterval requires a ratio, and around it the interval of that number of pairs.
func checkInterval(t *testing.T, r measure.PairedResult, pairs int, ratio float64) {
	t.Helper()
	confidence := 62.0 / 64
	if pairs == 9 {
		confidence = 492.0 / 512
	}
	if math.Abs(r.Ratio-ratio) > 1e-9 || r.Low > r.Ratio || r.High < r.Ratio || math.Abs(r.Confidence-confidence) > 1e-9 {
		t.Errorf("ratio %v, %v to %v (%v), want %v (%v)", r.Ratio, r.Low, r.High, r.Confidence, ratio, confidence)
	}
}

// The interval comes from the pairs' ratios: with six pairs the lowest and the highest, with
// nine the second lowest and the second highest.
func TestIntervalIsOfOrderStatistics(t *testing.T) {
	ratios := []float64{5, 3, 8, 2, 9, 4, 7, 1, 6}
	tests := []struct {
		pairs            int
		low, ratio, high float64
	}{
		{6, 2, math.Sqrt(4 * 5), 9},
		{9, 2, 5, 8},
	}
	for _, test := range tests {
		drift := func(n int) float64 { return math.Pow(1.3, float64(n)) }
		s := &script{
			before: func(n int) measure.Observation { return sees(10 * drift(n)) },
			after: func(n int) measure.Observation {
				if n == 0 {
					return sees(1)
				}
				return sees(10 * drift(n) * ratios[n-1])
			},
		}
		before, after := s.arms()
		r, err := measure.Paired(t.Context(), measure.PairedConfig{Pairs: test.pairs, Pause: 1}, before, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range [][2]float64{{r.Low, test.low}, {r.Ratio, test.ratio}, {r.High, test.high}} {
			if math.Abs(v[0]-v[1]) > 1e-9 {
				t.Errorf("%d pairs: %v, %v to %v, want %v, %v to %v", test.pairs, r.Ratio, r.Low, r.High, test.ratio, test.low, test.high)
				break
			}
		}
		if want := 10 * drift(test.pairs/2+1); test.pairs == 9 && math.Abs(r.Before-want) > 1e-9 {
			t.Errorf("before %v, want the median %v", r.Before, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	bad := measure.Validity{Reasons: []string{"host saturated", "late"}}
	for want, pair := range map[string]measure.Pair{
		"   12.5 and 50.0 orders/s":                                    {Before: 12.5, After: 50, Validity: measure.Validity{OK: true}},
		"   12.5 and 50.0 orders/s, to warm up":                        {Before: 12.5, After: 50, WarmUp: true, Validity: bad},
		"   12.5 and 50.0 orders/s, thrown away: host saturated; late": {Before: 12.5, After: 50, Discarded: true, Validity: bad},
	} {
		if got := pair.Describe(1, "orders/s"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPairedErrors(t *testing.T) {
	broken := errors.New("broken")
	fine := func(context.Context) (measure.Observation, error) { return sees(1), nil }
	fail := func(context.Context) (measure.Observation, error) { return measure.Observation{}, broken }
	hit := measure.Hit(func(context.Context, float64, time.Duration) (load.Result, error) { return load.Result{}, broken })
	unread := measure.Hit((&simulated{capacity: 100}).hit).Arm(measure.RoundConfig{
		Rate: 10, Metric: measure.Goodput, Quotas: func(context.Context) ([]string, error) { return nil, broken },
	})
	tests := []struct {
		name          string
		config        measure.PairedConfig
		before, after measure.Arm
		want          string
	}{
		{"too few pairs", measure.PairedConfig{Pairs: 5}, fine, fine, "5 pairs"},
		{"no pairs", measure.PairedConfig{Pairs: -1}, fine, fine, "-1 pairs"},
		{"neither is better", measure.PairedConfig{Better: 7}, fine, fine, "better"},
		{"no arm", measure.PairedConfig{}, fine, nil, "two arms"},
		{"before fails", measure.PairedConfig{}, fail, fine, "pair 0: before: broken"},
		{"after fails", measure.PairedConfig{}, fine, fail, "pair 0: after: broken"},
		{"hit fails", measure.PairedConfig{}, hit.Arm(measure.RoundConfig{Rate: 10, Metric: measure.Goodput}), fine, "round at 10.0/s: broken"},
		{"quotas fail", measure.PairedConfig{}, unread, fine, "quotas back: broken"},
		{"no rate", measure.PairedConfig{}, hit.Arm(measure.RoundConfig{Metric: measure.Goodput}), fine, "rate 0"},
		{"no metric", measure.PairedConfig{}, hit.Arm(measure.RoundConfig{Rate: 10}), fine, "metric"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := measure.Paired(t.Context(), test.config, test.before, test.after); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestPairedStopsWithItsContext(t *testing.T) {
	for _, during := range []string{"a pause", "a pair's report"} {
		t.Run(during, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := &script{before: steady(1), after: steady(2)}
			config := measure.PairedConfig{Pause: time.Nanosecond, OnPair: func(measure.Pair) { cancel() }}
			if during == "a pause" {
				config.Pause = time.Hour
				config.OnPair = nil
				time.AfterFunc(10*time.Millisecond, cancel)
			}
			before, after := s.arms()
			if _, err := measure.Paired(ctx, config, before, after); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want the context's", err)
			}
			if n := s.n[0] + s.n[1]; n > 2 {
				t.Errorf("%d rounds ran", n)
			}
		})
	}
}

func TestArmRunsARound(t *testing.T) {
	s := &simulated{capacity: 100}
	var told []load.Result
	config := measure.RoundConfig{
		Rate: 150, Metric: measure.Goodput,
		Quotas:   func(context.Context) ([]string, error) { return []string{"service: none"}, nil },
		OnResult: func(r load.Result) { told = append(told, r) },
	}
	o, err := measure.Hit(s.hit).Arm(config)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.Value != 100 || o.Result.Planned != 450 || o.Result.Window != 3*time.Second || len(told) != 1 {
		t.Errorf("value %v, %d planned in %s, told %d; want 100, 450 in 3s, 1", o.Value, o.Result.Planned, o.Result.Window, len(told))
	}
	checkValidity(t, o.Validity, "quota not in force: service: none")

	config.Quotas, config.Metric, config.Length = nil, measure.MeanLatency, time.Second
	if o, err = measure.Hit(s.hit).Arm(config)(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 100 requests of 10 ms and 50 timeouts of 2 s.
	if math.Abs(o.Value-(100*0.010+50*2)/150) > 1e-9 || !o.Validity.OK {
		t.Errorf("mean %v, validity %+v", o.Value, o.Validity)
	}
	// The simulation counts no concurrency, so Little's law does not hold.
	config.BelowKnee = true
	s.change = func(_ int, r *load.Result) { r.Ended, r.EndedLatency = 200, 10*time.Millisecond }
	if o, err = measure.Hit(s.hit).Arm(config)(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkValidity(t, o.Validity, "Little's law")
}

// verdict is the verdict of a lab with a floor on a comparison.
func verdict(t *testing.T, r measure.PairedResult, floor float64) lab.Verdict {
	t.Helper()
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Gains: []lab.Gain{{
		Name: "gain", Floor: floor,
		Measure: func(context.Context, *lab.Run) (lab.Measured, error) {
			if !r.Validity.OK {
				return lab.Measured{}, &lab.Doubt{Reason: strings.Join(r.Validity.Reasons, "; ")}
			}
			return lab.Measured{
				Before: r.Before, After: r.After, Ratio: r.Ratio, Low: r.Low, High: r.High, Pairs: len(r.Pairs) - 1 - r.Discarded,
			}, nil
		},
	}}}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	return result.Verdict
}

// An inconclusive comparison is never a pass, also with a large gain.
func TestFaultyMachineIsInconclusive(t *testing.T) {
	type change = func(n int, r *load.Result)
	from := func(first int, c change) change {
		return func(n int, r *load.Result) {
			if n >= first {
				c(n, r)
			}
		}
	}
	until := func(last int, c change) change {
		return func(n int, r *load.Result) {
			if n > 1 && n <= last { // the first is the warm-up
				c(n, r)
			}
		}
	}
	late := func(_ int, r *load.Result) { fill(r.Lateness, r.Sent/20, 50*time.Millisecond) }
	behind := func(_ int, r *load.Result) { r.Sent = r.Planned * 97 / 100 }
	busy := func(_ int, r *load.Result) { r.Host.IdleShare = 0 }
	quota := func(context.Context) ([]string, error) { return []string{"postgres: 2 CPU, want 0.1"}, nil }
	tests := []struct {
		name   string
		change change
		quotas func(context.Context) ([]string, error)
		want   lab.Verdict
		reason string
	}{
		{"no fault", nil, nil, lab.Pass, ""},
		{"slow generator", late, nil, lab.Inconclusive, "load generator late"},
		{"generator that does not send all", behind, nil, lab.Inconclusive, "load generator fell behind"},
		{"saturated host", busy, nil, lab.Inconclusive, "host saturated: 0.00 cores idle"},
		{"saturated from the middle on", from(4, busy), nil, lab.Inconclusive, "host saturated"},
		{"quota missing", nil, quota, lab.Inconclusive, "quota not in force: postgres: 2 CPU"},
		{"saturated for three pairs", until(4, busy), nil, lab.Pass, ""},
		{"saturated for four pairs", until(5, busy), nil, lab.Inconclusive, "4 pairs had an invalid round, limit 3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, after := &simulated{capacity: 50}, &simulated{capacity: 500, change: test.change}
			arm := func(s *simulated, quotas func(context.Context) ([]string, error)) measure.Arm {
				return measure.Hit(s.hit).Arm(measure.RoundConfig{Rate: 600, Length: time.Second, Quotas: quotas, Metric: measure.Goodput})
			}
			r, err := measure.Paired(t.Context(), measure.PairedConfig{Pause: 1}, arm(before, nil), arm(after, test.quotas))
			if err != nil {
				t.Fatal(err)
			}
			checkValidity(t, r.Validity, test.reason)
			if got := verdict(t, r, 4); got != test.want {
				t.Errorf("verdict %q of %+v, want %q", got, r, test.want)
			}
		})
	}
}

func TestVerdictOfAPairedGain(t *testing.T) {
	tests := []struct {
		before, after float64
		want          lab.Verdict
	}{
		{10, 40, lab.Pass}, {10, 11, lab.NotYet}, {10, 0, lab.NotYet}, {0, 10, lab.Inconclusive}, {0, 0, lab.Inconclusive},
	}
	for _, test := range tests {
		s := &script{before: steady(test.before), after: steady(test.after)}
		before, after := s.arms()
		r, err := measure.Paired(t.Context(), measure.PairedConfig{Pause: 1}, before, after)
		if err != nil {
			t.Fatal(err)
		}
		if got := verdict(t, r, 1.2); got != test.want {
			t.Errorf("%v before and %v after: %q, want %q", test.before, test.after, got, test.want)
		}
	}
}
