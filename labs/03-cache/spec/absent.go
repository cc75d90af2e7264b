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

// tries is how often each replica is asked for a meal that does not exist.
const tries = 20

// unknownMeals asks for a meal that does not exist, again and again.
func (l *trial) unknownMeals(ctx context.Context, run *lab.Run) error {
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return err
	}
	path := "/meals/none-" + strings.ToLower(rand.Text()[:12])
	for range tries {
		for _, replica := range l.replicas {
			a, err := l.get(ctx, replica, path, "")
			if err != nil {
				return err
			}
			if a.status != http.StatusNotFound {
				return &lab.Failure{
					Expected: "status 404 for a meal that does not exist", Seen: fmt.Sprintf("%d: %.200s", a.status, a.body),
					Look: lab.Look{Hint: "through.go: what does an entry say that there is no such thing with?"},
				}
			}
		}
	}
	calls, err := l.calls(ctx)
	if err != nil {
		return err
	}
	run.Report(fmt.Sprintf("queries for a meal that does not exist, asked for %d times", 2*tries), float64(calls["meals"]), "")
	if calls["meals"] > 2 {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most one query on each of two replicas for a meal that does not exist, asked for %d times", 2*tries),
			Seen:     fmt.Sprintf("%d", calls["meals"]),
			Look:     lab.Look{Hint: "through.go: that there is nothing is an answer too, and for how long?"},
		}
	}
	return nil
}

// errors has the database fail for a moment, as in a failover, and looks whether that is forgotten.
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
			if a.status < 500 {
				return &lab.Failure{
					Expected: "an error (5xx) from a database that cannot answer", Seen: fmt.Sprintf("status %d: %.200s", a.status, a.body),
					Look: lab.Look{Hint: "through.go: is an error the same as nothing found?"},
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
		if a.status != http.StatusOK {
			return &lab.Failure{
				Expected: fmt.Sprintf("GET %s to be answered by replica %s when the database is well again", path, replica.Name()),
				Seen:     fmt.Sprintf("status %d: %.200s", a.status, a.body),
				Look:     lab.Look{Hint: "through.go: what is put into the cache when a load fails?"},
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
