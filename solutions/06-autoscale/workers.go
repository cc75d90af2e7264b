package scaling

import (
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
)

// A worker handles two messages a second, and a message may wait for a minute. So each worker may
// have a backlog of 120 messages. AWS calls this the acceptable backlog per instance.
const (
	perWorker  = 120
	minWorkers = 1
	maxWorkers = 8
)

// Workers is an autoscale.WorkerPolicy for the workers of lab 05. AWS describes backlog per instance
// in "Scaling policy based on Amazon SQS".
func Workers(history []autoscale.Backlog, now time.Time, state autoscale.State) int {
	var asked []window.Recommendation
	for _, backlog := range history {
		instances := state.Running
		if backlog.Measured {
			instances = max(minWorkers, min((backlog.Messages+perWorker-1)/perWorker, maxWorkers))
		}
		asked = append(asked, window.Recommendation{At: backlog.At, Instances: instances})
	}
	return max(minWorkers, min(settle(asked, now, state), maxWorkers))
}
