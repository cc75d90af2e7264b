package scaler

import (
	"context"
	"time"
)

// Fleet is the replicas that a controller scales. Its methods may be called from several
// goroutines. Each returns soon after its context has ended.
type Fleet interface {
	// Read returns all replicas that exist, those that drain or have ended included. A replica
	// whose CPU was not measured before ctx ended has Measured false. An error means that it is not
	// known which replicas exist.
	Read(ctx context.Context) ([]Instance, error)
	// Start returns when the balancer sends requests to the replica of that name. If the name
	// exists and runs, Start continues an earlier start. If it exists and does not run, Start
	// replaces it. Two calls with the same name never make two replicas.
	Start(ctx context.Context, name string) error
	// Drain takes the replica off the balancer's list, tells it to stop, waits until it has answered
	// the requests in flight, and removes it. A replica that has ended is only removed. Drain
	// returns nil when no replica has that name.
	Drain(ctx context.Context, name string) error
}

// Instance is one replica of a fleet at one time. Its times are those of the run, not of the story.
type Instance struct {
	Name string
	// Ended says that it does not run: it has ended, or its start failed half way.
	Ended bool
	// ReadySince is the time since which the balancer sends it requests. It is zero for a replica
	// that is not on the balancer's list now.
	ReadySince time.Time
	// Utilisation is the CPU time that it used since the last measurement, as a share of its quota:
	// 0 to 1. It has no meaning while Measured is false.
	Utilisation float64
	Measured    bool
}

// Lease is held by one controller at a time. Each method returns soon after its context has ended.
type Lease interface {
	// Take takes the lease. It returns false when another controller holds it.
	Take(ctx context.Context) (bool, error)
	// Check reports whether the lease was held without a break since Take. After false, or an
	// error, it is not held until the next Take.
	Check(ctx context.Context) (bool, error)
	// Release gives the lease to the next controller that asks.
	Release(ctx context.Context) error
}

// alone is the lease of a controller that has no rival.
type alone struct{}

func (alone) Take(context.Context) (bool, error)  { return true, nil }
func (alone) Check(context.Context) (bool, error) { return true, nil }
func (alone) Release(context.Context) error       { return nil }
