// Package hostspeed measures once how slow this machine is, and makes waits longer on a
// slow machine. Use it for a wait that ends as soon as something happens, such as a server
// becoming ready. Never use it for a quantity that is measured, or for a bound that a
// check judges.
package hostspeed

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// referenceSlice is the time of one slice of work on the reference machine. On that
	// machine ten million additions in a Python loop take 1.65 s. Calibration, with the
	// best of many runs each: on a machine where that loop takes 0.55 s, a slice takes 3.25
	// ms. So the reference is 3.25 ms x 1.65 / 0.55 = 9.75 ms.
	referenceSlice = 9750 * time.Microsecond

	// sliceRounds is the number of rounds in one slice of work.
	sliceRounds = 500_000

	// measuredSlices is how many slices are timed. Their total is about 50 ms on the
	// reference machine.
	measuredSlices = 5

	// MaxFactor bounds the factor of Wait. On an even slower machine a wait may be too short,
	// but a failure is still reported within four times the wait.
	MaxFactor = 4
)

// Wait returns d times the slowness of this machine. The factor is at least 1, so that a
// fast machine waits as long as the reference machine, and at most MaxFactor. The first
// call of a process takes about 50 ms, because it measures.
func Wait(d time.Duration) time.Duration { return scale(d, Slowness()) }

// Slowness returns how many times longer CPU work takes on this machine than on the
// reference machine: 2 is a machine at half speed. It is measured once in a process.
func Slowness() float64 { return measured() }

// Hardware returns the same ratio by the quickest of many slices, so that other programs on the
// machine hardly count. Two machines are compared by it. It measures anew each time, for about a
// quarter of a second on the reference machine.
func Hardware() float64 { return quickest(time.Now, work) }

// comparedSlices is how many slices Hardware times.
const comparedSlices = 25

// quickest times the slices as slowness does, and takes the quickest one. A slice is shorter than the
// turn that a scheduler gives a program, so even on a busy machine some slices run undisturbed.
func quickest(now func() time.Time, work func()) float64 {
	best := time.Duration(math.MaxInt64)
	for range comparedSlices {
		began := now()
		work()
		best = min(best, now().Sub(began))
	}
	return float64(best) / float64(referenceSlice)
}

var measured = sync.OnceValue(func() float64 { return slowness(time.Now, work) })

// slowness times the slices by wall time, so that it includes the time in which other
// programs had the CPU. It takes the median slice: a single interruption does not count,
// and a load that lasts does. For a wait this is the safe side, because a wait that is
// too long costs time only when something is broken. It cannot see a load that starts
// later, nor a CPU quota whose period is longer than the measurement.
func slowness(now func() time.Time, work func()) float64 {
	took := make([]time.Duration, measuredSlices)
	for i := range took {
		began := now()
		work()
		took[i] = now().Sub(began)
	}
	slices.Sort(took)
	return float64(took[measuredSlices/2]) / float64(referenceSlice)
}

// scale multiplies d by the slowness, held between 1 and MaxFactor.
func scale(d time.Duration, slowness float64) time.Duration {
	factor := 1.0
	if slowness > 1 {
		factor = min(slowness, MaxFactor)
	}
	if d <= 0 || float64(d)*factor >= float64(1<<63-1) {
		return d
	}
	return time.Duration(float64(d) * factor)
}

// work is one slice: xorshift steps that each need the one before, so that neither the
// number of cores nor the memory matters. It uses local variables and few branches, so
// that the race detector does not slow it down.
func work() {
	x := uint64(88172645463325252)
	for range sliceRounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	runtime.KeepAlive(x) // the compiler must not remove the loop
}
