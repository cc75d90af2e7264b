package plot

import (
	"math"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/measure/chart"
)

// scale maps the values of an axis to a share of its length, from 0 to 1.
type scale struct {
	kind      chart.Scale
	low, high float64 // values at the ends
	all       bool    // a Nines scale ends with 100 %, the maximum
	whole     bool    // a linear scale of counts has no tick between whole numbers
}

// smallestTail bounds a Nines axis: 100 % lies infinitely far out, so it is drawn where
// 100 - 0.0001 % is, or nearer if no percentile goes as far.
const smallestTail = 1e-6

// newScale returns a scale on which all finite values have a place, and false if no value has one.
// With round the ends are round numbers, and a linear scale includes 0.
func newScale(kind chart.Scale, values []float64, round bool) (scale, bool) {
	s := scale{kind: kind}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if s.drawable(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return scale{}, false
	}
	switch kind {
	case chart.Log:
		s.low, s.high = roundBelow(low), 1/roundBelow(1/high)
		if s.low == s.high {
			s.high = 1 / roundBelow(1/(high*1.05))
		}
	case chart.Nines:
		s.all = high == 100
		s.low, s.high = ninesRange(values, low, high)
	default:
		if round {
			low, high = min(low, 0), max(high, 0)
		}
		if low == high {
			low, high = low-0.5, high+0.5
		}
		s.low, s.high = low, high
		if round {
			step := linearStep(low, high, 5)
			s.low, s.high = math.Floor(low/step+1e-9)*step, math.Ceil(high/step-1e-9)*step
		}
	}
	return s, true
}

// counts reports whether all values of an axis are counts: it has no unit, and they are whole numbers.
func counts(a chart.Axis, values []float64) bool {
	if a.Unit != "" || a.Scale == chart.Nines {
		return false
	}
	for _, v := range values {
		if v != math.Trunc(v) {
			return false
		}
	}
	return true
}

// ninesRange returns the ends of a Nines axis for percentiles from low to high. With 100 among them it
// ends a little beyond the highest percentile below, so that 100 has a place of its own.
func ninesRange(values []float64, low, high float64) (from, to float64) {
	if high < 100 {
		if low == high {
			low = 0
		}
		return low, max(high, low+1)
	}
	tail := 1.0
	for _, v := range values {
		if t := 1 - v/100; t > 0 && t <= 1 {
			tail = min(tail, t)
		}
	}
	tail = max(min(tail/2, 0.1), smallestTail)
	return max(low, 0), 100 * (1 - tail)
}

// drawable reports whether a value has a place on an axis of the kind.
func (s scale) drawable(v float64) bool {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return false
	case s.kind == chart.Log:
		return v > 0
	case s.kind == chart.Nines:
		return v >= 0 && v <= 100
	default:
		return true
	}
}

// share returns where a value lies, from 0 to 1. A value beyond an end lies at that end.
func (s scale) share(v float64) float64 {
	a, b, x := s.low, s.high, v
	switch s.kind {
	case chart.Log:
		a, b, x = math.Log(a), math.Log(b), math.Log(x)
	case chart.Nines:
		a, b, x = nines(a), nines(b), nines(x)
	}
	return min(max((x-a)/(b-a), 0), 1)
}

// nines returns the number of nines of a percentile: 1 for 90, 2 for 99.
func nines(percent float64) float64 { return -math.Log10(max(1-percent/100, smallestTail/10)) }

// tick is a labelled value of an axis.
type tick struct {
	value float64
	label string
}

// ticks returns about n labelled values in ascending order.
func (s scale) ticks(n int) []tick {
	switch s.kind {
	case chart.Log:
		return s.logTicks(n)
	case chart.Nines:
		return s.ninesTicks(n)
	}
	step := linearStep(s.low, s.high, n)
	if s.whole {
		step = max(step, 1)
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var ticks []tick
	first := math.Ceil(s.low/step - 1e-9)
	for i := 0.0; (first+i)*step <= s.high+step*1e-9; i++ {
		v := (first + i) * step
		ticks = append(ticks, tick{v, grouped(strconv.FormatFloat(v, 'f', decimals, 64))})
	}
	return ticks
}

// linearStep returns the round step of about n ticks between two values.
func linearStep(low, high float64, n int) float64 {
	ideal := (high - low) / float64(n)
	below := roundBelow(ideal)
	above := 1 / roundBelow(1/(below*1.01))
	if ideal/below <= above/ideal {
		return below
	}
	return above
}

func (s scale) logTicks(n int) []tick {
	digits := []float64{1, 2, 5}
	if math.Log10(s.high/s.low)*3 > float64(n)+1 {
		digits = digits[:1]
	}
	from, to := int(math.Floor(math.Log10(s.low)+1e-9)), int(math.Ceil(math.Log10(s.high)-1e-9))
	every := max(1, (to-from+n-1)/n)
	var ticks []tick
	for power := from; power <= to; power += every {
		for _, digit := range digits {
			v := digit * math.Pow10(power)
			if v >= s.low*(1-1e-9) && v <= s.high*(1+1e-9) {
				ticks = append(ticks, tick{v, Value(chart.Axis{}, v)})
			}
		}
	}
	return ticks
}

func (s scale) ninesTicks(n int) []tick {
	candidates := []tick{{0, "0"}, {50, "50"}, {90, "90"}, {99, "99"}, {99.9, "99.9"}, {99.99, "99.99"}, {99.999, "99.999"}, {99.9999, "99.9999"}}
	var ticks []tick
	for _, t := range candidates {
		if t.value >= s.low && t.value <= s.high && (n > 4 || t.value != 50) {
			ticks = append(ticks, t)
		}
	}
	if s.all {
		ticks = append(ticks, tick{100, "max"})
	}
	return ticks
}

// Range returns round ends for a logarithmic axis of ratios, with a little room around the values.
// All values are positive. The axis starts at 1 unless a value is below 1.
func Range(values ...float64) (low, high float64) {
	const margin = 1.05
	low, high = 1.0, 1.0
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if low < 1 {
		low = roundBelow(low / margin)
	}
	return low, 1 / roundBelow(1/(high*margin))
}

// Positive reports whether all values have a place on a logarithmic axis.
func Positive(values ...float64) bool {
	for _, v := range values {
		if !(v > 0) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// roundBelow returns the largest of 1, 2 and 5 times a power of ten that is at most v.
func roundBelow(v float64) float64 {
	const tolerance = 1e-9 // 1/0.2 must not fall below 5
	power := math.Pow10(int(math.Floor(math.Log10(v) + tolerance)))
	for _, digit := range []float64{5, 2} {
		if digit*power <= v*(1+tolerance) {
			return digit * power
		}
	}
	return power
}

// Value writes a value of an axis, with commas between thousands. It rounds no whole number, and
// writes no more than four significant digits otherwise. A percentile has up to four decimals, as
// 99.9999 needs.
func Value(a chart.Axis, v float64) string {
	decimals := 4
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'g', -1, 64)
	case v != 0 && a.Scale != chart.Nines:
		decimals = min(max(3-int(math.Floor(math.Log10(math.Abs(v)))), 0), maxDecimals)
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return grouped(text)
}

// maxDecimals bounds the length of a tiny number.
const maxDecimals = 12

// grouped puts commas between the thousands of a decimal number.
func grouped(number string) string {
	sign, digits := "", number
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}
