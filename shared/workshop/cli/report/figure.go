package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// figure writes a number with three significant digits, never as a power of ten.
func figure(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	if v == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', min(max(decimals, 0), 6), 64)
}

// short is figure without the zeros at the end, because running text has no columns to align.
func short(v float64) string {
	text := figure(v)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func quantity(v float64, unit string) string { return strings.TrimSpace(short(v) + " " + unit) }

// times writes a ratio, such as "3.9x".
func times(v float64) string { return short(v) + "x" }

func inSeconds(v float64) string { return fmt.Sprintf("%.1f s", v) }
