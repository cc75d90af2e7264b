package scaling

import (
	"math"
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

const (
	// aDay is from a reading to the same time of the next day.
	aDay = 24 * time.Hour
	// early allows for a dinner that begins a little before that of yesterday.
	early = 5 * time.Minute
)

// Ahead returns a policy that asks the given one, Desired, and also knows the readings of yesterday.
// StartTime is the time from the decision for a replica until it serves. Load is the mean utilisation times the replicas that serve,
// so it does not matter how many replicas ran yesterday, unless they were overloaded.
func Ahead(policy autoscale.Policy, yesterday []autoscale.Reading, startTime time.Duration) autoscale.Policy {
	return func(history []autoscale.Reading, now time.Time, state autoscale.State) int {
		var needed int
		for _, reading := range yesterday {
			at := reading.At.Add(aDay)
			if !at.Before(now) && !at.After(now.Add(startTime+early)) {
				utilisation, replicas := load(reading)
				needed = max(needed, int(math.Ceil(float64(replicas)*utilisation/target)))
			}
		}
		return max(policy(history, now, state), min(needed, maxReplicas))
	}
}
