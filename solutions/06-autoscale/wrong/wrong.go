// Package wrong has wrong answers to lab 06, and right ones that differ from the solution. The policies
// are made from rules, so that each has one mistake.
package wrong

import (
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
)

const (
	target = 0.60
	low    = 0.30
	breach = 0.66

	outAfter = 5 * time.Minute
	inAfter  = 10 * time.Minute
	cooldown = 5 * time.Minute
	warmUp   = time.Minute
)

// Rules are the parts of a policy.
type Rules struct {
	// Load returns the mean utilisation of a reading, and the number of replicas that it stands for.
	Load func(autoscale.Reading) (float64, int)
	// Recommend returns what a reading with that load asks for.
	Recommend func(utilisation float64, replicas, running int) int
	// Settle returns the number that should run.
	Settle func(asked []window.Recommendation, now time.Time, state autoscale.State) int
	// Cooling reports whether the last change is too recent for another.
	Cooling func(now time.Time, state autoscale.State) bool
	// Bound keeps a number within the limits.
	Bound func(int) int
	// Begin is the number of replicas without a history, when that many run.
	Begin func(running int) int
}

// Good returns rules without a mistake.
func Good() Rules {
	return Rules{
		Load: AtTarget, Recommend: Formula, Settle: Windows(outAfter, inAfter), Cooling: AfterAnyChange,
		Bound: func(n int) int { return max(3, min(n, 10)) },
		Begin: func(running int) int {
			if running == 0 {
				return 5
			}
			return running
		},
	}
}

// But returns good rules with one change.
func But(change func(*Rules)) autoscale.Policy {
	r := Good()
	change(&r)
	return r.Policy
}

// Policy is the autoscale.Policy of the rules.
func (r Rules) Policy(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	if len(history) == 0 {
		return r.Bound(r.Begin(state.Running))
	}
	if r.Cooling(now, state) {
		return r.Bound(state.Running)
	}
	var asked []window.Recommendation
	for _, reading := range history {
		utilisation, replicas := r.Load(reading)
		asked = append(asked, window.Recommendation{At: reading.At, Instances: r.Recommend(utilisation, replicas, state.Running)})
	}
	return r.Bound(r.Settle(asked, now, state))
}

// FiveWhenNoneRuns begins with five whenever nothing runs, also with a history.
func FiveWhenNoneRuns(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	if state.Running == 0 {
		return 5
	}
	return Good().Policy(history, now, state)
}

// warm reports whether the utilisation of a replica counts.
func warm(reading autoscale.Reading, replica autoscale.Replica) bool {
	return replica.Measured && !replica.ReadySince.IsZero() && reading.At.Sub(replica.ReadySince) >= warmUp
}

// AtTarget counts ready replicas, those that say nothing as if they were at the target.
func AtTarget(reading autoscale.Reading) (float64, int) {
	ready, above := 0, 0.0
	for _, replica := range reading.Replicas {
		if !replica.ReadySince.IsZero() {
			ready++
		}
		if warm(reading, replica) {
			above += replica.Utilisation - target
		}
	}
	return target + above/float64(max(1, ready)), ready
}

// OfAll counts all replicas, starting and silent ones as idle.
func OfAll(reading autoscale.Reading) (float64, int) {
	sum := 0.0
	for _, replica := range reading.Replicas {
		sum += replica.Utilisation
	}
	return sum / float64(len(reading.Replicas)), len(reading.Replicas)
}

// SilentAsIdle leaves starting replicas out, and counts silent ones as idle.
func SilentAsIdle(reading autoscale.Reading) (float64, int) {
	sum, ready := 0.0, 0
	for _, replica := range reading.Replicas {
		switch {
		case replica.ReadySince.IsZero():
			continue
		case reading.At.Sub(replica.ReadySince) < warmUp:
			sum += target
		default:
			sum += replica.Utilisation // 0 when it was not measured
		}
		ready++
	}
	if ready == 0 {
		return target, 0
	}
	return sum / float64(ready), ready
}

// SilentBlocks asks for no change as soon as one ready replica was not measured.
func SilentBlocks(reading autoscale.Reading) (float64, int) {
	for _, replica := range reading.Replicas {
		if !replica.ReadySince.IsZero() && !replica.Measured {
			return target, len(reading.Replicas)
		}
	}
	return AtTarget(reading)
}

// MeasuredOnly takes the mean of the measured replicas for the mean of all that are ready.
func MeasuredOnly(reading autoscale.Reading) (float64, int) {
	sum, measured, ready := 0.0, 0, 0
	for _, replica := range reading.Replicas {
		if !replica.ReadySince.IsZero() {
			ready++
		}
		if warm(reading, replica) {
			measured++
			sum += replica.Utilisation
		}
	}
	if measured == 0 {
		return target, ready
	}
	return sum / float64(measured), ready
}

// MeasuredAndCareful is MeasuredOnly, and says that no replica is idle while one is silent or fresh.
func MeasuredAndCareful(reading autoscale.Reading) (float64, int) {
	mean, ready := MeasuredOnly(reading)
	for _, replica := range reading.Replicas {
		if !replica.ReadySince.IsZero() && !warm(reading, replica) {
			mean = max(mean, low)
		}
	}
	return mean, ready
}

