package wrong

import (
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
)

// WorkerRules are the parts of a worker policy.
type WorkerRules struct {
	// Needed returns what a backlog asks for, when that many run.
	Needed func(backlog autoscale.Backlog, running int) int
	Settle settling
	// NoCooldown leaves the cooldown out, and NoBound the limits.
	NoCooldown, NoBound bool
}

// WorkersBut returns a right worker policy with one change.
func WorkersBut(change func(*WorkerRules)) autoscale.WorkerPolicy {
	r := WorkerRules{Needed: PerWorker, Settle: Windows(outAfter, inAfter)}
	change(&r)
	return r.policy
}

func (r WorkerRules) policy(history []autoscale.Backlog, now time.Time, state autoscale.State) int {
	var asked []window.Recommendation
	for _, backlog := range history {
		asked = append(asked, window.Recommendation{At: backlog.At, Instances: r.Needed(backlog, state.Running)})
	}
	wanted := state.Running
	if r.NoCooldown || !AfterAnyChange(now, state) {
		wanted = r.Settle(asked, now, state)
	}
	if r.NoBound {
		return wanted
	}
	return max(1, min(wanted, 8))
}

// PerWorker asks for a worker for each 120 messages.
func PerWorker(backlog autoscale.Backlog, running int) int {
	if !backlog.Measured {
		return running
	}
	return int(math.Ceil(float64(backlog.Messages) / 120))
}

// SilentQueueIsEmpty takes a backlog that was not measured for an empty one.
func SilentQueueIsEmpty(backlog autoscale.Backlog, _ int) int {
	return int(math.Ceil(float64(backlog.Messages) / 120))
}

// OldBacklogCounts believes a number of messages above zero, also when it was not measured.
func OldBacklogCounts(backlog autoscale.Backlog, running int) int {
	backlog.Measured = backlog.Measured || backlog.Messages > 0
	return PerWorker(backlog, running)
}

// SilentAsksForConnected asks for the workers that the queue has, when the backlog was not measured.
func SilentAsksForConnected(backlog autoscale.Backlog, _ int) int {
	return PerWorker(backlog, backlog.Workers)
}

// SilentLeftOut drops the backlogs that were not measured.
func SilentLeftOut(history []autoscale.Backlog, now time.Time, state autoscale.State) int {
	measured := slices.DeleteFunc(slices.Clone(history), func(b autoscale.Backlog) bool { return !b.Measured })
	return WorkersBut(func(*WorkerRules) {})(measured, now, state)
}

// LastKnownBacklog takes the backlog before for one that was not measured.
func LastKnownBacklog(history []autoscale.Backlog, now time.Time, state autoscale.State) int {
	known := slices.Clone(history)
	for i := 1; i < len(known); i++ {
		if !known[i].Measured {
			known[i].Messages, known[i].Measured = known[i-1].Messages, known[i-1].Measured
		}
	}
	return WorkersBut(func(*WorkerRules) {})(known, now, state)
}

// NewestFirst sorts the history that it was given.
func NewestFirst(history []autoscale.Backlog, now time.Time, state autoscale.State) int {
	slices.SortFunc(history, func(a, b autoscale.Backlog) int { return b.At.Compare(a.At) })
	return WorkersBut(func(*WorkerRules) {})(history, now, state)
}

// ConnectedAreRunning takes the workers of the last backlog for those that run.
func ConnectedAreRunning(history []autoscale.Backlog, now time.Time, state autoscale.State) int {
	if len(history) > 0 {
		state.Running = history[len(history)-1].Workers
	}
	return WorkersBut(func(*WorkerRules) {})(history, now, state)
}

// OneWithoutHistory begins with one worker when there is no history.
func OneWithoutHistory(history []autoscale.Backlog, now time.Time, state autoscale.State) int {
	if len(history) == 0 {
		return 1
	}
	return WorkersBut(func(*WorkerRules) {})(history, now, state)
}

// WorkersRoundedDown is PerWorker with the result rounded down.
func WorkersRoundedDown(backlog autoscale.Backlog, running int) int {
	if !backlog.Measured {
		return running
	}
	return backlog.Messages / 120
}

// AbsoluteBacklog is the starter's worker policy.
func AbsoluteBacklog(history []autoscale.Backlog, _ time.Time, state autoscale.State) int {
	if len(history) == 0 {
		return state.Running
	}
	switch messages := history[len(history)-1].Messages; {
	case messages > 500:
		return state.Running + 1
	case messages == 0:
		return state.Running - 1
	}
	return state.Running
}

// AbsoluteInWindows asks for one worker more above 500 messages and for one fewer below 100.
func AbsoluteInWindows(backlog autoscale.Backlog, running int) int {
	switch {
	case backlog.Measured && backlog.Messages > 500:
		return running + 1
	case backlog.Measured && backlog.Messages < 100:
		return running - 1
	}
	return running
}

