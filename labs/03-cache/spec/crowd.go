package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// crowd is how many ask each replica for the same at the same time.
	crowd = 200
	// Somebody asks first and leaves after a moment; the crowd comes while they wait.
	leavesAfter = 300 * time.Millisecond
	crowdAfter  = 100 * time.Millisecond
	// heldFor is how long the database answers nobody: until everybody has come, and is
	// waiting. It is well short of the second after which a replica may give another one up
	// that has said it would load.
	heldFor = 600 * time.Millisecond
)

// crowdSeen is what a crowd cost, by what it asked for.
type crowdSeen []crowded

type crowded struct {
	what   string
	calls  int64 // of the query behind it, on both replicas together
	failed int64 // of the crowd
}

// stampede has two crowds ask for something that is not in the cache, while the database
// holds its answer back: so all of them miss.
func (l *trial) stampede(ctx context.Context, run *lab.Run) error {
	for _, c := range []struct{ what, path, table string }{
		{"a meal", "/meals/" + string(seed.Meal(7)), "meals"},
		{"the popular meals", "/meals/popular", "orders"},
	} {
		seen, err := l.gather(ctx, c.path, c.table)
		if err != nil {
			return err
		}
		seen.what = c.what
		l.crowd = append(l.crowd, seen)
		run.Report(fmt.Sprintf("queries for %s, %d people on each of two replicas", c.what, crowd), float64(seen.calls), "")
	}
	for _, c := range l.crowd {
		switch {
		case c.failed > 0:
			return &lab.Failure{
				Expected: fmt.Sprintf("all of the crowd to get %s when the one who came first has left", c.what),
				Seen:     fmt.Sprintf("%d of %d did not", c.failed, 2*crowd),
				Look:     lab.Look{Hint: "through.go: whose context does the load end with?"},
			}
		case c.calls > 2:
			return &lab.Failure{
				Expected: fmt.Sprintf("at most one query for %s on each of two replicas", c.what),
				Seen:     fmt.Sprintf("%d for %d people", c.calls, 2*crowd),
				Look:     lab.Look{Hint: "through.go: who loads, and who waits for them?"},
			}
		}
	}
	return nil
}

// oneForAll judges what stampede has seen more strictly.
func (l *trial) oneForAll(context.Context, *lab.Run) error {
	for _, c := range l.crowd {
		if c.calls != 1 || c.failed > 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("one query for %s, on both replicas together", c.what),
				Seen:     fmt.Sprintf("%d, and %d of the crowd without an answer", c.calls, c.failed),
				Look:     lab.Look{Hint: "through.go: how can one replica know that another is loading? And if that one dies?"},
			}
		}
	}
	return nil
}

// gather empties Redis, holds a table back, and has crowds ask both replicas for a path.
func (l *trial) gather(ctx context.Context, path, table string) (crowded, error) {
	if err := l.flush(ctx); err != nil {
		return crowded{}, err
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return crowded{}, err
	}
	letGo, err := l.hold(ctx, "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
	if err != nil {
		return crowded{}, err
	}
	began := time.Now()
	var people sync.WaitGroup
	var failed atomic.Int64
	for _, replica := range l.replicas {
		people.Go(func() { l.askAndLeave(ctx, replica, path) })
		for range crowd {
			people.Go(func() {
				time.Sleep(crowdAfter)
				if a, err := l.get(ctx, replica, path, ""); err != nil || a.status != http.StatusOK {
					failed.Add(1)
				}
			})
		}
	}
	time.Sleep(heldFor - time.Since(began))
	err = letGo()
	people.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return crowded{}, err
	}
	calls, err := l.calls(ctx)
	return crowded{calls: calls[table], failed: failed.Load()}, err
}

// hold runs a statement that takes a lock, and returns what lets it go.
func (l *trial) hold(ctx context.Context, statement string, args ...any) (letGo func() error, err error) {
	tx, err := l.servers.Pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("hold a lock: %w", err)
	}
	if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
		return nil, errors.Join(fmt.Errorf("hold a lock: %w", err), tx.Rollback())
	}
	return tx.Rollback, nil
}

// askAndLeave is somebody without patience.
func (l *trial) askAndLeave(ctx context.Context, replica *testbed.Service, path string) {
	ctx, cancel := context.WithTimeout(ctx, leavesAfter)
	defer cancel()
	_, _ = l.get(ctx, replica, path, "") // they do not look at the answer
}
