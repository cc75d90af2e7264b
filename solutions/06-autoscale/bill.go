package scaling

import (
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// InstanceHours returns the instance-hours to pay between two times. The
// changes are in order of time. The function does not edit them. Nothing runs before the first one.
func InstanceHours(changes []autoscale.Change, from, until time.Time) float64 {
	hours := 0.0
	for i, change := range changes {
		begin, end := change.At, until
		if begin.Before(from) {
			begin = from
		}
		if i+1 < len(changes) && changes[i+1].At.Before(until) {
			end = changes[i+1].At
		}
		hours += float64(change.Running) * max(0, end.Sub(begin).Hours())
	}
	return hours
}

// TimesCheaper returns how many times as much a fixed number of instances would cost in that time.
func TimesCheaper(changes []autoscale.Change, from, until time.Time, fixed int) float64 {
	return float64(fixed) * until.Sub(from).Hours() / InstanceHours(changes, from, until)
}