// MeanOfSizes is the starter's bill.
func MeanOfSizes(changes []autoscale.Change, from, until time.Time) float64 {
	if len(changes) == 0 {
		return 0
	}
	sum := 0
	for _, change := range changes {
		sum += change.Running
	}
	return float64(sum) / float64(len(changes)) * until.Sub(from).Hours()
}

// WithoutLast forgets the size after the last change.
func WithoutLast(changes []autoscale.Change, from, _ time.Time) float64 {
	hours := 0.0
	for i := 1; i < len(changes); i++ {
		begin := changes[i-1].At
		if begin.Before(from) {
			begin = from
		}
		hours += float64(changes[i-1].Running) * max(0, changes[i].At.Sub(begin).Hours())
	}
	return hours
}

// SinceFirst bills from the first change on, whenever that was.
func SinceFirst(changes []autoscale.Change, _, until time.Time) float64 {
	hours := 0.0
	for i, change := range changes {
		end := until
		if i+1 < len(changes) && changes[i+1].At.Before(until) {
			end = changes[i+1].At
		}
		hours += float64(change.Running) * max(0, end.Sub(change.At).Hours())
	}
	return hours
}

// WholeHours bills each hour that has begun, as some prices once were.
func WholeHours(changes []autoscale.Change, from, until time.Time) float64 {
	hours := 0.0
	for i, change := range changes {
		end := until
		if i+1 < len(changes) && changes[i+1].At.Before(until) {
			end = changes[i+1].At
		}
		begin := change.At
		if begin.Before(from) {
			begin = from
		}
		hours += float64(change.Running) * math.Ceil(max(0, end.Sub(begin).Hours()))
	}
	return hours
}

// CutInPlace moves changes before the bill to its beginning, in the list that it was given.
func CutInPlace(changes []autoscale.Change, from, until time.Time) float64 {
	for i := range changes {
		if changes[i].At.Before(from) {
			changes[i].At = from
		}
	}
	return BySteps(changes, from, until)
}

// NeverZero keeps the size before when a change says that none runs.
func NeverZero(changes []autoscale.Change, from, until time.Time) float64 {
	some := slices.DeleteFunc(slices.Clone(changes), func(c autoscale.Change) bool { return c.Running == 0 })
	return BySteps(some, from, until)
}

// BySteps is a right bill: it adds up the differences between two sizes, each until the end.
func BySteps(changes []autoscale.Change, from, until time.Time) float64 {
	paid := time.Duration(0)
	running := 0
	for _, change := range changes {
		at := change.At
		if at.Before(from) {
			at = from
		}
		if at.Before(until) {
			paid += time.Duration(change.Running-running) * until.Sub(at)
		}
		running = change.Running
	}
	return paid.Hours()
}

// SameSteps is the starter's step scaling: the steps have the same size for each fleet.
func SameSteps(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	return But(func(r *Rules) {
		r.Recommend = func(utilisation float64, _, running int) int {
			switch {
			case utilisation > 0.85:
				return running + 6
			case utilisation > breach:
				return running + 4
			case utilisation < low:
				return running - 4
			}
			return running
		}
	})(history, now, state)
}

// StepsOfOne is step scaling with steps of one replica.
func StepsOfOne(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	return But(func(r *Rules) { r.Recommend = OneAtATime })(history, now, state)
}

// OnlyYesterday asks for what yesterday needed, whatever happens today.
func OnlyYesterday(_ autoscale.Policy, yesterday []autoscale.Reading, startTime time.Duration) autoscale.Policy {
	return func(_ []autoscale.Reading, now time.Time, _ autoscale.State) int {
		return max(3, min(neededYesterday(yesterday, now, startTime+5*time.Minute), 10))
	}
}

// TooLate asks for what yesterday needed at this moment, so replicas start when the load is there.
func TooLate(policy autoscale.Policy, yesterday []autoscale.Reading, _ time.Duration) autoscale.Policy {
	return func(history []autoscale.Reading, now time.Time, state autoscale.State) int {
		return max(policy(history, now, state), min(neededYesterday(yesterday, now, 0), 10))
	}
}

// AllEvening runs what yesterday needed at most, for hours.
func AllEvening(policy autoscale.Policy, yesterday []autoscale.Reading, _ time.Duration) autoscale.Policy {
	return func(history []autoscale.Reading, now time.Time, state autoscale.State) int {
		return max(policy(history, now, state), min(neededYesterday(yesterday, now, 12*time.Hour), 10))
	}
}

// neededYesterday returns the most replicas that a reading of yesterday asks for, from this time of day
// on for that length of time.
func neededYesterday(yesterday []autoscale.Reading, now time.Time, length time.Duration) int {
	most := 0
	for _, reading := range yesterday {
		if until := reading.At.Add(24 * time.Hour).Sub(now); until >= 0 && until <= length {
			utilisation, replicas := AtTarget(reading)
			most = max(most, needed(utilisation, replicas))
		}
	}
	return most
}
