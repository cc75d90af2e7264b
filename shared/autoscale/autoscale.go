// Package autoscale has the types that an autoscaling policy and the controller share. A policy is
// a pure function: it sees a history and returns a number of instances. The controller measures the
// history and carries out the answer.
package autoscale

import "time"

// Reading is what the controller measured of all replicas at one time.
type Reading struct {
	At       time.Time
	Replicas []Replica
}

// Replica is one replica in a reading.
type Replica struct {
	Name string
	// ReadySince is the time at which the balancer first sent it requests. It is zero for a replica
	// that is starting.
	ReadySince time.Time
	// Utilisation is the CPU time that the replica used since the reading before, as a share of its
	// quota: 0 to 1. It has no meaning while Measured is false.
	Utilisation float64
	// Measured is false when the engine did not answer in time for this replica.
	Measured bool
}

// Backlog is what the controller measured of a queue at one time.
type Backlog struct {
	At time.Time
	// Messages is the number of messages that are in the queue, unacknowledged ones included.
	Messages int
	// Workers is the number of workers that consume from the queue.
	Workers int
	// Measured is false when the broker did not answer in time.
	Measured bool
}

// State is what the controller did so far.
type State struct {
	// Running is the number of instances that run or start. Instances that drain do not count.
	Running int
	// LastOut and LastIn are the times of the last change to more and to fewer instances. They are
	// zero before the first change.
	LastOut, LastIn time.Time
}

// Policy returns the number of replicas that should run. The history begins with the oldest
// reading. A policy does not edit it. The same arguments always give the same result.
type Policy func(history []Reading, now time.Time, state State) int

// WorkerPolicy returns the number of queue workers that should run. The history begins with the
// oldest backlog. A policy does not edit it. The same arguments always give the same result.
type WorkerPolicy func(history []Backlog, now time.Time, state State) int

// Change is one change of the number of running instances.
type Change struct {
	At      time.Time
	Running int // from At on
}
