package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// lockTimeout bounds the wait until a change of a price waits for a lock that a check holds.
	lockTimeout = 3 * time.Second
	// slowRoundTrip is the time that a query and its result spend on the slow link.
	slowRoundTrip = 400 * time.Millisecond
	// staleTimeout is how long the old price may be shown when Redis is back.
	staleTimeout = 3 * time.Second
)

// changed is the most popular meal, because all pages show it.
const changed = 1

// shownAt returns the paths of the pages that show the changed meal's price.
func shownAt() []string {
	return []string{"/meals/" + string(seed.Meal(changed)), "/meals?limit=20", "/meals/popular"}
}

type priced struct {
	ID    string `json:"id"`
	Price int64  `json:"price_cents"`
}

// price returns the changed meal's price on a page, or 0 when the page does not show the meal.
func (l *trial) price(ctx context.Context, replica *testbed.Service, path string) (int64, error) {
	a, err := l.get(ctx, replica, path, "")
	if err != nil {
		return 0, err
	}
	if a.Status != http.StatusOK {
		return 0, &lab.Failure{
			Expected: "an answer to GET " + path, Seen: a.String(), Waited: a.Waited(),
			Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "which error does it return?"},
		}
	}
	var page struct {
		priced
		Meals []priced `json:"meals"`
	}
	if err := decode(a, path, &page); err != nil {
		return 0, err
	}
	for _, m := range append(page.Meals, page.priced) {
		if m.ID == string(seed.Meal(changed)) {
			return m.Price, nil
		}
	}
	return 0, nil
}

