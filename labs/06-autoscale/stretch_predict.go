package scaling

import (
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// Ahead returns a policy that asks the given one, Desired, and also knows the readings of yesterday.
// StartTime is the time from the decision for a replica until it serves.
//
// TODO(lab 06, deep dive): dinner comes every day, and this waits for it. Look at yesterday's readings
// from this time of day until a replica that starts now would serve, and a little more. Ask for at least
// the replicas that this load needed. Never ask for fewer than the given policy does.
func Ahead(policy autoscale.Policy, _ []autoscale.Reading, _ time.Duration) autoscale.Policy {
	return policy
}
