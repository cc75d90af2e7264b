package report

import (
	"math"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/page/plot"
)

// axis is a logarithmic axis. Doubling a value moves it by the same length everywhere on it.
type axis struct {
	low, high float64 // the values at its ends
	columns   int
}

// newAxis returns an axis between two round numbers, with a little room around the values. All
// values are positive. The axis starts at 1 unless a value is below 1.
func newAxis(columns int, values ...float64) axis {
	low, high := plot.Range(values...)
	return axis{low, high, columns}
}

// column returns where a value lies, from 0 to columns-1.
func (a axis) column(v float64) int {
	share := math.Log(v/a.low) / math.Log(a.high/a.low)
	at := int(math.Round(share * float64(a.columns-1)))
	return min(max(at, 0), a.columns-1)
}

const (
	axisColumns = 46
	// axisIndent leaves room for the label of the low end, and for the longest label that ends
	// under the first column.
	axisIndent = 16
)

// picture draws a gain: the interval and its estimate, beside 1x (no gain) and the floor.
//
//	1x │···········│··········[══●═]······· 5x
//	               ↑ floor 2x
//
// A count is a single ●, and so is an interval narrower than a column. A gain with a value that
// is not positive has no picture, because the axis is logarithmic.
func (s Sheet) picture(g lab.GainResult) string {
	values := []float64{g.Low, g.Ratio, g.High}
	if g.Floor > 0 {
		values = append(values, g.Floor)
	}
	if !plot.Positive(values...) {
		return ""
	}
	a := newAxis(axisColumns, values...)
	one, floor := a.column(1), -1
	if g.Floor > 0 {
		floor = a.column(g.Floor)
	}
	low := figure.Times(a.low) + " "
	return strings.Repeat(" ", axisIndent-ansi.StringWidth(low)) + s.Faint.Render(low) +
		s.strokes(g, a, one, floor) + s.Faint.Render(" "+figure.Times(a.high)) + "\n" +
		s.Faint.Render(s.pointers(a, one, floor, g.Floor)) + "\n"
}

// strokes returns the line of an axis, with marks in the columns of 1x and of the floor. The
// interval covers the marks.
func (s Sheet) strokes(g lab.GainResult, a axis, one, floor int) string {
	const bare, marked, covered = 0, 1, 2
	emphasis := [...]lipgloss.Style{bare: s.Faint, marked: s.Plain, covered: s.Verdict(g.Verdict)}
	low, ratio, high := a.column(g.Low), a.column(g.Ratio), a.column(g.High)
	signs, kinds := make([]rune, a.columns), make([]int, a.columns)
	for at := range signs {
		signs[at], kinds[at] = s.axis, bare
		if low <= at && at <= high {
			signs[at], kinds[at] = s.between, covered
		}
		switch at {
		case ratio:
			signs[at], kinds[at] = s.ratio, covered
		case low:
			signs[at] = s.low
		case high:
			signs[at] = s.high
		case one, floor:
			signs[at], kinds[at] = s.mark, marked
		}
	}
	var line strings.Builder
	for from, at := 0, 1; at <= len(signs); at++ {
		if at == len(signs) || kinds[at] != kinds[from] {
			line.WriteString(emphasis[kinds[from]].Render(string(signs[from:at])))
			from = at
		}
	}
	return line.String()
}

// pointers returns the line below an axis that names 1x and the floor. The smaller of the two
// has its name on the left of its pointer, the larger on the right. So the names never touch,
// even if both point at one column.
func (s Sheet) pointers(a axis, one, floor int, value float64) string {
	oneLabel, floorLabel := "1x", "floor "+figure.Times(value)
	if a.low == 1 {
		oneLabel = "" // the axis starts with that label
	}
	switch {
	case floor < 0:
		return ending(axisIndent+one, oneLabel, s.pointer)
	case value < 1:
		return starting(ending(axisIndent+floor, floorLabel, s.pointer), axisIndent+one, oneLabel, s.pointer)
	default:
		return starting(ending(axisIndent+one, oneLabel, s.pointer), axisIndent+floor, floorLabel, s.pointer)
	}
}

// ending returns a line with a label, and after it a pointer at that column.
func ending(column int, label string, pointer rune) string {
	if label == "" {
		return ""
	}
	return strings.Repeat(" ", max(column-ansi.StringWidth(label)-1, 0)) + label + " " + string(pointer)
}

// starting adds a pointer at that column to a line, and after it a label.
func starting(line string, column int, label string, pointer rune) string {
	if label == "" {
		return line
	}
	if gap := column - ansi.StringWidth(line); gap >= 0 {
		line += strings.Repeat(" ", gap) + string(pointer)
	} // else the line has a pointer at that column already
	return line + " " + label
}
