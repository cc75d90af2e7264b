package compare_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/compare"
	"bytebites.example/workshop/shared/workshop/lab"
)

// tour is a tour of two claims on a machine of two cores, after some changes.
func tour(changes ...func(*compare.Tour)) compare.Tour {
	t := compare.Tour{
		CPUs: 2, Slowness: 1, Platform: "linux/amd64", Go: "go1.26",
		Rows: []compare.Row{
			{Name: "gain", Lab: "01", Claim: "tuned", Before: compare.Amount{Value: 5, Unit: "/s"}, After: compare.Amount{Value: 50, Unit: "/s"}, Ratio: 10, Verdict: "holds here",
				Quotas: []lab.Quota{{Container: "postgres", CPU: 0.25}}},
			{Name: "loss", Lab: "02", Claim: "lost", Before: compare.Amount{Value: 40, Of: 80, Unit: "requests"}, After: compare.Amount{Value: 0, Of: 80, Unit: "requests"}, Verdict: "holds here"},
		},
	}
	for _, change := range changes {
		change(&t)
	}
	return t
}

func TestTourWarnings(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*compare.Tour)
		want   string // of the only warning; empty for none
	}{
		"nothing differs":    {func(*compare.Tour) {}, ""},
		"cores":              {func(t *compare.Tour) { t.CPUs = 8 }, "A has 2 cores, B has 8"},
		"twice as fast":      {func(t *compare.Tour) { t.Slowness = 0.5 }, "B's processor is 2.00 times as fast"},
		"speed not known":    {func(t *compare.Tour) { t.Slowness = 0 }, "B does not say how fast"},
		"platform":           {func(t *compare.Tour) { t.Platform = "darwin/arm64" }, "A is linux/amd64, B is darwin/arm64"},
		"platform not known": {func(t *compare.Tour) { t.Platform = "" }, ""},
		"quota":              {func(t *compare.Tour) { t.Rows[0].Quotas = []lab.Quota{{Container: "postgres", CPU: 0.5}} }, "postgres has 0.25 CPU in A and 0.5 in B"},
		"parts":              {func(t *compare.Tour) { t.Parts = []string{"vertical", "replicas"} }, "A played the whole story and B played only vertical, replicas"},
		"quota of a row that only B has": {func(t *compare.Tour) {
			t.Rows = append(t.Rows, compare.Row{Name: "shards", Verdict: "holds here", Quotas: []lab.Quota{{Container: "postgres", CPU: 1}}})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := compare.Tours(tour(), tour(test.change)).Warnings
			if test.want == "" && len(got) > 0 {
				t.Errorf("warnings %q, want none", got)
			} else if test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("warnings %q, want one with %q", got, test.want)
			}
		})
	}
}

func TestTours(t *testing.T) {
	over := chart.Chart{Name: "queries", X: chart.Axis{Name: "time"}, Y: chart.Axis{Name: "queries"}, Series: []chart.Series{{Name: "catalogue"}}}
	a := tour(func(t *compare.Tour) {
		t.Rows[0].Charts = []chart.Chart{over}
		t.Rows = append(t.Rows, compare.Row{Name: "cache", Lab: "03", Claim: "queries", Verdict: "holds here"})
	})
	b := tour(func(t *compare.Tour) {
		t.Rows[0].Charts = []chart.Chart{over}
		t.Rows[0].Ratio, t.Rows[0].After = 8, compare.Amount{Value: 40, Unit: "/s"}
		t.Rows[1].Before, t.Rows[1].Verdict = compare.Amount{Value: 15, Of: 60, Unit: "requests"}, "could not be told here"
		t.Rows = append([]compare.Row{{Name: "bill", Lab: "06", Claim: "the bill", Verdict: "holds here"}}, t.Rows...)
	})
	c := compare.Tours(a, b)
	if len(c.Claims) != 2 || c.Claims[0].Ratio != 0.8 || c.Claims[1].Ratio != 0 || c.Same != 1 {
		t.Errorf("claims %+v, %d the same", c.Claims, c.Same)
	}
	want := []compare.Figure{
		{Name: "01 tuned, before", Unit: "/s", A: 5, B: 5, Ratio: 1}, {Name: "01 tuned, after", Unit: "/s", A: 50, B: 40, Ratio: 0.8},
		{Name: "02 lost, before", Unit: "%", A: 50, B: 25, Ratio: 0.5}, {Name: "02 lost, after", Unit: "%"},
	}
	if !slices.EqualFunc(c.Figures, want, func(a, b compare.Figure) bool {
		return a.Name == b.Name && a.Unit == b.Unit && math.Abs(a.A-b.A)+math.Abs(a.B-b.B)+math.Abs(a.Ratio-b.Ratio) < 1e-9
	}) {
		t.Errorf("figures %+v, want %+v", c.Figures, want)
	}
	if !slices.Equal(c.OnlyA, []string{"claim 03 queries"}) || !slices.Equal(c.OnlyB, []string{"claim 06 the bill"}) {
		t.Errorf("only in A %q, only in B %q", c.OnlyA, c.OnlyB)
	}
	if len(c.Charts) != 1 || len(c.Charts[0].Series) != 2 {
		t.Errorf("charts %+v, want one with both lines", c.Charts)
	}
}

func TestToursThatCannotBeCompared(t *testing.T) {
	for name, test := range map[string]struct {
		tour compare.Tour
		want string
	}{
		"no rows":    {compare.Tour{}, "no claims"},
		"no verdict": {compare.Tour{Rows: []compare.Row{{Name: "gain"}}}, "no name or no verdict"},
		"no name":    {compare.Tour{Rows: []compare.Row{{Verdict: "holds here"}}}, "no name or no verdict"},
	} {
		if err := test.tour.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if err := tour().Validate(); err != nil {
		t.Error(err)
	}
}
