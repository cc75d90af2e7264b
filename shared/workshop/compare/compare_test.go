package compare_test

import (
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/compare"
	"bytebites.example/workshop/shared/workshop/lab"
)

// result is a result of lab 03 on a machine of two cores, after some changes.
func result(changes ...func(*lab.Result)) lab.Result {
	r := lab.Result{
		Lab: "03-cache", Verdict: lab.Pass,
		Host:     lab.Host{CPUs: 2, Slowness: 1, Platform: "linux/amd64", Go: "go1.26", Quotas: []lab.Quota{{Container: "postgres", CPU: 0.25}, {Container: "service", CPU: 0.5}}},
		Checks:   []lab.CheckResult{{Name: "stampede", Verdict: lab.Pass}, {Name: "stale", Verdict: lab.Pass}},
		Gains:    []lab.GainResult{{Name: "goodput", Unit: "answers/s", Ratio: 4, Low: 3.6, High: 4.4, Pairs: 6, Before: 100, After: 400}},
		Reported: []lab.Number{{Name: "p95", Value: 12, Unit: "ms"}},
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func TestWarnings(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*lab.Result)
		want   string // of the only warning; empty for none
	}{
		"nothing differs":     {func(*lab.Result) {}, ""},
		"a little faster":     {func(r *lab.Result) { r.Host.Slowness = 0.9 }, ""},
		"cores":               {func(r *lab.Result) { r.Host.CPUs = 8 }, "A has 2 cores, B has 8"},
		"twice as fast":       {func(r *lab.Result) { r.Host.Slowness = 0.5 }, "B's processor is 2.00 times as fast"},
		"half as fast":        {func(r *lab.Result) { r.Host.Slowness = 2 }, "B's processor is 0.50 times as fast"},
		"speed not known":     {func(r *lab.Result) { r.Host.Slowness = 0 }, "B does not say how fast"},
		"platform":            {func(r *lab.Result) { r.Host.Platform = "darwin/arm64" }, "A is linux/amd64, B is darwin/arm64"},
		"platform not known":  {func(r *lab.Result) { r.Host.Platform = "" }, ""},
		"Go":                  {func(r *lab.Result) { r.Host.Go = "go1.27" }, "A was built with go1.26, B with go1.27"},
		"quota":               {func(r *lab.Result) { r.Host.Quotas[0].CPU = 0.5 }, "postgres has 0.25 CPU in A and 0.5 in B"},
		"no quota":            {func(r *lab.Result) { r.Host.Quotas[0].CPU = 0 }, "postgres has 0.25 CPU in A and unlimited in B"},
		"two quotas":          {func(r *lab.Result) { r.Host.Quotas = append(r.Host.Quotas, lab.Quota{Container: "service", CPU: 1}) }, "service has 0.5 CPU in A and 0.5 and 1 in B"},
		"quota read twice":    {func(r *lab.Result) { r.Host.Quotas = append(r.Host.Quotas, r.Host.Quotas...) }, ""},
		"no container":        {func(r *lab.Result) { r.Host.Quotas = nil }, ""},
		"another lab":         {func(r *lab.Result) { r.Lab = "04-sharding" }, "A is of lab 03-cache and B of lab 04-sharding"},
		"a step":              {func(r *lab.Result) { r.Step = 2 }, "A ran the whole lab and B ran step 2"},
		"one check":           {func(r *lab.Result) { r.Only = "stale" }, `A ran the whole lab and B ran only "stale"`},
		"inconclusive":        {func(r *lab.Result) { r.Verdict = lab.Inconclusive }, "B is inconclusive"},
		"a machine too small": {func(r *lab.Result) { r.Verdict = lab.Environment }, "The machine of B could not run the lab"},
	} {
		t.Run(name, func(t *testing.T) {
			got := compare.Of(result(), result(test.change)).Warnings
			if test.want == "" && len(got) > 0 {
				t.Errorf("warnings %q, want none", got)
			} else if test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("warnings %q, want one with %q", got, test.want)
			}
		})
	}
}

func TestOldFiles(t *testing.T) {
	old := func(r *lab.Result) { r.Host = lab.Host{CPUs: 2} }
	got := compare.Of(result(old), result(old)).Warnings
	if len(got) != 1 || !strings.Contains(got[0], "Neither result says how fast") {
		t.Errorf("warnings %q, want one on the speed", got)
	}
}

