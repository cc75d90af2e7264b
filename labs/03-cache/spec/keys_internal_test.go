package spec

import (
	"testing"
	"time"
)

func TestMostWithin(t *testing.T) {
	seconds := func(all ...int) []time.Duration {
		var times []time.Duration
		for _, n := range all {
			times = append(times, time.Duration(n)*time.Second)
		}
		return times
	}
	for _, test := range []struct {
		times []time.Duration
		span  time.Duration
		want  int
	}{
		{nil, time.Second, 0},
		{seconds(7), 0, 1},
		{seconds(1, 1, 1), 0, 3},
		{seconds(9, 1, 5, 3, 7), 4 * time.Second, 3}, // in any order, both ends included
		{seconds(1, 2, 100, 101, 102, 200), 3 * time.Second, 3},
	} {
		if got := mostWithin(test.times, test.span); got != test.want {
			t.Errorf("%v within %s: got %d, want %d", test.times, test.span, got, test.want)
		}
	}
}
