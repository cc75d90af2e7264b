// Package claims holds the claims of ByteBites' story beside the figures of a tour, and judges them. It
// starts no servers: every function takes recorded numbers.
package claims

import (
	"fmt"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Verdict says whether a claim holds on this machine.
type Verdict string

// The verdicts. Untold says nothing about the claim: the load, the host or the margin was not good
// enough to tell.
const (
	Holds  Verdict = "holds here"
	Fails  Verdict = "does not hold here"
	Untold Verdict = "could not be told here"
)

// evidence is what speaks for a claim and against it.
type evidence struct {
	holds, fails bool // fails is a clear no; a figure near the bound is neither
	// doubts are reasons why the figures prove nothing. Those of doubtsOfYes also forbid a yes. They are
	// fewer: a busy host makes a server look slower, so a figure that is good enough in spite of it is
	// good enough.
	doubts, doubtsOfYes []string
	near                string // the reason when the figures are near the bound
}

// verdict returns the verdict, and its reasons unless the claim was told.
func (e evidence) verdict() (Verdict, []string) {
	switch {
	case e.holds && len(e.doubtsOfYes) == 0:
		return Holds, nil
	case len(e.doubts) > 0:
		return Untold, e.doubts
	case len(e.doubtsOfYes) > 0:
		return Untold, e.doubtsOfYes
	case e.fails:
		return Fails, nil
	default:
		return Untold, []string{e.near}
	}
}

// Figure is a measured number with its unit. The zero Figure is no number.
type Figure struct {
	Value float64 `json:"value"`
	// Of is the whole that Value is a part of, such as all requests; 0 for none.
	Of   float64 `json:"of,omitempty"`
	Unit string  `json:"unit"`
}

// String returns the figure as the table shows it. A rate has the unit /s.
func (f Figure) String() string {
	switch {
	case f.Unit == "":
		return "-"
	case f.Of > 0:
		return number(f.Value) + " of " + number(f.Of)
	case strings.HasPrefix(f.Unit, "/"):
		return number(f.Value) + f.Unit
	}
	return number(f.Value) + " " + f.Unit
}

// number writes three digits or all of a larger number, with commas.
func number(v float64) string {
	if v != 0 && v < 10 && v != float64(int(v)) {
		return fmt.Sprintf("%.1f", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Row is one claim of the story.
type Row struct {
	Name  string `json:"name"`  // one word, unique in a story
	Lab   string `json:"lab"`   // number of the lab whose fix it is about, such as "02"
	Claim string `json:"claim"` // a few words, see ClaimWidth
	Story string `json:"story"` // the story's figure
	Under string `json:"under"` // the load under which the bottleneck rules
	// Before and After are the measured figures. Ratio is the factor between them: above 1 for a
	// change to the better, and 0 without a ratio. Change is its text in the table.
	Before  Figure  `json:"before"`
	After   Figure  `json:"after"`
	Ratio   float64 `json:"ratio,omitempty"`
	Change  string  `json:"change,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Reasons say why the claim could not be told.
	Reasons []string      `json:"reasons,omitempty"`
	Details []string      `json:"details,omitempty"` // a sentence each
	Loads   []Load        `json:"loads,omitempty"`
	Limits  []Limit       `json:"limits,omitempty"`
	Counts  []Count       `json:"counts,omitempty"`
	Quotas  []lab.Quota   `json:"quotas,omitempty"`
	Charts  []chart.Chart `json:"charts,omitempty"`
}

// Count is a number that a row rests on beside its loads.
type Count struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Load is one measured load.
type Load struct {
	Name    string  `json:"name"` // unique in its row
	On      string  `json:"on"`   // the servers that it was sent to
	Mix     string  `json:"mix"`
	Rate    float64 `json:"rate"` // asked, in requests a second
	Seconds float64 `json:"seconds"`
	Sent    int     `json:"sent"`
	Failed  int     `json:"failed"`
	// TimedOut counts the failed requests that had no answer within the client's 2 s.
	TimedOut int     `json:"timed_out"`
	Goodput  float64 `json:"goodput"` // right answers a second, within the load's time
	MeanMS   float64 `json:"mean_ms"` // of all requests, failed ones included
	P50MS    float64 `json:"p50_ms"`
	P95MS    float64 `json:"p95_ms"`
	P99MS    float64 `json:"p99_ms"`
	// Overloaded says that at least a fifth of the requests had no right answer at the load's end.
	Overloaded bool `json:"overloaded"`
	// Doubts are reasons why the load proves nothing. Unsound are those of them that may make the
	// servers look quicker than they are, see measure.Validity.BeyondSlowness.
	Doubts  []string `json:"doubts,omitempty"`
	Unsound []string `json:"unsound,omitempty"`
	// Percentiles are the latencies of a chart, in milliseconds, by percentile.
	Percentiles []chart.Point `json:"percentiles,omitempty"`
}

// overloadedBelow is the share of its requests that a load must get answered to be no overload.
const overloadedBelow = 0.8

// NewLoad returns a load from what a round has seen.
func NewLoad(name, on string, seen measure.Observation) Load {
	r := seen.Result
	ms := func(q float64) float64 { return 1000 * r.Latency.Quantile(q).Seconds() }
	l := Load{
		Name: name, On: on, Mix: r.Mix, Rate: r.OfferedRate(), Seconds: r.Window.Seconds(),
		Sent: r.Sent, Failed: r.Failed, TimedOut: r.Failures[load.CauseTimeout], Goodput: r.Goodput(),
		MeanMS: 1000 * r.Latency.Mean().Seconds(), P50MS: ms(0.5), P95MS: ms(0.95), P99MS: ms(0.99),
		Overloaded: float64(r.InWindow) < overloadedBelow*float64(r.Planned),
		Doubts:     named(name, seen.Validity.Reasons), Unsound: named(name, seen.Validity.BeyondSlowness()),
	}
	for _, percent := range []float64{0, 10, 25, 50, 75, 90, 95, 99, 99.9} {
		l.Percentiles = append(l.Percentiles, chart.Point{X: percent, Y: ms(percent / 100)})
	}
	return l
}

// named returns doubts that begin with the name of their load.
func named(name string, doubts []string) []string {
	all := make([]string, len(doubts))
	for i, doubt := range doubts {
		all[i] = name + ": " + doubt
	}
	return all
}

// FailedShare returns the share of the requests that failed, in [0, 1].
func (l Load) FailedShare() float64 { return float64(l.Failed) / float64(max(l.Sent, 1)) }

// String returns the rate, the mix and the length.
func (l Load) String() string {
	return fmt.Sprintf("%s/s of %s for %s s", number(l.Rate), l.Mix, number(l.Seconds))
}

// Limit is the most that servers answered under overload.
type Limit struct {
	On      string  `json:"on"`
	Goodput float64 `json:"goodput"` // right answers a second
	// Saturated says that there was overload. Else Goodput is a lower bound of the limit.
	Saturated bool     `json:"saturated"`
	Levels    []Load   `json:"levels,omitempty"`
	Doubts    []string `json:"doubts,omitempty"`
	Unsound   []string `json:"unsound,omitempty"` // see Load
}

// OfRamp returns the limit that a ramp has found.
func OfRamp(on string, ramp measure.RampResult) Limit {
	l := Limit{On: on, Goodput: ramp.Goodput, Saturated: ramp.Saturated}
	for _, level := range ramp.Levels {
		if !level.Discarded {
			l.Levels = append(l.Levels, NewLoad(fmt.Sprintf("%s/s", number(level.Rate)), on, measure.Observation{Result: level.Result, Validity: level.Validity}))
		}
	}
	l.Unsound = named("the limit of "+on, ramp.Validity.BeyondSlowness())
	if !ramp.Saturated {
		l.Doubts = named("the limit of "+on, ramp.Validity.Reasons)
	}
	return l
}

// With returns the limit with one more load as a level. A level that is answered better raises the limit.
func (l Limit) With(level Load) Limit {
	l.Goodput = max(l.Goodput, level.Goodput)
	l.Levels = append(slices.Clone(l.Levels), level)
	return l
}

// OfBursts returns the limit that bursts have found.
func OfBursts(on string, found measure.BurstResult) Limit {
	what := "the limit of " + on
	return Limit{
		On: on, Goodput: found.Goodput, Saturated: found.Saturated,
		Doubts: named(what, found.Validity.Reasons), Unsound: named(what, found.Validity.BeyondSlowness()),
	}
}

// unsaturated returns the doubt about a limit that was not reached. If the levels have doubts of their
// own, those are the reason.
func (l Limit) unsaturated() []string {
	if l.Saturated || len(l.Doubts) > 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s answered all of %s/s, so its limit is not known", l.On, number(l.Goodput))}
}

// notOverloaded returns the doubt about a load that was meant to be too much.
func (l Load) notOverloaded() []string {
	if l.Overloaded {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s/s was no overload, because %s/s were answered", l.Name, number(l.Rate), number(l.Goodput))}
}

// times and share write a ratio for the table.
func times(ratio float64) string { return number(ratio) + "x" }

func share(before, after float64) string {
	return fmt.Sprintf("%+.0f %%", 100*(after/before-1))
}

// ratio returns a over b, or 0 when one of them is not positive.
func ratio(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return a / b
}

func milliseconds(v float64) Figure { return Figure{Value: v, Unit: "ms"} }
func perSecond(v float64) Figure    { return Figure{Value: v, Unit: "/s"} }
