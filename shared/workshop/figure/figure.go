// Package figure writes numbers for people: on the terminal, in Markdown and on pages.
package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Fixed writes a number with three significant digits, never as a power of ten. It keeps zeros at
// the end, so that the figures of a column align.
func Fixed(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	if v == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', min(max(decimals, 0), 6), 64)
}

// Short is Fixed without the zeros at the end, because running text has no columns to align.
func Short(v float64) string {
	text := Fixed(v)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// Quantity writes a number with its unit, such as "3.9 ms". A count has no unit.
func Quantity(v float64, unit string) string { return strings.TrimSpace(Short(v) + " " + unit) }

// Times writes a ratio, such as "3.9x".
func Times(v float64) string { return Short(v) + "x" }

// Seconds writes a duration in seconds, such as "3.9 s".
func Seconds(v float64) string { return fmt.Sprintf("%.1f s", v) }
