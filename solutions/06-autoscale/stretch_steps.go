package scaling

import (
	"math"
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

// step returns by how many replicas the number changes at that utilisation. Each step is a share of
// running, rounded up.
func step(utilisation float64, running int) int {
	share := func(of float64) float64 { return of * float64(running) }
	switch {
	case utilisation > 0.85:
		return int(math.Ceil(share(0.50)))
	case utilisation > target*(1+tolerance):
		return int(math.Ceil(share(0.25)))
	case utilisation < low:
		return -int(math.Ceil(share(0.20)))
	}
	return 0
}
