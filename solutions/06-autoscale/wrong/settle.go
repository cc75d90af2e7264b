package wrong

import (
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
)

// settling is Rules.Settle.
type settling = func(asked []window.Recommendation, now time.Time, state autoscale.State) int

// Windows acts when all readings of a window agree: on the lowest number on the way out, and on the
// highest on the way in.
func Windows(out, in time.Duration) settling {
	return func(asked []window.Recommendation, now time.Time, state autoscale.State) int {
		if recent, covered := window.Last(asked, now, out); covered && window.Lowest(recent) > state.Running {
			return window.Lowest(recent)
		}
		if recent, covered := window.Last(asked, now, in); covered && window.Highest(recent) < state.Running {
			return window.Highest(recent)
		}
		return state.Running
	}
}

// Streak counts back from the last reading, as long as all ask for the same direction. It uses no
// window of the lab's, and acts on the mildest reading of the streak.
func Streak(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	wanted, since, next := state.Running, now, now
	for _, a := range slices.Backward(asked) {
		if a.At.After(now) {
			continue
		}
		if next.Sub(a.At) > window.MaxGap {
			break
		}
		out, in := a.Instances > state.Running, a.Instances < state.Running
		switch {
		case wanted == state.Running && since.Equal(now) && (out || in):
			wanted = a.Instances
		case wanted > state.Running && out:
			wanted = min(wanted, a.Instances)
		case wanted < state.Running && in && now.Sub(a.At) <= inAfter:
			wanted = max(wanted, a.Instances)
		case wanted < state.Running && in:
		default:
			return decided(wanted, now.Sub(since), state.Running)
		}
		since, next = a.At, a.At
	}
	return decided(wanted, now.Sub(since), state.Running)
}

// decided returns the wanted number when it was wanted for long enough.
func decided(wanted int, lasted time.Duration, running int) int {
	if wanted > running && lasted >= outAfter || wanted < running && lasted >= inAfter {
		return wanted
	}
	return running
}

// AtOnce does what the last reading asks for, however old it is.
func AtOnce(asked []window.Recommendation, _ time.Time, state autoscale.State) int {
	if len(asked) == 0 {
		return state.Running
	}
	return asked[len(asked)-1].Instances
}

// InAtOnce waits on the way out, and not on the way in.
func InAtOnce(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	recent, covered := window.Last(asked, now, outAfter)
	if covered && window.Lowest(recent) > state.Running {
		return window.Lowest(recent)
	}
	if len(recent) > 0 {
		return min(state.Running, recent[len(recent)-1].Instances)
	}
	return state.Running
}

// LastOfWindow waits for the windows, and then does what the last reading asks for.
func LastOfWindow(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	if Windows(outAfter, inAfter)(asked, now, state) != state.Running {
		return asked[len(asked)-1].Instances
	}
	return state.Running
}

// HighestOut waits for the window, and then adds what its busiest reading asked for.
func HighestOut(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	n := Windows(outAfter, inAfter)(asked, now, state)
	if n > state.Running {
		recent, _ := window.Last(asked, now, outAfter)
		return window.Highest(recent)
	}
	return n
}

// OneByOne waits for the windows, and then adds or removes one replica, as the first policy does.
func OneByOne(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	n := Windows(outAfter, inAfter)(asked, now, state)
	return max(state.Running-1, min(n, state.Running+1))
}

// OneByOneIn waits for the windows, adds what is needed at once, and removes one replica.
func OneByOneIn(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	return max(state.Running-1, Windows(outAfter, inAfter)(asked, now, state))
}

// MeanOfCalm waits for the window, and then leaves the mean of its readings' recommendations, rounded up.
func MeanOfCalm(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	n := Windows(outAfter, inAfter)(asked, now, state)
	if n < state.Running {
		recent, _ := window.Last(asked, now, inAfter)
		sum := 0
		for _, r := range recent {
			sum += r.Instances
		}
		return (sum + len(recent) - 1) / len(recent)
	}
	return n
}

// AllButOne acts when all readings of a window agree but one.
func AllButOne(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	sorted := func(length time.Duration) ([]window.Recommendation, bool) {
		recent, covered := window.Last(asked, now, length)
		slices.SortFunc(recent, func(a, b window.Recommendation) int { return a.Instances - b.Instances })
		return recent, covered && len(recent) > 1
	}
	if all, covered := sorted(outAfter); covered && all[1].Instances > state.Running {
		return all[1].Instances
	}
	if all, covered := sorted(inAfter); covered && all[len(all)-2].Instances < state.Running {
		return all[len(all)-2].Instances
	}
	return state.Running
}

