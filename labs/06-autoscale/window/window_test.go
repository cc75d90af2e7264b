package window_test

import (
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
)

func TestLast(t *testing.T) {
	now := time.Date(2026, time.May, 7, 17, 0, 0, 0, time.UTC)
	// at returns recommendations of those seconds before now.
	at := func(seconds ...int) []window.Recommendation {
		var all []window.Recommendation
		for i, s := range seconds {
			all = append(all, window.Recommendation{At: now.Add(-time.Duration(s) * time.Second), Instances: i})
		}
		return all
	}
	for _, test := range []struct {
		name    string
		all     []window.Recommendation
		want    int
		covered bool
	}{
		{"none", nil, 0, false},
		{"covered", at(150, 120, 90, 60, 30, 0), 5, true},
		{"one reading is late", at(150, 120, 60, 0), 3, true},
		{"begins with the window", at(120, 60, 0), 3, true},
		{"begins inside the window", at(110, 60, 0), 3, false},
		{"a gap", at(120, 110, 10, 0), 4, false},
		{"a gap before the window", at(600, 30, 0), 2, false},
		{"the last is old", at(200, 150, 120, 100), 2, false},
		{"all are old", at(600, 570), 0, false},
		{"two of the future", at(120, 60, 0, -60, -120), 3, true},
		{"not in order", at(0, 60, 120), 3, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(test.all)
			recent, covered := window.Last(test.all, now, 2*time.Minute)
			if len(recent) != test.want || covered != test.covered {
				t.Errorf("%d recommendations, covered %t; want %d, %t", len(recent), covered, test.want, test.covered)
			}
			if !slices.IsSortedFunc(recent, func(a, b window.Recommendation) int { return a.At.Compare(b.At) }) {
				t.Errorf("not in order: %v", recent)
			}
			if !slices.Equal(before, test.all) {
				t.Error("Last changed its argument")
			}
		})
	}
}

func TestLowestAndHighest(t *testing.T) {
	recent := []window.Recommendation{{Instances: 5}, {Instances: 3}, {Instances: 8}, {Instances: 4}}
	if low, high := window.Lowest(recent), window.Highest(recent); low != 3 || high != 8 {
		t.Errorf("lowest %d, highest %d; want 3 and 8", low, high)
	}
}

func TestLastChange(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	for _, test := range []struct {
		state autoscale.State
		want  time.Time
	}{
		{autoscale.State{}, time.Time{}},
		{autoscale.State{LastOut: early}, early},
		{autoscale.State{LastIn: early}, early},
		{autoscale.State{LastOut: early, LastIn: late}, late},
		{autoscale.State{LastOut: late, LastIn: early}, late},
	} {
		if got := window.LastChange(test.state); !got.Equal(test.want) {
			t.Errorf("%+v: %v, want %v", test.state, got, test.want)
		}
	}
}