// readEverywhere reads all pages that show the price from both replicas, so that they are
// cached.
func (l *trial) readEverywhere(ctx context.Context) error {
	for _, replica := range l.replicas {
		for _, path := range shownAt() {
			if _, err := l.price(ctx, replica, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantEverywhere demands a price on all pages that show the meal.
func (l *trial) wantEverywhere(ctx context.Context, price int64, when string, look lab.Look) error {
	for _, replica := range l.replicas {
		for _, path := range shownAt() {
			seen, err := l.price(ctx, replica, path)
			if err != nil {
				return err
			}
			if seen != 0 && seen != price {
				return &lab.Failure{
					Expected: fmt.Sprintf("the new price of %d cents at GET %s on replica %s, %s", price, path, replica.Name(), when),
					Seen:     fmt.Sprintf("%d cents", seen), Look: look,
				}
			}
		}
	}
	return nil
}

// put changes the price on the first replica.
func (l *trial) put(ctx context.Context, price int64) error {
	answer, err := l.client.Put(ctx, "/meals/"+string(seed.Meal(changed)), map[string]any{"price_cents": price},
		contract.Header("Authorization", "Bearer "+l.client.StaffToken))
	if err == nil {
		err = answer.Want(http.StatusOK)
	}
	if err != nil {
		return &lab.Failure{
			Expected: "a changed price", Seen: err.Error(), Waited: lab.Late(err),
			Look: lab.Look{File: "catalogue.go", Func: "catalogue.UpdateMeal", Hint: "which error does it return?"},
		}
	}
	return nil
}

// changing reads the price everywhere, runs a check with another price, and restores the old
// one.
func (l *trial) changing(ctx context.Context, check func(newPrice int64) error) (err error) {
	old, err := l.price(ctx, l.replicas[0], shownAt()[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.put(context.WithoutCancel(ctx), old)) }()
	if err := l.readEverywhere(ctx); err != nil {
		return err
	}
	return check(old + 100)
}

// priceChange changes a price twice. The first time no client reads meanwhile. The second
// time both replicas read after the change has begun and before its commit.
func (l *trial) priceChange(ctx context.Context, _ *lab.Run) error {
	return l.changing(ctx, func(price int64) error {
		if err := l.put(ctx, price); err != nil {
			return err
		}
		err := l.wantEverywhere(ctx, price, "as soon as its change was answered",
			lab.Look{File: "catalogue.go", Func: "catalogue.UpdateMeal", Hint: "which keys hold the price, and are all of them deleted?"})
		if err != nil {
			return err
		}
		price += 100
		if err := l.putWhileRead(ctx, price); err != nil {
			return err
		}
		return l.wantEverywhere(ctx, price, "though a client read the old one just before the commit",
			lab.Look{File: "catalogue.go", Func: "catalogue.UpdateMeal", Hint: "delete the key after the database has changed, not before"})
	})
}

// putWhileRead locks the meal's row and changes the price, which waits for the row. Meanwhile
// it reads the price everywhere.
func (l *trial) putWhileRead(ctx context.Context, price int64) error {
	letGo, err := l.hold(ctx, "SELECT 1 FROM meals WHERE id = $1 FOR UPDATE", string(seed.Meal(changed)))
	if err != nil {
		return err
	}
	var change errgroup.Group
	change.Go(func() error { return l.put(ctx, price) })
	err = l.awaitLock(ctx)
	if err == nil {
		err = l.readEverywhere(ctx)
	}
	return errors.Join(err, letGo(), change.Wait())
}

// awaitLock waits until a service waits for a lock.
func (l *trial) awaitLock(ctx context.Context) error {
	for deadline := time.Now().Add(hostspeed.Wait(lockTimeout)); ; {
		var waiting int
		err := l.servers.Pool.QueryRowContext(ctx,
			`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bytebites' AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			return fmt.Errorf("count services that wait for a lock: %w", err)
		}
		if waiting > 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: "a change of a price that reaches the database", Seen: fmt.Sprintf("none within %s", hostspeed.Wait(lockTimeout)),
				Look: lab.Look{File: "catalogue.go", Func: "catalogue.UpdateMeal", Hint: "does it call the store?"},
			}
		}
		if err := rig.Pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// slowReader has the second replica read the old price over a slow link, and changes the
// price while the result is on its way. Then it demands the new price everywhere.
func (l *trial) slowReader(ctx context.Context, _ *lab.Run) error {
	return l.changing(ctx, func(price int64) (err error) {
		if err := l.flush(ctx); err != nil {
			return err
		}
		if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
			return err
		}
		if err := l.link.SetLatency(ctx, slowRoundTrip, 0); err != nil {
			return err
		}
		var reading errgroup.Group
		reading.Go(func() error {
			_, err := l.price(ctx, l.replicas[1], shownAt()[0])
			return err
		})
		err = l.awaitCall(ctx, "meals")
		if err == nil {
			err = l.put(ctx, price)
		}
		err = errors.Join(err, reading.Wait(), l.link.SetLatency(context.WithoutCancel(ctx), 0, 0))
		if err != nil {
			return err
		}
		return l.wantEverywhere(ctx, price, "after a slow replica has read the old one",
			lab.Look{File: "stretch_leases.go", Func: "reader.loadLeased", Hint: "how can it see that the key was deleted while the load was under way?"})
	})
}

// awaitCall waits until the database has answered a query of a table since pgstat.Reset.
func (l *trial) awaitCall(ctx context.Context, table string) error {
	for deadline := time.Now().Add(hostspeed.Wait(lockTimeout + 5*slowRoundTrip)); ; {
		calls, err := l.calls(ctx)
		if err != nil {
			return err
		}
		if calls[table] > 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: "a query of " + table + " by the slow replica while Redis is empty", Seen: "none",
				Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "where does the answer come from while Redis is empty?"},
			}
		}
		if err := rig.Pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// lostDeletion changes the price while Redis is disconnected with all its keys.
func (l *trial) lostDeletion(ctx context.Context, _ *lab.Run) error {
	return l.changing(ctx, func(price int64) error {
		// On an open connection the kernel would resend a deletion until it arrives, long after
		// the service has given up.
		if err := l.closeConnections(ctx); err != nil {
			return err
		}
		if err := l.server.Disconnect(ctx); err != nil {
			return err
		}
		err := l.put(ctx, price)
		if err := errors.Join(err, l.server.Reconnect(context.WithoutCancel(ctx))); err != nil {
			return err
		}
		if err := l.server.AwaitReady(ctx); err != nil {
			return err
		}
		for deadline := time.Now().Add(staleTimeout); ; {
			err := l.wantEverywhere(ctx, price, fmt.Sprintf("%s after Redis is back", staleTimeout),
				lab.Look{File: "stretch_deletions.go", Func: "owed.add", Hint: "what becomes of a deletion that fails?"})
			if err == nil || time.Now().After(deadline) {
				return err
			}
			if err := rig.Pause(ctx, 10*pollEvery); err != nil {
				return err
			}
		}
	})
}