// MeanOfWindow acts on the mean of the recommendations.
func MeanOfWindow(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	mean := func(length time.Duration) (int, bool) {
		recent, covered := window.Last(asked, now, length)
		sum := 0
		for _, r := range recent {
			sum += r.Instances
		}
		return sum / max(1, len(recent)), covered
	}
	if n, covered := mean(outAfter); covered && n > state.Running {
		return n
	}
	if n, covered := mean(inAfter); covered && n < state.Running {
		return n
	}
	return state.Running
}

// ByCount takes the last ten and the last twenty readings for windows.
func ByCount(asked []window.Recommendation, _ time.Time, state autoscale.State) int {
	if n := len(asked); n >= 11 && window.Lowest(asked[n-11:]) > state.Running {
		return window.Lowest(asked[n-11:])
	}
	if n := len(asked); n >= 21 && window.Highest(asked[n-21:]) < state.Running {
		return window.Highest(asked[n-21:])
	}
	return state.Running
}

// Uncovered believes that a window is covered by whatever readings are in it.
func Uncovered(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	if recent, _ := window.Last(asked, now, outAfter); len(recent) > 0 && window.Lowest(recent) > state.Running {
		return window.Lowest(recent)
	}
	if recent, _ := window.Last(asked, now, inAfter); len(recent) > 0 && window.Highest(recent) < state.Running {
		return window.Highest(recent)
	}
	return state.Running
}

// NoReadingLate wants a reading every thirty seconds.
func NoReadingLate(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	recent, _ := window.Last(asked, now, outAfter)
	for i := 1; i < len(recent); i++ {
		if recent[i].At.Sub(recent[i-1].At) > 45*time.Second {
			return state.Running
		}
	}
	return Windows(outAfter, inAfter)(asked, now, state)
}

// ByTheHistory measures the windows, and the cooldown, from the last reading and not from now.
func ByTheHistory(asked []window.Recommendation, _ time.Time, state autoscale.State) int {
	if len(asked) == 0 {
		return state.Running
	}
	return Windows(outAfter, inAfter)(asked, asked[len(asked)-1].At, state)
}

// CooldownByReading measures the cooldown up to the last reading, and the windows up to now.
func CooldownByReading(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	return But(func(r *Rules) {
		r.Cooling = func(_ time.Time, state autoscale.State) bool {
			return AfterAnyChange(history[len(history)-1].At, state)
		}
	})(history, now, state)
}

// FutureBlocks does nothing as long as the history has a reading of the future.
func FutureBlocks(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	for _, a := range asked {
		if a.At.After(now) {
			return state.Running
		}
	}
	return Windows(outAfter, inAfter)(asked, now, state)
}

// Remembers counts breaches and calms in memory, from one call to the next.
func Remembers() autoscale.Policy {
	breaches, calms := 0, 0
	return func(history []autoscale.Reading, now time.Time, state autoscale.State) int {
		r := Good()
		r.Settle = func(asked []window.Recommendation, _ time.Time, state autoscale.State) int {
			last := asked[len(asked)-1].Instances
			switch {
			case last > state.Running:
				breaches, calms = breaches+1, 0
			case last < state.Running:
				breaches, calms = 0, calms+1
			default:
				breaches, calms = 0, 0
			}
			if breaches > 10 || calms > 20 {
				return last
			}
			return state.Running
		}
		return r.Policy(history, now, state)
	}
}

// SharedBuffer keeps the memory of its recommendations for the next call. A lock guards each use of it.
func SharedBuffer() autoscale.Policy {
	var mu sync.Mutex
	var buffer []window.Recommendation
	return func(history []autoscale.Reading, now time.Time, state autoscale.State) int {
		r := Good()
		if len(history) == 0 || r.Cooling(now, state) {
			return r.Policy(history, now, state)
		}
		mu.Lock()
		buffer = buffer[:0]
		mu.Unlock()
		for _, reading := range history {
			utilisation, replicas := r.Load(reading)
			asked := window.Recommendation{At: reading.At, Instances: r.Recommend(utilisation, replicas, state.Running)}
			mu.Lock()
			buffer = append(buffer, asked)
			mu.Unlock()
		}
		mu.Lock()
		defer mu.Unlock()
		return r.Bound(r.Settle(buffer, now, state))
	}
}

// Tidies removes replicas that are not ready from the history that it was given.
func Tidies(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	for i := range history {
		history[i].Replicas = slices.DeleteFunc(history[i].Replicas, func(r autoscale.Replica) bool { return r.ReadySince.IsZero() })
	}
	return Good().Policy(history, now, state)
}