// LikeKubernetes makes a change smaller by each replica that says nothing. On the way out such a one, and
// one that is starting, count as idle. On the way in a silent one, and one that is not warm, count as if
// they were at the target.
func LikeKubernetes(reading autoscale.Reading) (float64, int) {
	sum, told, silent, starting := 0.0, 0, 0, 0
	for _, replica := range reading.Replicas {
		switch {
		case warm(reading, replica):
			sum += replica.Utilisation
			told++
		case replica.ReadySince.IsZero():
			starting++
		default:
			silent++
		}
	}
	if told == 0 {
		return target, 0
	}
	switch mean := sum / float64(told); {
	case mean > target:
		all := told + silent + starting
		return max(target, sum/float64(all)), all
	case mean < low:
		ready := told + silent
		return (sum + target*float64(silent)) / float64(ready), ready
	default:
		return mean, told
	}
}

// StartingAsIdle counts a starting replica as idle, and a silent one as if it were at the target.
func StartingAsIdle(reading autoscale.Reading) (float64, int) {
	sum := 0.0
	for _, replica := range reading.Replicas {
		switch {
		case replica.ReadySince.IsZero() && replica.Measured:
		case replica.Measured:
			sum += replica.Utilisation
		default:
			sum += target
		}
	}
	if len(reading.Replicas) == 0 {
		return target, 0
	}
	return sum / float64(len(reading.Replicas)), len(reading.Replicas)
}

// FreshCounts is AtTarget without the warm-up.
func FreshCounts(reading autoscale.Reading) (float64, int) {
	sum, ready := 0.0, 0
	for _, replica := range reading.Replicas {
		if replica.ReadySince.IsZero() {
			continue
		}
		ready++
		if replica.Measured {
			sum += replica.Utilisation
		} else {
			sum += target
		}
	}
	if ready == 0 {
		return target, 0
	}
	return sum / float64(ready), ready
}

// SilentAsBusy counts a silent replica as if it were at 100 %.
func SilentAsBusy(reading autoscale.Reading) (float64, int) {
	mean, ready := AtTarget(reading)
	for _, replica := range reading.Replicas {
		if !replica.ReadySince.IsZero() && !replica.Measured {
			mean += (1 - target) / float64(ready)
		}
	}
	return mean, ready
}

// SinceReady is AtTarget with a warm-up by the clock of the machine.
func SinceReady(reading autoscale.Reading) (float64, int) {
	warm := autoscale.Reading{At: reading.At}
	for _, replica := range reading.Replicas {
		if !replica.ReadySince.IsZero() && time.Since(replica.ReadySince) >= warmUp {
			replica.ReadySince = reading.At.Add(-warmUp)
		}
		warm.Replicas = append(warm.Replicas, replica)
	}
	return AtTarget(warm)
}

// AllServe has the utilisation of the ready replicas, and the number of all.
func AllServe(reading autoscale.Reading) (float64, int) {
	mean, _ := AtTarget(reading)
	return mean, len(reading.Replicas)
}

// DownIsIdle says that a fleet without a ready replica is idle.
func DownIsIdle(reading autoscale.Reading) (float64, int) {
	mean, ready := AtTarget(reading)
	if ready == 0 {
		return 0, 0
	}
	return mean, ready
}

// ZeroIsMissing sees from a utilisation of zero that a replica was not measured.
func ZeroIsMissing(reading autoscale.Reading) (float64, int) {
	ready, above := 0, 0.0
	for _, replica := range reading.Replicas {
		if replica.ReadySince.IsZero() {
			continue
		}
		ready++
		if replica.Utilisation > 0 && reading.At.Sub(replica.ReadySince) >= warmUp {
			above += replica.Utilisation - target
		}
	}
	return target + above/float64(max(1, ready)), ready
}

// OldValueCounts believes a utilisation above zero, also when it was not measured.
func OldValueCounts(reading autoscale.Reading) (float64, int) {
	reading.Replicas = slices.Clone(reading.Replicas)
	for i, replica := range reading.Replicas {
		reading.Replicas[i].Measured = replica.Measured || replica.Utilisation > 0
	}
	return AtTarget(reading)
}

// SilentDoNotServe has the mean of all ready replicas, and the number of those that have told theirs.
func SilentDoNotServe(reading autoscale.Reading) (float64, int) {
	mean, _ := AtTarget(reading)
	told := 0
	for _, replica := range reading.Replicas {
		if warm(reading, replica) {
			told++
		}
	}
	return mean, told
}

// Median takes the replica in the middle for the mean.
func Median(reading autoscale.Reading) (float64, int) {
	var all []float64
	for _, replica := range reading.Replicas {
		switch {
		case warm(reading, replica):
			all = append(all, replica.Utilisation)
		case !replica.ReadySince.IsZero():
			all = append(all, target)
		}
	}
	if len(all) == 0 {
		return target, 0
	}
	slices.Sort(all)
	return all[len(all)/2], len(all)
}

