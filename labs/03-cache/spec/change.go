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
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// waitsWithin is when a change must be waiting for a lock that a check holds.
	waitsWithin = 3 * time.Second
	// slowWay is how long a question to the database and its answer are on their way to and from
	// the slow reader.
	slowWay = 400 * time.Millisecond
	// catchUp is how long an old price may be seen when Redis can be reached again.
	catchUp = 3 * time.Second
)

// changed is the most popular meal, which is shown everywhere.
const changed = 1

// shownAt are the places where its price is shown.
func shownAt() []string {
	return []string{"/meals/" + string(seed.Meal(changed)), "/meals?limit=20", "/meals/popular"}
}

type priced struct {
	ID    string `json:"id"`
	Price int64  `json:"price_cents"`
}

// price returns the changed meal's price at a place; 0 when the meal is not shown there.
func (l *trial) price(ctx context.Context, replica *testbed.Service, place string) (int64, error) {
	a, err := l.get(ctx, replica, place, "")
	if err != nil {
		return 0, err
	}
	if a.status != http.StatusOK {
		return 0, &lab.Failure{Expected: "GET " + place + " to be answered", Seen: fmt.Sprintf("status %d: %.200s", a.status, a.body), Look: lab.Look{Hint: "through.go"}}
	}
	var page struct {
		priced
		Meals []priced `json:"meals"`
	}
	if err := a.into(&page); err != nil {
		return 0, err
	}
	for _, m := range append(page.Meals, page.priced) {
		if m.ID == string(seed.Meal(changed)) {
			return m.Price, nil
		}
	}
	return 0, nil
}

// readEverywhere has both replicas show the price everywhere, so that it is cached wherever it may be.
func (l *trial) readEverywhere(ctx context.Context) error {
	for _, replica := range l.replicas {
		for _, place := range shownAt() {
			if _, err := l.price(ctx, replica, place); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantEverywhere demands a price wherever the meal is shown.
func (l *trial) wantEverywhere(ctx context.Context, price int64, when, look string) error {
	for _, replica := range l.replicas {
		for _, place := range shownAt() {
			seen, err := l.price(ctx, replica, place)
			if err != nil {
				return err
			}
			if seen != 0 && seen != price {
				return &lab.Failure{
					Expected: fmt.Sprintf("the new price of %d cents at GET %s on replica %s, %s", price, place, replica.Name(), when),
					Seen:     fmt.Sprintf("%d cents", seen), Look: lab.Look{Hint: look},
				}
			}
		}
	}
	return nil
}

// put changes the price, on the first replica.
func (l *trial) put(ctx context.Context, price int64) error {
	answer, err := l.client.Put(ctx, "/meals/"+string(seed.Meal(changed)), map[string]any{"price_cents": price},
		contract.Header("Authorization", "Bearer "+l.client.StaffToken))
	if err == nil {
		err = answer.Want(http.StatusOK)
	}
	if err != nil {
		return &lab.Failure{Expected: "a price to be changed", Seen: err.Error(), Look: lab.Look{Hint: "UpdateMeal in catalogue.go"}}
	}
	return nil
}

// changing reads the price everywhere, runs a check with another price, and puts the first one back.
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

// priceChange changes a price, first while nobody looks, and then while somebody reads
// between the moment at which the change is under way and the one at which it is committed.
func (l *trial) priceChange(ctx context.Context, _ *lab.Run) error {
	return l.changing(ctx, func(price int64) error {
		if err := l.put(ctx, price); err != nil {
			return err
		}
		err := l.wantEverywhere(ctx, price, "as soon as its change was answered", "catalogue.go: what has to be forgotten, and on which pages is it?")
		if err != nil {
			return err
		}
		price += 100
		if err := l.putWhileRead(ctx, price); err != nil {
			return err
		}
		return l.wantEverywhere(ctx, price, "though somebody read just before the commit", "UpdateMeal in catalogue.go: before the database has changed, or after?")
	})
}

// putWhileRead holds the meal's row, has the price changed, which waits, and has everything read
// meanwhile.
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
	for deadline := time.Now().Add(waitsWithin); ; time.Sleep(5 * time.Millisecond) {
		var waiting int
		err := l.servers.Pool.QueryRowContext(ctx,
			`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bytebites' AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			return fmt.Errorf("look for who waits: %w", err)
		}
		if waiting > 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no change of a price waits for the row after %s", waitsWithin)
		}
	}
}

// slowReader has the second replica, whose way to the database is slow, read the old price; changes it
// while the answer is on its way; and looks at what is in the cache when that has arrived.
func (l *trial) slowReader(ctx context.Context, _ *lab.Run) error {
	return l.changing(ctx, func(price int64) (err error) {
		if err := l.flush(ctx); err != nil {
			return err
		}
		if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
			return err
		}
		if err := l.link.SetLatency(ctx, slowWay, 0); err != nil {
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
		return l.wantEverywhere(ctx, price, "when a reader who was slow has got the old one",
			"through.go: how can a reader know that what it read has been deleted meanwhile?")
	})
}

// awaitCall waits until the database has answered a query of a table since pgstat.Reset.
func (l *trial) awaitCall(ctx context.Context, table string) error {
	for deadline := time.Now().Add(waitsWithin + 5*slowWay); ; time.Sleep(5 * time.Millisecond) {
		calls, err := l.calls(ctx)
		if err != nil {
			return err
		}
		if calls[table] > 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the slow reader has not asked for %s", table)
		}
	}
}

// lostDeletion changes the price while Redis is off the network, with all that it has.
func (l *trial) lostDeletion(ctx context.Context, _ *lab.Run) error {
	return l.changing(ctx, func(price int64) error {
		// What was sent on an open connection would be sent again until it arrives, though the
		// sender has long given up.
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
		for deadline := time.Now().Add(catchUp); ; time.Sleep(50 * time.Millisecond) {
			err := l.wantEverywhere(ctx, price, fmt.Sprintf("%s after Redis could be reached again", catchUp),
				"through.go: what becomes of a deletion that fails?")
			if err == nil || time.Now().After(deadline) {
				return err
			}
		}
	})
}
