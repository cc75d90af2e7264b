package rig

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

const (
	// settleTimeout bounds the wait for the books to close after a load.
	settleTimeout = 30 * time.Second
	// OrphanAge is how old a reservation must be to belong to no request of a service
	// that still runs: they end after ten seconds.
	OrphanAge = 12 * time.Second
	// settleEvery is the pause between two looks.
	settleEvery = 500 * time.Millisecond
)

// Settle waits until every reservation is confirmed or released. Clients that gave up and
// replicas that were killed leave some behind. The service's sweeper settles them after a minute;
// here they need only be as old as age: OrphanAge, or 0 when no service runs any more. Of orders,
// Settle calls Order alone.
func Settle(ctx context.Context, catalogue *sql.DB, orders bytebites.Orders, age time.Duration) error {
	limit := hostspeed.Wait(settleTimeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sweeper := checkout.Sweeper{
		Stock: postgres.NewStock(catalogue), Orders: orders, MinAge: age, Limit: 1000,
	}
	for {
		due, err := sweeper.Stock.Unsettled(ctx, 0, 1)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return nil
		}
		if _, err := sweeper.Sweep(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return &testbed.LateError{What: fmt.Sprintf("order %s of %s is not settled", due[0].Order, due[0].User), Within: limit}
		case <-time.After(settleEvery):
		}
	}
}
