package load

import (
	"context"
	"math"
	"time"
)

// Schedule holds the intended time of each request of an attack.
type Schedule interface {
	// Count returns the number of requests whose intended time is in [0, d).
	Count(d time.Duration) uint64
	// At returns the intended time of request n, counted from 0, since the attack began. It
	// never falls as n grows.
	At(n uint64) time.Duration
	// Rate returns the rate at a time since the attack began, in requests a second.
	Rate(elapsed time.Duration) float64
}

// Constant is a schedule of evenly spaced requests, in requests a second.
type Constant float64

// Count implements Schedule.
func (c Constant) Count(d time.Duration) uint64 { return ceilCount(float64(c) * d.Seconds()) }

// At implements Schedule.
func (c Constant) At(n uint64) time.Duration {
	return duration(float64(n) / float64(c))
}

// Rate implements Schedule.
func (c Constant) Rate(time.Duration) float64 { return float64(c) }

// Curve is the dinner curve. Length stands for the time from 4 to 7 PM. The rate rises from
// Base to Peak at half past five and falls back to Base,
//
//	rate(t) = Base + (Peak - Base) sin²(πt / Length)
//
// Outside of [0, Length] the rate is Base.
type Curve struct {
	Base   float64 // requests a second; more than 0
	Peak   float64 // requests a second
	Length time.Duration
}

// sent returns the number of requests before t seconds, which is the integral of the rate.
// Within the curve it is Base t + (Peak - Base) (t/2 - L/4π sin(2πt/L)).
func (c Curve) sent(t float64) float64 {
	length := c.Length.Seconds()
	inside := min(max(t, 0), length)
	swell := inside / 2
	if length > 0 {
		swell -= length / (4 * math.Pi) * math.Sin(2*math.Pi*inside/length)
	}
	return c.Base*t + (c.Peak-c.Base)*swell
}

// Count implements Schedule.
func (c Curve) Count(d time.Duration) uint64 { return ceilCount(c.sent(d.Seconds())) }

// At implements Schedule. The integral has no inverse in closed form. It grows steadily, so
// bisection finds the nanosecond in 50 steps.
func (c Curve) At(n uint64) time.Duration {
	low, high := 0.0, c.Length.Seconds()
	if over := float64(n) - c.sent(high); over >= 0 {
		return duration(high + over/c.Base)
	}
	for range 50 {
		middle := (low + high) / 2
		if c.sent(middle) < float64(n) {
			low = middle
		} else {
			high = middle
		}
	}
	return duration(high)
}

// Rate implements Schedule.
func (c Curve) Rate(elapsed time.Duration) float64 {
	if elapsed < 0 || elapsed > c.Length || c.Length <= 0 {
		return c.Base
	}
	s := math.Sin(math.Pi * elapsed.Seconds() / c.Length.Seconds())
	return c.Base + (c.Peak-c.Base)*s*s
}

func duration(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}

// ceilCount rounds up. It tolerates a float's error, so that 3 requests a second for 3 s are
// 9 and not 10.
func ceilCount(n float64) uint64 {
	if n <= 0 {
		return 0
	}
	return uint64(math.Ceil(n - 1e-6))
}

// pacer lets vegeta follow a schedule. Its clock starts at began. It ignores vegeta's elapsed
// time, because that counts from another start.
type pacer struct {
	ctx      context.Context // ends the wait for the next request, and the attack
	schedule Schedule
	began    time.Time
	planned  uint64
	// giveUp is the time since began after which no request is sent. It ends an attack whose
	// generator is far behind; the result shows the unsent requests.
	giveUp time.Duration
	// sleep returns early when ctx ends.
	sleep func(ctx context.Context, d time.Duration)
}

// Pace implements vegeta.Pacer. It sleeps itself and always returns 0, because vegeta's sleep
// is only as precise as the runtime's timers.
func (p pacer) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	if hits >= p.planned {
		return 0, true
	}
	if wait := p.schedule.At(hits) - time.Since(p.began); wait > 0 {
		p.sleep(p.ctx, wait)
	}
	return 0, p.ctx.Err() != nil || time.Since(p.began) > p.giveUp
}

// Rate implements vegeta.Pacer.
func (p pacer) Rate(elapsed time.Duration) float64 { return p.schedule.Rate(elapsed) }
