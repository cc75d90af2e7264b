package hostspeed

import (
	"math"
	"testing"
	"time"
)

// clock is a clock that only work moves.
type clock struct {
	now    time.Time
	slices []time.Duration // how long each slice of work takes
}

func (c *clock) work() {
	c.now = c.now.Add(c.slices[0])
	c.slices = c.slices[1:]
}

func TestSlowness(t *testing.T) {
	const r = referenceSlice
	for _, test := range []struct {
		name   string
		slices []time.Duration
		want   float64
	}{
		{"the reference machine", []time.Duration{r, r, r, r, r}, 1},
		{"a machine at half speed", []time.Duration{2 * r, 2 * r, 2 * r, 2 * r, 2 * r}, 2},
		{"a fast machine", []time.Duration{r / 2, r / 2, r / 2, r / 2, r / 2}, 0.5},
		{"two interruptions do not count", []time.Duration{r, 100 * r, r, 50 * r, r}, 1},
		{"a load that lasts counts", []time.Duration{r, 3 * r, 3 * r, 4 * r, 3 * r}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &clock{slices: test.slices}
			if got := slowness(func() time.Time { return c.now }, c.work); math.Abs(got-test.want) > 1e-6 {
				t.Errorf("slowness %v, want %v", got, test.want)
			}
			if len(c.slices) != 0 {
				t.Errorf("%d slices were not timed", len(c.slices))
			}
		})
	}
}

func TestHardware(t *testing.T) {
	const r = referenceSlice
	slices := make([]time.Duration, comparedSlices)
	for i := range slices {
		slices[i] = 7 * r // other programs had the CPU
	}
	slices[11] = 2 * r
	c := &clock{slices: slices}
	if got := quickest(func() time.Time { return c.now }, c.work); math.Abs(got-2) > 1e-6 {
		t.Errorf("the quickest slice took 2 times the reference, got %v", got)
	}
	if len(c.slices) != 0 {
		t.Errorf("%d slices were not timed", len(c.slices))
	}
	if got := Hardware(); !(got > 0) || math.IsInf(got, 0) {
		t.Errorf("this machine: %v, want a positive number", got)
	}
}

func TestScale(t *testing.T) {
	for _, test := range []struct {
		d        time.Duration
		slowness float64
		want     time.Duration
	}{
		{time.Minute, 0.4, time.Minute}, // a fast machine waits no less
		{time.Minute, 1, time.Minute},
		{time.Minute, 2.5, 150 * time.Second},
		{time.Minute, MaxFactor, MaxFactor * time.Minute},
		{time.Minute, 1000, MaxFactor * time.Minute},
		{time.Minute, math.Inf(1), MaxFactor * time.Minute},
		{time.Minute, math.NaN(), time.Minute},
		{0, 2, 0},
		{-time.Second, 2, -time.Second},
		{math.MaxInt64, 2, math.MaxInt64},
	} {
		if got := scale(test.d, test.slowness); got != test.want {
			t.Errorf("scale(%v, %v) = %v, want %v", test.d, test.slowness, got, test.want)
		}
	}
}

func TestWaitMeasuresOnce(t *testing.T) {
	first := Slowness()
	if !(first > 0) || math.IsInf(first, 0) {
		t.Fatalf("slowness %v, want a positive number", first)
	}
	if again := Slowness(); again != first {
		t.Errorf("slowness %v, then %v", first, again)
	}
	if got := Wait(time.Second); got < time.Second || got > MaxFactor*time.Second {
		t.Errorf("Wait(1s) = %v, want from 1s to %ds", got, MaxFactor)
	}
	t.Logf("slowness %.2f", first)
}
