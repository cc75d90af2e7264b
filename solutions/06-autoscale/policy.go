package scaling

import (
	"math"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
)

// ByteBites' limits. Times are story time.
const (
	target    = 0.60 // the utilisation that a replica should have
	low       = 0.30 // below it there are too many replicas
	tolerance = 0.10 // share of the target by which a utilisation may exceed it

	minReplicas   = 3
	startReplicas = 5 // desired, when nothing runs yet
	maxReplicas   = 10

	outAfter = 5 * time.Minute  // a breach lasts this long before replicas are added
	inAfter  = 10 * time.Minute // a calm lasts this long before replicas are removed
	cooldown = 5 * time.Minute  // from one change to the next
	warmUp   = time.Minute      // from ready until the utilisation of a replica counts
)

// Desired is an autoscale.Policy for the web tier. It asks each reading for a number of replicas,
// and then settles on one number. It keeps nothing between two calls.
func Desired(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	if len(history) == 0 && state.Running == 0 {
		return startReplicas
	}
	var asked []window.Recommendation
	for _, reading := range history {
		asked = append(asked, window.Recommendation{At: reading.At, Instances: recommend(reading, state.Running)})
	}
	return max(minReplicas, min(settle(asked, now, state), maxReplicas))
}

// recommend returns the number of replicas that one reading asks for, when that many run now. The
// formula is that of the Kubernetes HorizontalPodAutoscaler (Algorithm details), with its default
// tolerance of 0.1:
//
//	desired = ceil(current × utilisation / target)
//
// Current is the number of the replicas that serve: only they have the utilisation. A busy reading
// never asks for fewer than run, because the others may still be starting.
func recommend(reading autoscale.Reading, running int) int {
	utilisation, replicas := load(reading)
	needed := int(math.Ceil(float64(replicas) * utilisation / target))
	switch {
	case utilisation > target*(1+tolerance):
		return max(running, needed)
	case utilisation < low:
		return min(running, needed)
	}
	return running
}

// settle returns the number of instances that should run, given what each reading asked for. The
// HorizontalPodAutoscaler calls such a window stabilizationWindowSeconds. On the way in it takes the
// highest recommendation of the window, of 300 s by default. Target tracking on AWS is alike: it adds
// capacity fast, and removes it gradually.
func settle(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	if now.Sub(window.LastChange(state)) < cooldown {
		return state.Running
	}
	if recent, covered := window.Last(asked, now, outAfter); covered && window.Lowest(recent) > state.Running {
		return window.Lowest(recent)
	}
	if recent, covered := window.Last(asked, now, inAfter); covered && window.Highest(recent) < state.Running {
		return window.Highest(recent)
	}
	return state.Running
}

// load returns the mean utilisation of a reading's replicas, and how many replicas serve. The
// HorizontalPodAutoscaler sets aside pods that are not ready yet, and pods without a metric. It assumes
// of these whatever makes the change smaller. Without a replica that serves
// the mean is the target, which asks for no change.
func load(reading autoscale.Reading) (mean float64, replicas int) {
	sum := 0.0
	for _, replica := range reading.Replicas {
		if replica.ReadySince.IsZero() {
			continue
		}
		replicas++
		if replica.Measured && reading.At.Sub(replica.ReadySince) >= warmUp {
			sum += replica.Utilisation
		} else {
			sum += target
		}
	}
	if replicas == 0 {
		return target, 0
	}
	return sum / float64(replicas), replicas
}
