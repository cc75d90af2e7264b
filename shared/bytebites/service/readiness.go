package service

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// checkEvery is how long the result of a check stays valid, regardless of how often a load
	// balancer asks.
	checkEvery = time.Second
	// checkTimeout bounds one check.
	checkTimeout = 2 * time.Second
	// goneAfter is how long a database may leave checks unanswered before it counts as gone.
	goneAfter = 5 * time.Second
)

// pinger is a database that can be pinged.
type pinger interface {
	PingContext(ctx context.Context) error
}

// readiness reports whether this replica has what it needs to answer requests.
//
// It pings each database over a separate connection, never over the pool's. A busy pool means load,
// not a broken replica. If the balancer removed a busy replica, its load would move to the others
// until none is left. For the same reason a database that does not answer in time counts as busy,
// until it has been silent for five seconds. A database that refuses the connection counts as gone
// at once.
type readiness struct {
	databases map[string]pinger
	now       func() time.Time

	flight singleflight.Group
	last   atomic.Pointer[checked]
}

// checked is the result of a check.
type checked struct {
	at       time.Time
	answered time.Time // when all databases last answered
	err      error
}

func newReadiness(databases map[string]pinger, now func() time.Time) *readiness {
	r := &readiness{databases: databases, now: now}
	// Run has just used the databases.
	r.last.Store(&checked{at: now(), answered: now()})
	return r
}

// Healthy returns nil if all databases answer. There is at most one check at a time and one a
// second.
func (r *readiness) Healthy(ctx context.Context) error {
	last := r.last.Load()
	if r.now().Sub(last.at) < checkEvery {
		return last.err
	}
	// The check outlives the request that started it, because other requests wait for it too.
	result := r.flight.DoChan("check", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		next := r.check(ctx, *r.last.Load())
		r.last.Store(&next)
		return nil, next.err
	})
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case found := <-result:
		return found.Err
	}
}

func (r *readiness) check(ctx context.Context, last checked) checked {
	var failures []error
	silent := false
	for name, database := range r.databases {
		err := database.PingContext(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			silent = true
			if r.now().Sub(last.answered) >= goneAfter {
				failures = append(failures, fmt.Errorf("%s database: no answer for %v", name, goneAfter))
			}
		default:
			failures = append(failures, fmt.Errorf("%s database: %w", name, err))
		}
	}
	next := checked{at: r.now(), answered: last.answered, err: errors.Join(failures...)}
	if len(failures) == 0 && !silent {
		next.answered = next.at
	}
	return next
}
