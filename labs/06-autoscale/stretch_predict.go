package scaling

import (
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// Ahead returns a policy that asks the given one, Desired, and also knows the readings of yesterday.
// StartTime is the time from the decision for a replica until it serves.
//
// TODO(lab 06, deep dive): dinner comes every day, and this waits for it. Ask for at least the
// number of replicas that the load of yesterday needed at this time of day and for some time after it:
// a replica must serve before the load is there. Never ask for fewer than the given policy does.
func Ahead(policy autoscale.Policy, _ []autoscale.Reading, _ time.Duration) autoscale.Policy {
	return policy
}
