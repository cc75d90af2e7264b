package dinner

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// stallTimeout ends the wait for effects when no further effect came for so long. The claim of a
	// worker that was killed lasts less. When all outboxes and queues are empty, nothing more can come.
	// The broker counts its queues every five seconds, and later on a busy machine. So emptyTimeout is
	// longer than that, and they must stay empty for as long again.
	stallTimeout = 25 * time.Second
	emptyTimeout = 7 * time.Second
	drainPoll    = 250 * time.Millisecond
)

// drain waits until all orders in the databases have all their effects, or no further one comes.
func (c *closing) drain(ctx context.Context) error {
	c.stack.o.Progress("waiting for the last effects of the orders")
	last, since := -1, time.Now()
	var empty time.Time // when outboxes and queues were first seen empty
	for {
		missing := 0
		for i, pool := range c.stack.pools {
			n, err := missingEffects(ctx, pool)
			if err != nil {
				return fmt.Errorf("count effects on shard %d: %w", i+1, err)
			}
			missing += n
		}
		if missing != last {
			last, since, empty = missing, time.Now(), time.Time{}
		}
		c.books.Missing, c.books.Drained = missing, time.Since(c.seen.Ended)
		stalled := time.Since(since)
		if missing == 0 || stalled > stallTimeout {
			return nil
		}
		if stalled > emptyTimeout {
			nothing, err := c.nothingLeft(ctx)
			switch {
			case err != nil:
				return err
			case !nothing:
				empty = time.Time{}
			case empty.IsZero():
				empty = time.Now()
			case time.Since(empty) > emptyTimeout:
				c.books.Lost = true
				return nil
			}
		}
		if err := rig.Pause(ctx, drainPoll); err != nil {
			return err
		}
	}
}

// nothingLeft reports whether all outboxes and all queues are empty.
func (c *closing) nothingLeft(ctx context.Context) (bool, error) {
	for i, pool := range c.stack.pools {
		var events int
		if err := pool.QueryRowContext(ctx, `SELECT count(*) FROM outbox`).Scan(&events); err != nil {
			return false, fmt.Errorf("read outbox of shard %d: %w", i+1, err)
		}
		if events > 0 {
			return false, nil
		}
	}
	queues, err := c.stack.Broker.Queues(ctx)
	if err != nil {
		return false, err
	}
	for _, q := range queues {
		if q.Type != "stream" && q.Ready+q.Unacked > 0 { // a stream keeps what was read
			return false, nil
		}
	}
	return true, nil
}

// missingEffects counts the effects that the orders on a shard lack. The orders of the dinner are those
// with an Idempotency-Key, which an index has.
func missingEffects(ctx context.Context, pool *sql.DB) (n int, err error) {
	err = pool.QueryRowContext(ctx, `
SELECT coalesce(sum($1 - (SELECT count(*) FROM order_effects e WHERE e.order_id = o.id AND e.user_id = o.user_id)), 0)
FROM orders o WHERE o.idempotency_key IS NOT NULL`, len(bytebites.Effects())).Scan(&n)
	return n, err
}

// fullSpeed lifts the quotas of the databases, because all that follows measures nothing.
func (c *closing) fullSpeed(ctx context.Context) error {
	for _, server := range append(slices.Clone(c.stack.Shards), c.stack.Catalogue) {
		if err := server.Resize(ctx, server.Type().FullSpeed()); err != nil {
			return err
		}
	}
	return nil
}

// everywhere finds an order on the shard of its subscriber.
type everywhere struct {
	bytebites.Orders // nil: a sweep calls Order alone
	stack            *Stack
}

func (e everywhere) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	return postgres.NewOrders(e.stack.pools[e.stack.home(user)-1]).Order(ctx, user, id)
}

// sweep settles reservations that a killed replica or a lost answer has left, as the service's sweeper
// does a minute later.
func (c *closing) sweep(ctx context.Context) error {
	return rig.Settle(ctx, c.stack.catalogue, everywhere{stack: c.stack}, rig.OrphanAge)
}
