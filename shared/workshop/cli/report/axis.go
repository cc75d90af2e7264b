package report

import (
	"math"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"bytebites.example/workshop/shared/workshop/lab"
)

// axis is a logarithmic axis: twice as good is the same length anywhere on it, and as
// long as half as good.
type axis struct {
	low, high float64 // the values at its ends
	columns   int
}

// newAxis returns an axis from a round number to a round number on which all values,
// which are positive, have a little room. It starts at 1 unless a value is below.
func newAxis(columns int, values ...float64) axis {
	const room = 1.05
	low, high := 1.0, 1.0
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if low < 1 {
		low = roundBelow(low / room)
	}
	return axis{low, 1 / roundBelow(1/(high*room)), columns}
}

// roundBelow returns the largest of 1, 2 and 5 times a power of ten that is at most v.
func roundBelow(v float64) float64 {
	const hair = 1e-9 // 1/0.2 must not fall below 5
	power := math.Pow10(int(math.Floor(math.Log10(v) + hair)))
	for _, digit := range []float64{5, 2} {
		if digit*power <= v*(1+hair) {
			return digit * power
		}
	}
	return power
}

// column returns where a value lies, from 0 to columns-1.
func (a axis) column(v float64) int {
	share := math.Log(v/a.low) / math.Log(a.high/a.low)
	at := int(math.Round(share * float64(a.columns-1)))
	return min(max(at, 0), a.columns-1)
}

const (
	axisColumns = 46
	// axisIndent is room for the label of the low end, and for the longest label that
	// ends under the first column.
	axisIndent = 16
)

// picture draws a gain: where the interval and its likeliest value lie between 1x, which
// is no gain, and the floor.
//
//	1x │···········│··········[══●═]······· 5x
//	               ↑ floor 2x
//
// A count, and an interval narrower than a column, is a single ●. A gain that has no
// place on a logarithmic axis has no picture.
func (s Sheet) picture(g lab.GainResult) string {
	values := []float64{g.Low, g.Ratio, g.High}
	if g.Floor > 0 {
		values = append(values, g.Floor)
	}
	for _, v := range values {
		if !(v > 0) || math.IsInf(v, 0) {
			return ""
		}
	}
	a := newAxis(axisColumns, values...)
	one, floor := a.column(1), -1
	if g.Floor > 0 {
		floor = a.column(g.Floor)
	}
	low := times(a.low) + " "
	return strings.Repeat(" ", axisIndent-ansi.StringWidth(low)) + s.Faint.Render(low) +
		s.strokes(g, a, one, floor) + s.Faint.Render(" "+times(a.high)) + "\n" +
		s.Faint.Render(s.pointers(a, one, floor, g.Floor)) + "\n"
}

// strokes is the line of an axis, with 1x and the floor marked in these columns and the
// interval over them.
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

// pointers is the line below an axis that names 1x and the floor. The lesser of the two
// has its name on the left of its pointer, the other on the right, so that they never
// touch, even where both point at one column.
func (s Sheet) pointers(a axis, one, floor int, value float64) string {
	oneLabel, floorLabel := "1x", "floor "+times(value)
	if a.low == 1 {
		oneLabel = "" // the axis says it
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

// ending returns a line with a label that ends in a pointer at that column.
func ending(column int, label string, pointer rune) string {
	if label == "" {
		return ""
	}
	return strings.Repeat(" ", max(column-ansi.StringWidth(label)-1, 0)) + label + " " + string(pointer)
}

// starting adds to a line a label that starts with a pointer at that column.
func starting(line string, column int, label string, pointer rune) string {
	if label == "" {
		return line
	}
	if gap := column - ansi.StringWidth(line); gap >= 0 {
		line += strings.Repeat(" ", gap) + string(pointer)
	} // else the pointer is there
	return line + " " + label
}
