package scaling

import (
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
)

// StepScaling is an autoscale.Policy: a table says how many replicas to add or to remove at each
// utilisation.
func StepScaling(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	var asked []window.Recommendation
	for _, reading := range history {
		utilisation, _ := load(reading)
		asked = append(asked, window.Recommendation{At: reading.At, Instances: state.Running + step(utilisation, state.Running)})
	}
	return max(minReplicas, min(settle(asked, now, state), maxReplicas))
}

// step returns by how many replicas the number changes at that utilisation.
//
// TODO(lab 06, deep dive): four more are much for three replicas and little for ten. So a step can
// land beyond the other threshold, and the next step goes back. Make each step a share of running.
func step(utilisation float64, _ int) int {
	switch {
	case utilisation > 0.85:
		return 6
	case utilisation > target*(1+tolerance):
		return 4
	case utilisation < low:
		return -4
	}
	return 0
}
