package spec

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/workshop/lab"
)

// reads is how often a check reads the same page from each replica.
const reads = 20

// readThrough reads a meal and the popular meals again and again, and counts the queries. The
// bound leaves room for a load on each replica.
func (l *trial) readThrough(ctx context.Context, run *lab.Run) error {
	for _, page := range []struct{ what, path, table string }{
		{"a meal", "/meals/" + string(seed.Meal(12)), "meals"},
		{"the popular meals", "/meals/popular", "orders"},
	} {
		if err := l.flush(ctx); err != nil {
			return err
		}
		queries, err := l.queriesOf(ctx, page.path, page.table, http.StatusOK)
		if err != nil {
			return err
		}
		run.Report(fmt.Sprintf("queries for %s, %d reads", page.what, 2*reads), float64(queries), "")
		if queries > 2 {
			return &lab.Failure{
				Expected: fmt.Sprintf("at most one query on each of two replicas for %d reads of %s", 2*reads, page.what),
				Seen:     fmt.Sprintf("%d", queries),
				Look:     lab.Look{File: "through.go", Func: "reader.get", Hint: "is a loaded value put into Redis, and looked up the next time?"},
			}
		}
	}
	return nil
}

// unknownMeals reads a meal that does not exist again and again, and counts the queries.
func (l *trial) unknownMeals(ctx context.Context, run *lab.Run) error {
	queries, err := l.queriesOf(ctx, "/meals/none-"+strings.ToLower(rand.Text()[:12]), "meals", http.StatusNotFound)
	if err != nil {
		return err
	}
	run.Report(fmt.Sprintf("queries for a meal that does not exist, %d reads", 2*reads), float64(queries), "")
	if queries > 2 {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most one query on each of two replicas for %d reads of a meal that does not exist", 2*reads),
			Seen:     fmt.Sprintf("%d", queries),
			Look:     lab.Look{File: "through.go", Func: "reader.entries", Hint: "keep that there is no such meal, for some seconds"},
		}
	}
	return nil
}

// queriesOf reads a path from both replicas, demands a status each time, and returns the
// number of queries of a table.
func (l *trial) queriesOf(ctx context.Context, path, table string, status int) (int64, error) {
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return 0, err
	}
	for range reads {
		for _, replica := range l.replicas {
			a, err := l.get(ctx, replica, path, "")
			if err != nil {
				return 0, err
			}
			if a.Status != status {
				return 0, &lab.Failure{
					Expected: fmt.Sprintf("status %d for GET %s on replica %s, each time", status, path, replica.Name()),
					Seen:     fmt.Sprintf("%d: %.200s", a.Status, a.Body),
					Look:     lab.Look{File: "through.go", Func: "reader.look", Hint: "which entry is kept, and what does the next read make of it?"},
				}
			}
		}
	}
	calls, err := l.calls(ctx)
	return calls[table], err
}

// errors has the database fail for a moment, as in a failover. It demands an error meanwhile,
// and the right answer afterwards.
func (l *trial) errors(ctx context.Context, _ *lab.Run) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	path := "/meals/" + string(seed.Meal(11))
	if err := l.whileMealsFail(ctx, func() error {
		for _, replica := range l.replicas {
			a, err := l.get(ctx, replica, path, "")
			if err != nil {
				return err
			}
			if a.Status < 500 {
				return &lab.Failure{
					Expected: "an error (5xx) while the database cannot answer", Seen: a.String(), Waited: a.Waited(),
					Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "is an error of the load returned?"},
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, replica := range l.replicas {
		a, err := l.get(ctx, replica, path, "")
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			return &lab.Failure{
				Expected: fmt.Sprintf("replica %s to answer GET %s when the database works again", replica.Name(), path),
				Seen:     a.String(), Waited: a.Waited(),
				Look: lab.Look{File: "through.go", Func: "reader.loadEntries", Hint: "what is put into the cache when a load fails?"},
			}
		}
	}
	return nil
}

// whileMealsFail runs a check while every query of meals fails at once.
func (l *trial) whileMealsFail(ctx context.Context, check func() error) error {
	rename := func(ctx context.Context, from, to string) error {
		if _, err := l.servers.Pool.ExecContext(ctx, "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
			return fmt.Errorf("rename table %s: %w", from, err)
		}
		return nil
	}
	if err := rename(ctx, "meals", "meals_away"); err != nil {
		return err
	}
	err := check()
	return errors.Join(err, rename(context.WithoutCancel(ctx), "meals_away", "meals"))
}
