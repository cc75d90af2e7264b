package claims

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/measure/chart"
)

// Story is the result of a tour.
type Story struct {
	Rows    []Row   `json:"rows"`
	CPUs    int     `json:"cpus"`
	Seconds float64 `json:"seconds"` // that the tour took
	// Slowness is how many times longer CPU work takes on this machine than on the reference machine
	// of hostspeed.
	Slowness float64   `json:"slowness"`
	Began    time.Time `json:"began"`
	// Platform is the operating system and the processor, such as "linux/amd64", and Go the version of Go.
	// Files of older tours lack both.
	Platform string `json:"platform,omitempty"`
	Go       string `json:"go,omitempty"`
	// Parts are the parts that were played, if not all; see tour --only.
	Parts []string `json:"parts,omitempty"`
}

// Add adds rows, and sorts all by lab. A row whose numbers contradict each other could not be told.
func (s *Story) Add(rows ...Row) {
	for _, row := range rows {
		if found := contradictions(row); len(found) > 0 {
			row = row.untold(found...)
		}
		s.Rows = append(s.Rows, row)
	}
	slices.SortStableFunc(s.Rows, func(a, b Row) int { return strings.Compare(a.Lab, b.Lab) })
	s.compare()
}

const (
	// countsTolerance is the largest quotient of a goodput and its rate. It is more than 1, because a
	// load has a whole number of requests.
	countsTolerance = 1.05
	// limitTolerance is the largest quotient of a goodput and the limit of the same servers. The limit
	// of a server on a shared machine varies by a third from moment to moment.
	limitTolerance = 1.4
)

// contradictions returns what in a row cannot be true together.
func contradictions(r Row) (found []string) {
	say := func(format string, args ...any) {
		found = append(found, "contradiction: "+fmt.Sprintf(format, args...))
	}
	for _, l := range r.Loads {
		if l.Goodput > countsTolerance*l.Rate {
			say("%s: %s/s answered of %s/s asked", l.Name, number(l.Goodput), number(l.Rate))
		}
		if l.Failed > l.Sent || l.TimedOut > l.Failed {
			say("%s: %d of %d failed, %d by a timeout", l.Name, l.Failed, l.Sent, l.TimedOut)
		}
		if l.P50MS > l.P95MS || l.P95MS > l.P99MS {
			say("%s: percentiles of %s, %s and %s ms", l.Name, number(l.P50MS), number(l.P95MS), number(l.P99MS))
		}
		for _, limit := range r.Limits {
			if limit.On == l.On && limit.Saturated && l.Goodput > limitTolerance*limit.Goodput {
				say("%s answered %s/s, and its limit was %s/s", l.On, number(l.Goodput), number(limit.Goodput))
			}
		}
	}
	return found
}

// compare looks for figures of two rows that contradict each other.
func (s *Story) compare() {
	gain, alone := s.row("gain"), s.row("ceiling")
	if gain != nil && alone != nil && gain.Verdict != Untold && alone.After.Value > gain.After.Value {
		reason := fmt.Sprintf("contradiction: untuned, the larger machine answered %s, and tuned only %s", alone.After, gain.After)
		*gain, *alone = gain.untold(reason), alone.untold(reason)
	}
	order, broker := s.row("order"), s.row("broker")
	if order != nil && broker != nil && broker.Verdict == Holds && order.Verdict == Holds && broker.Before.Value == 0 {
		*broker = broker.untold("contradiction: orders were quick, and none was accepted")
	}
}

func (s *Story) row(name string) *Row {
	for i := range s.Rows {
		if s.Rows[i].Name == name {
			return &s.Rows[i]
		}
	}
	return nil
}

// WriteFile writes the story as JSON.
func (s *Story) WriteFile(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write tour: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write tour: %w", err)
	}
	return nil
}

// Charts returns all charts of the story, in the order of its rows.
func (s *Story) Charts() []chart.Chart {
	var all []chart.Chart
	for _, row := range s.Rows {
		all = append(all, row.AllCharts()...)
	}
	return all
}

// AllCharts returns the charts of a row: the latencies before and after, how its limits were found, and
// Charts.
func (r Row) AllCharts() []chart.Chart {
	var all []chart.Chart
	if c, ok := r.percentiles(); ok {
		all = append(all, c)
	}
	for _, limit := range r.Limits {
		if c, ok := limit.curve(); ok {
			all = append(all, c)
		}
	}
	return append(all, r.Charts...)
}

// percentiles returns the chart of a row's latencies.
func (r Row) percentiles() (chart.Chart, bool) {
	if r.Before.Unit != "ms" || len(r.Loads) < 2 {
		return chart.Chart{}, false
	}
	c := chart.Chart{
		Name: "lab " + r.Lab + ": " + r.Claim, Says: fmt.Sprintf("The mean is %s before and %s after.", r.Before, r.After),
		X: chart.Axis{Name: "percentile of the requests", Unit: "%", Scale: chart.Nines},
		Y: chart.Axis{Name: "latency", Unit: "ms", Scale: chart.Log},
	}
	for _, l := range r.Loads[:2] {
		series := chart.Series{Name: l.Name}
		for _, p := range l.Percentiles {
			if p.Y > 0 { // a logarithm needs it
				series.Points = append(series.Points, p)
			}
		}
		c.Series = append(c.Series, series)
	}
	return c, true
}

// curve returns the chart of a limit that was found by several levels.
func (l Limit) curve() (chart.Chart, bool) {
	if len(l.Levels) < 2 {
		return chart.Chart{}, false
	}
	asked, answered := chart.Series{Name: "asked"}, chart.Series{Name: "answered right"}
	for _, level := range slices.SortedFunc(slices.Values(l.Levels), func(a, b Load) int { return cmp.Compare(a.Rate, b.Rate) }) {
		asked.Points = append(asked.Points, chart.Point{X: level.Rate, Y: level.Rate})
		answered.Points = append(answered.Points, chart.Point{X: level.Rate, Y: level.Goodput})
	}
	return chart.Chart{
		Name: "the limit of " + l.On, Says: fmt.Sprintf("At most %s requests a second are answered.", number(l.Goodput)),
		X: chart.Axis{Name: "requests asked", Unit: "/s"}, Y: chart.Axis{Name: "requests answered", Unit: "/s"},
		Series: []chart.Series{asked, answered},
	}, true
}