func TestUnits(t *testing.T) {
	for _, test := range []struct {
		a, b  string
		value float64 // of B, in A's unit, when it is 12 in its own; 0 for no conversion
	}{
		{"ms", "ms", 12}, {"ms", "s", 12000}, {"s", "ms", 0.012}, {"µs", "ms", 12000}, {"", "", 12},
		{"MB/s", "kB/s", 0.012}, {"MiB", "GiB", 12288}, {"ms", "req/s", 0}, {"req/s", "req/min", 0}, {"ms", "", 0}, {"orders/s", "requests/s", 0},
	} {
		c := compare.Of(
			result(func(r *lab.Result) { r.Gains, r.Reported[0] = nil, lab.Number{Name: "n", Value: 6, Unit: test.a} }),
			result(func(r *lab.Result) { r.Gains, r.Reported[0] = nil, lab.Number{Name: "n", Value: 12, Unit: test.b} }),
		)
		switch {
		case test.value == 0:
			if len(c.Figures) != 0 || len(c.OnlyA) != 1 || len(c.OnlyB) != 1 {
				t.Errorf("%q and %q: %+v, only in A %q, only in B %q", test.a, test.b, c.Figures, c.OnlyA, c.OnlyB)
			}
		case len(c.Figures) != 1:
			t.Errorf("%q and %q: not compared", test.a, test.b)
		default:
			f := c.Figures[0]
			if f.Unit != test.a || !near(f.B, test.value) || !near(f.Ratio, test.value/6) {
				t.Errorf("%q and %q: %+v, want %v", test.a, test.b, f, test.value)
			}
		}
	}
}

func near(a, b float64) bool { return a > b*(1-1e-9) && a < b*(1+1e-9) }

func TestGains(t *testing.T) {
	with := func(ratio, low, high float64) func(*lab.Result) {
		return func(r *lab.Result) { r.Gains[0].Ratio, r.Gains[0].Low, r.Gains[0].High = ratio, low, high }
	}
	for name, test := range map[string]struct {
		b     func(*lab.Result)
		ratio float64
		apart bool
	}{
		"larger":       {with(8, 7, 9), 2, true},
		"smaller":      {with(2, 1.8, 2.2), 0.5, true},
		"overlapping":  {with(5, 4.2, 6), 1.25, false},
		"touching":     {with(5, 4.4, 6), 1.25, false},
		"inside":       {with(4, 3.9, 4.1), 1, false},
		"not measured": {func(r *lab.Result) { r.Gains[0] = lab.GainResult{Name: "goodput"} }, 0, false},
		"nothing left": {with(0, 0, 0), 0, true},
	} {
		c := compare.Of(result(), result(test.b))
		if g := c.Gains[0]; g.Ratio != test.ratio || g.Apart != test.apart {
			t.Errorf("%s: ratio %v, apart %t; want %v, %t", name, g.Ratio, g.Apart, test.ratio, test.apart)
		}
	}
}

func TestWhatDiffers(t *testing.T) {
	c := compare.Of(result(), result(func(r *lab.Result) {
		r.Checks = []lab.CheckResult{{Name: "stampede", Verdict: lab.NotYet}, {Name: "TTL", Verdict: lab.Pass}}
		r.Gains = []lab.GainResult{{Name: "latency"}}
		r.Reported = []lab.Number{{Name: "hits", Value: 1}}
	}))
	if want := (compare.Check{Name: "stampede", A: lab.Pass, B: lab.NotYet}); len(c.Changed) != 1 || c.Changed[0] != want || c.Same != 0 {
		t.Errorf("changed %v, same %d", c.Changed, c.Same)
	}
	if want := []string{"gain goodput", "figure p95", "check stale"}; !slices.Equal(c.OnlyA, want) {
		t.Errorf("only in A: %q, want %q", c.OnlyA, want)
	}
	if want := []string{"gain latency", "figure hits", "check TTL"}; !slices.Equal(c.OnlyB, want) {
		t.Errorf("only in B: %q, want %q", c.OnlyB, want)
	}
}

func TestCharts(t *testing.T) {
	ms, s := chart.Axis{Name: "latency", Unit: "ms"}, chart.Axis{Name: "latency", Unit: "s"}
	with := func(name string, y chart.Axis, series ...string) func(*lab.Result) {
		return func(r *lab.Result) {
			c := chart.Chart{Name: name, X: chart.Axis{Name: "time"}, Y: y, Marks: []chart.Mark{{Name: "knee"}}}
			for _, name := range series {
				c.Series = append(c.Series, chart.Series{Name: name})
			}
			r.Charts = append(r.Charts, c)
		}
	}
	c := compare.Of(
		result(with("latency", ms, "before", "after"), with("only in A", ms, "x"), with("other unit", ms, "x")),
		result(with("latency", ms, "after"), with("other unit", s, "x")),
	)
	if len(c.Charts) != 1 {
		t.Fatalf("%d charts, want 1", len(c.Charts))
	}
	var names []string
	for _, series := range c.Charts[0].Series {
		names = append(names, series.Name)
	}
	if want := []string{"A, before", "A, after", "B, after"}; !slices.Equal(names, want) || len(c.Charts[0].Marks) != 0 {
		t.Errorf("series %q, marks %v; want %q and no marks", names, c.Charts[0].Marks, want)
	}
	if err := c.Charts[0].Validate(); err != nil {
		t.Error(err)
	}
}
