package plot

import (
	"math"
	"slices"
	"testing"

	"bytebites.example/workshop/shared/measure/chart"
)

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   chart.Scale
		values []float64
		round  bool
		n      int
		want   []string
	}{
		{"from 0", chart.Linear, []float64{3, 33}, true, 5, []string{"0", "5", "10", "15", "20", "25", "30", "35"}},
		{"thousands", chart.Linear, []float64{0, 20000}, true, 4, []string{"0", "5,000", "10,000", "15,000", "20,000"}},
		{"small", chart.Linear, []float64{0, 0.004}, true, 4, []string{"0.000", "0.001", "0.002", "0.003", "0.004"}},
		{"below 0", chart.Linear, []float64{-5, 5}, true, 5, []string{"-6", "-4", "-2", "0", "2", "4", "6"}},
		{"not rounded", chart.Linear, []float64{5, 44}, false, 8, []string{"5", "10", "15", "20", "25", "30", "35", "40"}},
		{"one value", chart.Linear, []float64{3}, false, 4, []string{"2.6", "2.8", "3.0", "3.2", "3.4"}},
		{"log", chart.Log, []float64{30, 800}, true, 5, []string{"20", "50", "100", "200", "500", "1,000"}},
		{"log of decades", chart.Log, []float64{2, 4000}, true, 5, []string{"10", "100", "1,000"}},
		{"log of many decades", chart.Log, []float64{1e-3, 1e9}, true, 4, []string{"0.001", "1", "1,000", "1,000,000", "1,000,000,000"}},
		{"log of one value", chart.Log, []float64{10}, true, 5, []string{"10", "20"}},
		{"nines", chart.Nines, []float64{0, 99, 99.9, 100}, false, 8, []string{"0", "50", "90", "99", "99.9", "max"}},
		{"nines on a narrow screen", chart.Nines, []float64{0, 99.9}, false, 4, []string{"0", "90", "99", "99.9"}},
	} {
		s, ok := newScale(test.kind, test.values, test.round)
		if !ok {
			t.Errorf("%s: no scale", test.name)
			continue
		}
		var got []string
		last := -1.0
		for _, tick := range s.ticks(test.n) {
			got = append(got, tick.label)
			if at := s.share(tick.value); at <= last || at > 1 {
				t.Errorf("%s: the tick %s is at %v, after %v", test.name, tick.label, at, last)
			} else {
				last = at
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: ticks %q, want %q", test.name, got, test.want)
		}
		for _, v := range test.values {
			if at := s.share(v); !(at >= 0 && at <= 1) {
				t.Errorf("%s: %v lies at %v", test.name, v, at)
			}
		}
	}
	for _, values := range [][]float64{nil, {math.NaN()}, {math.Inf(1), math.Inf(-1)}} {
		if _, ok := newScale(chart.Linear, values, true); ok {
			t.Errorf("%v has a scale", values)
		}
	}
}

// On a Nines axis each further nine is as far away as the one before.
func TestNinesAreEqual(t *testing.T) {
	s, _ := newScale(chart.Nines, []float64{0, 99.99}, false)
	first, second := s.share(99)-s.share(90), s.share(99.9)-s.share(99)
	if math.Abs(first-second) > 1e-9 {
		t.Errorf("from 90 to 99 is %v, from 99 to 99.9 is %v", first, second)
	}
}

func TestValue(t *testing.T) {
	linear, nines := chart.Axis{}, chart.Axis{Scale: chart.Nines}
	for _, test := range []struct {
		axis  chart.Axis
		value float64
		want  string
	}{
		{linear, 7.841572, "7.842"}, {linear, 20, "20"}, {linear, 12345, "12,345"}, {linear, 1234567, "1,234,567"}, {linear, -1234.5, "-1,234"},
		{linear, 0, "0"}, {linear, 0.00012346, "0.0001235"}, {linear, 1e-30, "0"}, {linear, math.NaN(), "NaN"},
		{nines, 99.9999, "99.9999"}, {nines, 90, "90"}, {nines, 96.875, "96.875"},
	} {
		if got := Value(test.axis, test.value); got != test.want {
			t.Errorf("Value(%v) = %q, want %q", test.value, got, test.want)
		}
	}
}

// An axis of counts has no tick between whole numbers.
func TestTicksOfCounts(t *testing.T) {
	for name, test := range map[string]struct {
		axis   chart.Axis
		values []float64
		want   []string
	}{
		"pairs":                   {chart.Axis{Name: "pair"}, []float64{1, 2, 3}, []string{"1", "2", "3"}},
		"one pair":                {chart.Axis{Name: "pair"}, []float64{3}, []string{"3"}},
		"many":                    {chart.Axis{Name: "orders"}, []float64{0, 40}, []string{"0", "5", "10", "15", "20", "25", "30", "35", "40"}},
		"a share":                 {chart.Axis{Name: "share"}, []float64{0, 0.5, 1}, []string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
		"a time in whole seconds": {chart.Axis{Name: "time", Unit: "s"}, []float64{0, 1}, []string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
	} {
		s, ok := newScale(test.axis.Scale, test.values, false)
		s.whole = counts(test.axis, test.values)
		var got []string
		for _, tick := range s.ticks(6) {
			got = append(got, tick.label)
		}
		if !ok || !slices.Equal(got, test.want) {
			t.Errorf("%s: ticks %q, want %q", name, got, test.want)
		}
	}
}
