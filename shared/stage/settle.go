package stage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/checkout"
	"bytebites.example/workshop/shared/postgres"
)

const (
	// settleTime is how long the books may take to close after a load.
	settleTime = 30 * time.Second
	// orphanAge is how old a reservation must be to belong to no request that still
	// runs: they end after ten seconds.
	orphanAge = 12 * time.Second
	// settleEvery is the pause between two looks.
	settleEvery = 500 * time.Millisecond
)

// Settle waits until no order is half-way. Clients that gave up leave some behind, which
// the service's sweeper would settle after a minute; here it need not wait that long.
func Settle(ctx context.Context, catalogue, userData *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	sweeper := checkout.Sweeper{
		Stock: postgres.NewStock(catalogue), Orders: postgres.NewOrders(userData), MinAge: orphanAge, Limit: 1000,
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
			return fmt.Errorf("order %s of %s is still held %s after the load", due[0].Order, due[0].User, settleTime)
		case <-time.After(settleEvery):
		}
	}
}
