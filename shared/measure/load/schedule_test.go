package load_test

import (
	"math"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

func TestConstant(t *testing.T) {
	tests := []struct {
		rate float64
		d    time.Duration
		want uint64
	}{
		{3, 3 * time.Second, 9}, {0.1, 10 * time.Second, 1}, {0.1, 11 * time.Second, 2},
		{333.3, time.Second, 334}, {1000, 0, 0},
	}
	for _, test := range tests {
		if got := load.Constant(test.rate).Count(test.d); got != test.want {
			t.Errorf("%v/s for %s: %d requests, want %d", test.rate, test.d, got, test.want)
		}
	}
	if got := load.Constant(4).At(6); got != 1500*time.Millisecond {
		t.Errorf("request 6 at 4/s goes out at %s, want 1.5s", got)
	}
}

func TestCurve(t *testing.T) {
	c := load.Curve{Base: 10, Peak: 110, Length: 30 * time.Second}
	// The mean of sin² is one half.
	if got, want := c.Count(c.Length), uint64(30*(10+50)); got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
	for at, want := range map[time.Duration]float64{0: 10, 7500 * time.Millisecond: 60, 15 * time.Second: 110, 30 * time.Second: 10, time.Minute: 10} {
		if got := c.Rate(at); math.Abs(got-want) > 1e-6 {
			t.Errorf("rate at %s: %v, want %v", at, got, want)
		}
	}
	previous := time.Duration(-1)
	for n := range c.Count(c.Length) {
		at := c.At(n)
		if at < previous {
			t.Fatalf("request %d at %s goes out before the one before it, at %s", n, at, previous)
		}
		// Count includes a request just after its intended time and not before.
		if due := c.Count(at + time.Microsecond); due < n+1 || due > n+1 {
			t.Fatalf("request %d goes out at %s, when %d are due", n, at, due)
		}
		previous = at
	}
	if at := c.At(1800 + 10); at != 31*time.Second {
		t.Errorf("request 10 after the curve goes out at %s, want 31s", at)
	}
}
