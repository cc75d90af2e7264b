package scaling

import (
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
	// TODO(lab 06), step 2: keep the result within minReplicas and maxReplicas. Begin with
	// startReplicas when nothing runs and there is no history.
	var asked []window.Recommendation
	for _, reading := range history {
		asked = append(asked, window.Recommendation{At: reading.At, Instances: recommend(reading, state.Running)})
	}
	return settle(asked, now, state)
}

// recommend returns the number of replicas that one reading asks for, when that many run now. The
// formula is that of the Kubernetes HorizontalPodAutoscaler (Algorithm details), with its default
// tolerance of 0.1:
//
//	desired = ceil(current × utilisation / target)
//
// Current is the number of the replicas that serve: only they have the utilisation.
func recommend(reading autoscale.Reading, running int) int {
	// TODO(lab 06), step 2: it asks for one replica more or fewer, whatever the size of the breach.
	// Use the formula with the replicas of load. Above the target and its tolerance never ask for fewer
	// than running, below low never for more, and between the two for running.
	switch utilisation, _ := load(reading); {
	case utilisation > target:
		return running + 1
	case utilisation < low:
		return running - 1
	}
	return running
}

// settle returns the number of instances that should run, given what each reading asked for. The
// HorizontalPodAutoscaler calls such a window stabilizationWindowSeconds. On the way in it takes the
// highest recommendation of the window, of 300 s by default. Target tracking on AWS is alike: it adds
// capacity fast, and removes it gradually.
func settle(asked []window.Recommendation, now time.Time, state autoscale.State) int {
	// TODO(lab 06), step 3: the last reading decides at once, however old it is. Add instances
	// when all readings of outAfter asked for more: the lowest number of them. Remove instances when
	// all readings of inAfter asked for fewer: the highest number of them.
	//
	// TODO(lab 06), step 4: change nothing within cooldown after the last change.
	if len(asked) == 0 {
		return state.Running
	}
	return asked[len(asked)-1].Instances
}

// load returns the mean utilisation of a reading's replicas, and how many replicas serve. The
// HorizontalPodAutoscaler sets aside pods that are not ready yet, and pods without a metric. It assumes
// of these whatever makes the change smaller.
func load(reading autoscale.Reading) (mean float64, replicas int) {
	// TODO(lab 06), step 4: a replica that is starting, or that was not measured, counts as an idle
	// one. Leave out those that are not ready. Count one that was not measured, or that is ready
	// for less than warmUp, as if it were at the target: it asks for no change.
	for _, replica := range reading.Replicas {
		mean += replica.Utilisation
	}
	return mean / float64(len(reading.Replicas)), len(reading.Replicas)
}
