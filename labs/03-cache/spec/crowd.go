package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// crowd is the number of clients that ask each replica for the same page at the same time.
	crowd = 200
	// The first client of each replica disconnects after leavesAfter. The crowd asks after
	// crowdAfter, while the first client still waits.
	leavesAfter = 300 * time.Millisecond
	crowdAfter  = 100 * time.Millisecond
	// heldFor is how long the database holds its answers back, so that the whole crowd waits.
	// It is well under one second: after that a replica may stop waiting for a load that
	// another replica has announced.
	heldFor = 600 * time.Millisecond
)

// crowdSeen is the cost of a crowd on both replicas.
type crowdSeen struct {
	what   string     // the page that the crowd asked for
	calls  int64      // of the query behind the page
	failed int64      // clients without a right answer
	late   lab.Waited // the wait of these clients; zero when one of them had a wrong answer
}

// stampede has a crowd ask both replicas for a page that is not in the cache. The database
// holds its answers back meanwhile, so that the whole crowd misses.
func (l *trial) stampede(ctx context.Context, run *lab.Run) error {
	for _, page := range []struct{ what, path, table string }{
		{"a meal", "/meals/" + string(seed.Meal(7)), "meals"},
		{"the popular meals", "/meals/popular", "orders"},
	} {
		seen, err := l.gather(ctx, page.path, page.table)
		if err != nil {
			return err
		}
		seen.what = page.what
		l.crowds = append(l.crowds, seen)
		run.Report(fmt.Sprintf("queries for %s, %d clients on each of two replicas", page.what, crowd), float64(seen.calls), "")
	}
	for _, c := range l.crowds {
		switch {
		case c.failed > 0:
			return &lab.Failure{
				Expected: fmt.Sprintf("an answer with %s for every client after the first one has disconnected", c.what),
				Seen:     fmt.Sprintf("none for %d of %d", c.failed, 2*crowd), Waited: c.late,
				Look: lab.Look{File: "through.go", Func: "reader.loadOnce", Hint: "give the load a context of its own: the context of one caller ends when that caller leaves"},
			}
		case c.calls > 2:
			return &lab.Failure{
				Expected: fmt.Sprintf("at most one query for %s on each of two replicas", c.what),
				Seen:     fmt.Sprintf("%d for %d clients", c.calls, 2*crowd),
				Look:     lab.Look{File: "through.go", Func: "reader.loadOnce", Hint: "which request loads, and which ones wait for it?"},
			}
		}
	}
	return nil
}

// oneForAll holds the crowds of stampede against a stricter bound.
func (l *trial) oneForAll(context.Context, *lab.Run) error {
	for _, c := range l.crowds {
		if c.calls != 1 || c.failed > 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("one query for %s, on both replicas together", c.what),
				Seen:     fmt.Sprintf("%d, and %d clients without an answer", c.calls, c.failed),
				Look:     lab.Look{File: "stretch_leases.go", Func: "reader.loadLeased", Hint: "how does one replica learn that another one loads, and what if that one dies?"},
			}
		}
	}
	return nil
}

// gather empties Redis, locks a table, and has crowds ask both replicas for a path.
func (l *trial) gather(ctx context.Context, path, table string) (crowdSeen, error) {
	if err := l.flush(ctx); err != nil {
		return crowdSeen{}, err
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return crowdSeen{}, err
	}
	letGo, err := l.hold(ctx, "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
	if err != nil {
		return crowdSeen{}, err
	}
	began := time.Now()
	var clients sync.WaitGroup
	var mu sync.Mutex
	var lates []lab.Waited
	for _, replica := range l.replicas {
		clients.Go(func() { l.askAndLeave(ctx, replica, path) })
		for range crowd {
			clients.Go(func() {
				_ = rig.Pause(ctx, crowdAfter) // after its end the request fails at once
				a, err := l.get(ctx, replica, path, "")
				if err == nil && a.Status == http.StatusOK {
					return
				}
				late := a.Waited()
				if failure := (*lab.Failure)(nil); errors.As(err, &failure) {
					late = failure.Waited
				}
				mu.Lock()
				defer mu.Unlock()
				lates = append(lates, late)
			})
		}
	}
	err = rig.Pause(ctx, heldFor-time.Since(began))
	err = errors.Join(err, letGo())
	clients.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return crowdSeen{}, err
	}
	calls, err := l.calls(ctx)
	return crowdSeen{calls: calls[table], failed: int64(len(lates)), late: lab.All(lates...)}, err
}

// hold takes a lock by a statement, and returns a function that releases it.
func (l *trial) hold(ctx context.Context, statement string, args ...any) (letGo func() error, err error) {
	tx, err := l.servers.Pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("take a lock: %w", err)
	}
	if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
		return nil, errors.Join(fmt.Errorf("take a lock: %w", err), tx.Rollback())
	}
	return tx.Rollback, nil
}

// askAndLeave is a client that disconnects before the answer comes.
func (l *trial) askAndLeave(ctx context.Context, replica *testbed.Service, path string) {
	ctx, cancel := context.WithTimeout(ctx, leavesAfter)
	defer cancel()
	_, _ = l.get(ctx, replica, path, "") // there is no answer to look at
}
