// Package window selects recommendations by time. It is given.
package window

import (
	"slices"
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// MaxGap is the longest time between two readings in a window that is covered. The controller reads
// every 15 or 30 seconds, so one late reading leaves no gap.
const MaxGap = 90 * time.Second

// Recommendation is the number of instances that one reading asks for.
type Recommendation struct {
	At        time.Time
	Instances int
}

// Last returns the recommendations of that length of time before now, the oldest first. Covered
// reports whether readings cover all of this time: one is as old as the window, and no two in a row
// are more than MaxGap apart, now included. Readings of the future, which a clock that was set back
// leaves behind, do not count. Last does not change all.
func Last(all []Recommendation, now time.Time, length time.Duration) (recent []Recommendation, covered bool) {
	begin := now.Add(-length)
	sorted := slices.DeleteFunc(slices.Clone(all), func(r Recommendation) bool { return r.At.After(now) })
	slices.SortStableFunc(sorted, func(a, b Recommendation) int { return a.At.Compare(b.At) })
	covered = true
	next := now
	for i := len(sorted) - 1; i >= 0; i-- {
		at := sorted[i].At
		if next.After(begin) && next.Sub(at) > MaxGap {
			covered = false
		}
		if at.Before(begin) {
			break
		}
		recent, next = append(recent, sorted[i]), at
	}
	slices.Reverse(recent)
	return recent, covered && len(recent) > 0 && !sorted[0].At.After(begin)
}

// Lowest returns the smallest number of instances of one or more recommendations.
func Lowest(recent []Recommendation) int {
	return slices.MinFunc(recent, byInstances).Instances
}

// Highest returns the largest number of instances of one or more recommendations.
func Highest(recent []Recommendation) int {
	return slices.MaxFunc(recent, byInstances).Instances
}

func byInstances(a, b Recommendation) int { return a.Instances - b.Instances }

// LastChange returns the time of the last change in either direction; zero before the first.
func LastChange(state autoscale.State) time.Time {
	if state.LastIn.After(state.LastOut) {
		return state.LastIn
	}
	return state.LastOut
}
