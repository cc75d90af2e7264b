package rig

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/measure/load"
)

// Reconciled is what clients were told of their orders, held against the database.
type Reconciled struct {
	Accepted int // orders that a client holds a confirmation of
	Lost     int // of these, the ones that the database does not have
	Doubled  int // Idempotency-Keys with more than one order
	Invented int // orders in the database that a client was told do not exist
}

// Reconcile looks the clients' orders up in the database of user data.
func Reconcile(ctx context.Context, userData *sql.DB, orders []load.OrderOutcome) (Reconciled, error) {
	var r Reconciled
	var accepted, refused, keys []string
	for _, o := range orders {
		keys = append(keys, o.Key)
		switch o.Outcome {
		case load.Accepted:
			accepted = append(accepted, string(o.Order))
		case load.OutOfStock, load.Refused:
			refused = append(refused, o.Key)
		}
	}
	r.Accepted = len(accepted)
	var stored int
	err := userData.QueryRowContext(ctx,
		`SELECT (SELECT count(*) FROM orders WHERE id = ANY($1)),
		        (SELECT count(*) FROM (SELECT idempotency_key FROM orders WHERE idempotency_key = ANY($2)
		                                GROUP BY idempotency_key HAVING count(*) > 1) AS twice),
		        (SELECT count(*) FROM orders WHERE idempotency_key = ANY($3))`,
		pq.Array(accepted), pq.Array(keys), pq.Array(refused)).Scan(&stored, &r.Doubled, &r.Invented)
	if err != nil {
		return Reconciled{}, fmt.Errorf("reconcile: %w", err)
	}
	r.Lost = r.Accepted - stored
	return r, nil
}
