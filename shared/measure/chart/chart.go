// Package chart holds the data of charts: the series that a run measured and the moments to mark in
// them. Runs fill charts, and reports draw them. A chart is data only, so that a result file can keep
// it and two runs can be compared.
package chart

import (
	"fmt"
	"math"
)

// Scale says how an axis is drawn.
type Scale string

// The scales. Log needs values above 0. Nines spreads the percentiles near 100: 90, 99 and 99.9 are
// equally far apart, as HDR plots show them.
const (
	Linear Scale = "linear"
	Log    Scale = "log"
	Nines  Scale = "nines"
)

// Axis is a quantity with its unit.
type Axis struct {
	Name  string `json:"name"`           // such as "latency"
	Unit  string `json:"unit,omitempty"` // such as "ms"; empty for a count
	Scale Scale  `json:"scale,omitempty"`
}

// Point is one measured point.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Series is one line of a chart. Its points are sorted by X.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
	// Steps says that a value holds until the next point, as a number of replicas does.
	Steps bool `json:"steps,omitempty"`
}

// Mark is a moment or a span on the X axis, such as a fault. A moment has equal ends.
type Mark struct {
	Name string  `json:"name"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Chart is one picture.
type Chart struct {
	Name   string   `json:"name"` // unique in a result; the heading
	Says   string   `json:"says"` // one sentence on what to see in it; the text alternative begins with it
	X      Axis     `json:"x"`
	Y      Axis     `json:"y"`
	Series []Series `json:"series"`
	Marks  []Mark   `json:"marks,omitempty"`
	// Limit is a value of Y to draw as a line, such as the 150 ms of the story; nil draws none.
	Limit *float64 `json:"limit,omitempty"`
}

// Validate returns an error for a chart that cannot be drawn.
func (c Chart) Validate() error {
	if c.Name == "" || c.X.Name == "" || c.Y.Name == "" || len(c.Series) == 0 {
		return fmt.Errorf("chart %q: want a name, two axes and a series", c.Name)
	}
	for _, s := range c.Series {
		if s.Name == "" {
			return fmt.Errorf("chart %q: a series has no name", c.Name)
		}
		for i := 1; i < len(s.Points); i++ {
			if s.Points[i].X < s.Points[i-1].X {
				return fmt.Errorf("chart %q: points of %s are not sorted", c.Name, s.Name)
			}
		}
	}
	for _, m := range c.Marks {
		if m.To < m.From {
			return fmt.Errorf("chart %q: mark %s ends before it begins", c.Name, m.Name)
		}
	}
	return nil
}

// Finite returns the chart without points that are not finite, and without such a limit.
func (c Chart) Finite() Chart {
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	series := make([]Series, len(c.Series))
	for i, s := range c.Series {
		series[i] = s
		series[i].Points = make([]Point, 0, len(s.Points))
		for _, p := range s.Points {
			if finite(p.X) && finite(p.Y) {
				series[i].Points = append(series[i].Points, p)
			}
		}
	}
	c.Series = series
	marks := make([]Mark, 0, len(c.Marks))
	for _, m := range c.Marks {
		if finite(m.From) && finite(m.To) {
			marks = append(marks, m)
		}
	}
	c.Marks = marks
	if c.Limit != nil && !finite(*c.Limit) {
		c.Limit = nil
	}
	return c
}