// FreshLeftOut leaves out the replicas that are not warm, and counts silent ones as at the target.
func FreshLeftOut(reading autoscale.Reading) (float64, int) {
	reading.Replicas = slices.DeleteFunc(slices.Clone(reading.Replicas), func(r autoscale.Replica) bool {
		return reading.At.Sub(r.ReadySince) < warmUp
	})
	return AtTarget(reading)
}

// LongWarmUp counts a replica as fresh that has been ready for exactly the warm-up.
func LongWarmUp(reading autoscale.Reading) (float64, int) {
	reading.Replicas = slices.Clone(reading.Replicas)
	for i, replica := range reading.Replicas {
		reading.Replicas[i].Measured = replica.Measured && reading.At.Sub(replica.ReadySince) > warmUp
	}
	return AtTarget(reading)
}

// needed is the formula, rounded up.
func needed(utilisation float64, replicas int) int {
	return int(math.Ceil(float64(replicas) * utilisation / target))
}

// Formula asks for the number of the formula, outside the dead band.
func Formula(utilisation float64, replicas, running int) int {
	switch {
	case utilisation > breach:
		return max(running, needed(utilisation, replicas))
	case utilisation < low:
		return min(running, needed(utilisation, replicas))
	}
	return running
}

// PerMille is Formula in whole numbers, and within the bounds.
func PerMille(utilisation float64, replicas, running int) int {
	mille := int(math.Round(1000 * utilisation))
	wanted := max(3, min((replicas*mille+599)/600, 10))
	if mille > 660 && wanted > running || mille < 300 && wanted < running {
		return wanted
	}
	return running
}

// OneAtATime asks for one replica more or fewer.
func OneAtATime(utilisation float64, _, running int) int {
	switch {
	case utilisation > target:
		return running + 1
	case utilisation < low:
		return running - 1
	}
	return running
}

// RoundedDown is Formula with the result rounded down.
func RoundedDown(utilisation float64, replicas, running int) int {
	if utilisation > breach || utilisation < low {
		return int(float64(replicas) * utilisation / target)
	}
	return running
}

// NoTolerance asks for more as soon as the target is exceeded.
func NoTolerance(utilisation float64, replicas, running int) int {
	if utilisation > target {
		return max(running, needed(utilisation, replicas))
	}
	return Formula(utilisation, replicas, running)
}

// LowIsCalm asks for fewer at low, and not only below it.
func LowIsCalm(utilisation float64, replicas, running int) int {
	if utilisation == low {
		return min(running, needed(utilisation, replicas))
	}
	return Formula(utilisation, replicas, running)
}

// NoDeadBand asks for fewer as soon as the utilisation is below the target and its tolerance.
func NoDeadBand(utilisation float64, replicas, running int) int {
	if utilisation < target*0.9 {
		return min(running, needed(utilisation, replicas))
	}
	return Formula(utilisation, replicas, running)
}

// BusyAsksForFewer takes the formula alone, whatever the utilisation says of the direction.
func BusyAsksForFewer(utilisation float64, replicas, running int) int {
	if utilisation > breach || utilisation < low {
		return needed(utilisation, replicas)
	}
	return running
}

// RunningAsFactor is Formula with all replicas that run in the place of those that serve.
func RunningAsFactor(utilisation float64, _, running int) int {
	return Formula(utilisation, running, running)
}

// CalmAsksForMore is Formula without its bound below low.
func CalmAsksForMore(utilisation float64, replicas, running int) int {
	if utilisation < low {
		return needed(utilisation, replicas)
	}
	return Formula(utilisation, replicas, running)
}

// OneMore asks for at least one replica more in each breach.
func OneMore(utilisation float64, replicas, running int) int {
	if utilisation > breach {
		return max(running+1, needed(utilisation, replicas))
	}
	return Formula(utilisation, replicas, running)
}

// WideTolerance adds the tolerance to the target, and so ends at 70 %.
func WideTolerance(utilisation float64, replicas, running int) int {
	if utilisation <= target+0.10 {
		return min(running, Formula(utilisation, replicas, running))
	}
	return Formula(utilisation, replicas, running)
}

// AfterAnyChange waits after a change in either direction.
func AfterAnyChange(now time.Time, state autoscale.State) bool {
	return now.Before(state.LastOut.Add(cooldown)) || now.Before(state.LastIn.Add(cooldown))
}

// SinceChange waits by the clock of the machine.
func SinceChange(_ time.Time, state autoscale.State) bool {
	return time.Since(window.LastChange(state)) < cooldown
}

// Never does not wait.
func Never(time.Time, autoscale.State) bool { return false }

// AfterOut waits after replicas were added, and not after some were removed.
func AfterOut(now time.Time, state autoscale.State) bool { return now.Sub(state.LastOut) < cooldown }

// OneMinute waits for one minute after a change.
func OneMinute(now time.Time, state autoscale.State) bool {
	return now.Sub(window.LastChange(state)) < time.Minute
}

// LongAfterIn waits for twice the cooldown after replicas were removed.
func LongAfterIn(now time.Time, state autoscale.State) bool {
	return AfterAnyChange(now, state) || now.Sub(state.LastIn) < 2*cooldown
}
