// Package compare puts two results of labs, or two tours, side by side: of two labs, of two runs or of
// two machines. It says where a comparison proves nothing.
package compare

import (
	"fmt"
	"math"
	"slices"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Comparison is what two results have in common, and how they differ.
type Comparison struct {
	A, B    lab.Result
	Gains   []Gain
	Changed []Check // checks whose verdicts differ
	Same    int     // checks of both whose verdicts are equal
	Common
}

// Common is what the comparisons of results and of tours share.
type Common struct {
	// Figures are before and after of each gain or claim, then the reported figures.
	Figures []Figure
	// Charts are those that both have, with the series of both. Their marks are left out, because those of
	// two runs lie in different places.
	Charts []chart.Chart
	// OnlyA and OnlyB name what only one of the results has, such as "gain write goodput".
	OnlyA, OnlyB []string
	// Warnings say why a difference may not come from the code.
	Warnings []string
}

// Gain is a gain that both results measured.
type Gain struct {
	Name  string
	A, B  lab.GainResult
	Ratio float64 // of B's gain to A's; 0 if there is none
	// Apart says that the intervals do not overlap. Two intervals of 96 % that lie apart are
	// firm evidence of a difference; two that overlap prove nothing.
	Apart bool
}

// Figure is a number that both results have, in one unit.
type Figure struct {
	Name, Unit string
	A, B       float64
	Ratio      float64 // of B to A; 0 if there is none
}

// Check is a check of both results.
type Check struct {
	Name string
	A, B lab.Verdict
}

// Of compares two results.
func Of(a, b lab.Result) Comparison {
	c := Comparison{A: a, B: b}
	c.gains()
	c.numbers()
	c.checks()
	c.charts(a.Charts, b.Charts)
	c.Warnings = append(scope(a, b), machines(a.Host, b.Host)...)
	return c
}

// ratio returns b/a, or 0 if that is no number.
func ratio(a, b float64) float64 {
	r := b / a
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return 0
	}
	return r
}

func measured(g lab.GainResult) bool { return g.Ratio != 0 || g.Before != 0 || g.After != 0 }

func (c *Comparison) gains() {
	for _, a := range c.A.Gains {
		at := slices.IndexFunc(c.B.Gains, func(b lab.GainResult) bool { return b.Name == a.Name })
		if at < 0 {
			c.OnlyA = append(c.OnlyA, "gain "+a.Name)
			continue
		}
		b := c.B.Gains[at]
		g := Gain{Name: a.Name, A: a, B: b}
		if measured(a) && measured(b) {
			g.Ratio = ratio(a.Ratio, b.Ratio)
			g.Apart = a.High < b.Low || b.High < a.Low
			c.figure(a.Name+", before", a.Unit, a.Before, b.Unit, b.Before)
			c.figure(a.Name+", after", a.Unit, a.After, b.Unit, b.After)
		}
		c.Gains = append(c.Gains, g)
	}
	for _, b := range c.B.Gains {
		if !slices.ContainsFunc(c.A.Gains, func(a lab.GainResult) bool { return a.Name == b.Name }) {
			c.OnlyB = append(c.OnlyB, "gain "+b.Name)
		}
	}
}

func (c *Comparison) numbers() {
	for _, a := range c.A.Reported {
		at := slices.IndexFunc(c.B.Reported, func(b lab.Number) bool { return b.Name == a.Name })
		if at < 0 {
			c.OnlyA = append(c.OnlyA, "figure "+a.Name)
			continue
		}
		b := c.B.Reported[at]
		c.figure(a.Name, a.Unit, a.Value, b.Unit, b.Value)
	}
	for _, b := range c.B.Reported {
		if !slices.ContainsFunc(c.A.Reported, func(a lab.Number) bool { return a.Name == b.Name }) {
			c.OnlyB = append(c.OnlyB, "figure "+b.Name)
		}
	}
}

// figure adds a figure in A's unit. One whose units cannot be converted stays apart.
func (c *Common) figure(name, unitA string, a float64, unitB string, b float64) {
	factor, ok := factor(unitB, unitA)
	if !ok {
		c.OnlyA = append(c.OnlyA, fmt.Sprintf("figure %s in %q", name, unitA))
		c.OnlyB = append(c.OnlyB, fmt.Sprintf("figure %s in %q", name, unitB))
		return
	}
	b *= factor
	c.Figures = append(c.Figures, Figure{Name: name, Unit: unitA, A: a, B: b, Ratio: ratio(a, b)})
}

func (c *Comparison) checks() {
	for _, a := range c.A.Checks {
		at := slices.IndexFunc(c.B.Checks, func(b lab.CheckResult) bool { return b.Name == a.Name })
		switch {
		case at < 0:
			c.OnlyA = append(c.OnlyA, "check "+a.Name)
		case c.B.Checks[at].Verdict != a.Verdict:
			c.Changed = append(c.Changed, Check{a.Name, a.Verdict, c.B.Checks[at].Verdict})
		default:
			c.Same++
		}
	}
	for _, b := range c.B.Checks {
		if !slices.ContainsFunc(c.A.Checks, func(a lab.CheckResult) bool { return a.Name == b.Name }) {
			c.OnlyB = append(c.OnlyB, "check "+b.Name)
		}
	}
}

// charts joins the charts of one name and with the same axes.
func (c *Common) charts(allA, allB []chart.Chart) {
	for _, a := range allA {
		for _, b := range allB {
			if a.Name != b.Name || a.X != b.X || a.Y != b.Y {
				continue
			}
			joined := chart.Chart{Name: a.Name, Says: a.Says, X: a.X, Y: a.Y, Limit: a.Limit}
			for _, side := range []struct {
				name string
				chart.Chart
			}{{"A", a}, {"B", b}} {
				for _, s := range side.Series {
					s.Name = side.name + ", " + s.Name
					joined.Series = append(joined.Series, s)
				}
			}
			c.Charts = append(c.Charts, joined)
		}
	}
}
