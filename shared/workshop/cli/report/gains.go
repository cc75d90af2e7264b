package report

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
)

func (s Sheet) gains(gains []lab.GainResult) string {
	var b strings.Builder
	for i, g := range gains {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(s.gain(g))
	}
	return b.String()
}

// gain shows a gain: the ratio with its interval, the values before and after, and a picture.
func (s Sheet) gain(g lab.GainResult) string {
	style := s.Verdict(g.Verdict)
	name := fmt.Sprintf("  %s %s   ", style.Render(s.signs[g.Verdict]), s.Bold.Render(g.Name))
	if !measured(g) {
		why := "not measured"
		if g.Verdict == lab.NotReached && g.Detail != "" {
			why = g.Detail
		}
		return name + strings.Join(wrap(why, s.columns-ansi.StringWidth(name)), "\n      ") + "\n"
	}
	var b strings.Builder
	first := name + style.Render(figure.Times(g.Ratio))
	rest := fmt.Sprintf("(%s)   %s", basis(g), style.Render(string(g.Verdict)))
	if ansi.StringWidth(first)+3+ansi.StringWidth(rest) > s.columns {
		rest = "\n      " + rest
	} else {
		rest = "   " + rest
	}
	b.WriteString(first + rest + "\n")
	fmt.Fprintf(&b, "      %s before, %s after\n", figure.Quantity(g.Before, g.Unit), figure.Quantity(g.After, g.Unit))
	for _, line := range prices(g) {
		b.WriteString("      " + s.Faint.Render(line) + "\n")
	}
	if g.Verdict == lab.Pass && g.Detail != "" {
		for _, line := range wrap(g.Detail, s.columns-6) {
			b.WriteString("      " + s.Faint.Render(line) + "\n")
		}
	}
	b.WriteString(s.picture(g))
	return b.String()
}

// measured reports whether a gain has a value.
func measured(g lab.GainResult) bool { return g.Ratio != 0 || g.Before != 0 || g.After != 0 }

// basis describes the evidence for a gain: a count, or an interval from pairs of rounds.
func basis(g lab.GainResult) string {
	how := "counted"
	if g.Pairs > 0 {
		how = fmt.Sprintf("%s to %s, %d pairs", figure.Times(g.Low), figure.Times(g.High), g.Pairs)
	}
	return how + ", floor " + figure.Times(g.Floor)
}

// prices says what a million right answers cost before and after, a line each. It is empty when that
// is not known.
func prices(g lab.GainResult) (lines []string) {
	for _, side := range costs(g) {
		lines = append(lines, fmt.Sprintf("%-6s  %s a million answers: %s at %s/s",
			side.name, dollars(side.Million), side.Machines, figure.Short(side.Rate)))
	}
	return lines
}

// side is a side of a gain and its cost.
type side struct {
	name string
	*lab.Cost
}

// costs returns the sides of a gain whose cost is known.
func costs(g lab.GainResult) (sides []side) {
	for _, s := range []side{{"before", g.BeforeCost}, {"after", g.AfterCost}} {
		if s.Cost != nil {
			sides = append(sides, s)
		}
	}
	return sides
}

// dollars writes a price, such as "$0.23".
func dollars(v float64) string { return "$" + figure.Fixed(v) }
