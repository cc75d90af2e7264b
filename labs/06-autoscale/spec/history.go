package spec

import (
	"fmt"
	"math/rand/v2"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

// every is the time between two readings in the histories of the checks.
const every = 30 * time.Second

// five is five o'clock, when dinner begins.
func five() time.Time { return time.Date(2026, time.May, 7, 17, 0, 0, 0, time.UTC) }

// condition is what a replica is in, in a reading.
type condition int

const (
	serving    condition = iota
	restarting           // ready for half a minute, in each reading: it crashes again and again
	warmed               // ready for a minute, in each reading: its utilisation counts
	starting
	missing // ready, and not measured; the utilisation is an old one
	down    // not ready, and not measured
)

// group is some replicas of a reading in one condition.
type group struct {
	number      int
	condition   condition
	utilisation float64
}

// reading returns what the controller measured of the groups, that long before now.
func reading(now time.Time, age time.Duration, groups ...group) autoscale.Reading {
	at := now.Add(-age)
	r := autoscale.Reading{At: at}
	for _, g := range groups {
		for range g.number {
			replica := autoscale.Replica{Name: fmt.Sprintf("replica-%d", len(r.Replicas)+1), ReadySince: at.Add(-3 * time.Hour), Measured: true}
			switch g.condition {
			case serving:
				replica.Utilisation = g.utilisation
			case restarting:
				replica.ReadySince, replica.Utilisation = at.Add(-every), g.utilisation
			case warmed:
				replica.ReadySince, replica.Utilisation = at.Add(-warmUp), g.utilisation
			case starting:
				replica.ReadySince = time.Time{}
			case missing:
				replica.Measured, replica.Utilisation = false, g.utilisation
			case down:
				replica.ReadySince, replica.Measured = time.Time{}, false
			}
			r.Replicas = append(r.Replicas, replica)
		}
	}
	return r
}

// history returns the readings of a length of time until now, the oldest first. The groups of a
// reading follow from its age.
func history(now time.Time, length time.Duration, groups func(age time.Duration) []group) []autoscale.Reading {
	var all []autoscale.Reading
	for age := length; age >= 0; age -= every {
		all = append(all, reading(now, age, groups(age)...))
	}
	return all
}

// steady returns half an hour of readings that are all alike.
func steady(now time.Time, groups ...group) []autoscale.Reading {
	return history(now, 30*time.Minute, func(time.Duration) []group { return groups })
}

// question is one call of a policy.
type question struct {
	history []autoscale.Reading
	now     time.Time
	state   autoscale.State
}

// ask calls a policy. A panic is the learner's to mend.
func ask(policy autoscale.Policy, q question, look lab.Look) (n int, err error) {
	defer rescue(&err, look)
	return policy(q.history, q.now, q.state), nil
}

// rescue turns a panic of the learner's code into a failure.
func rescue(err *error, look lab.Look) {
	if said := recover(); said != nil {
		*err = &lab.Failure{Expected: "an answer", Seen: fmt.Sprintf("a panic: %v", said), Look: look}
	}
}

// odd returns a question that a controller may ask on a bad day: readings late, missing, out of order
// or of the future, replicas that are nowhere ready, a state without changes or with recent ones.
func odd(random *rand.Rand) question {
	at := five()
	q := question{state: autoscale.State{Running: random.IntN(13)}}
	for range random.IntN(50) {
		at = at.Add(time.Duration(random.IntN(90)) * time.Second)
		switch random.IntN(25) {
		case 0:
			at = at.Add(time.Hour)
		case 1:
			at = at.Add(-30 * time.Minute)
		}
		r := autoscale.Reading{At: at}
		busy := random.Float64()
		for i := range random.IntN(13) {
			replica := autoscale.Replica{Name: fmt.Sprintf("replica-%d", i+1), Measured: random.IntN(8) > 0}
			if random.IntN(5) > 0 {
				replica.ReadySince = at.Add(-time.Duration(random.IntN(600)-30) * time.Second)
			}
			if replica.Measured {
				replica.Utilisation = max(0, min(busy+0.1*random.NormFloat64(), 1))
			}
			r.Replicas = append(r.Replicas, replica)
		}
		q.history = append(q.history, r)
	}
	q.now = at.Add(time.Duration(random.IntN(600)-60) * time.Second)
	if random.IntN(2) == 0 {
		q.state.LastOut = q.now.Add(-time.Duration(random.IntN(900)) * time.Second)
	}
	if random.IntN(2) == 0 {
		q.state.LastIn = q.now.Add(-time.Duration(random.IntN(900)) * time.Second)
	}
	return q
}
