package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
)

// ApplyPayment applies a payment event to its order, once; see bytebites.Orders. Events
// may come late and in any order: an order that was paid once stays paid, and one whose
// payment failed may still be paid. ErrConflict also when the event's id was used for
// another order, amount or outcome.
func (o *Orders) ApplyPayment(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	applied := false
	err := transact(ctx, o.db, func(ctx context.Context, q Querier) error {
		var total bytebites.Cents
		var status bytebites.OrderStatus
		err := q.QueryRowContext(ctx,
			`SELECT total_cents, status FROM orders WHERE user_id = $1 AND id = $2 FOR NO KEY UPDATE`,
			name(event.User), name(event.Order)).Scan(&total, &status)
		if err != nil {
			return err
		}
		if event.Amount != total {
			return fmt.Errorf("event of %d cents, order of %d: %w", event.Amount, total, bytebites.ErrConflict)
		}
		result, err := q.ExecContext(ctx, `
INSERT INTO payment_events (event_id, user_id, order_id, amount_cents, succeeded) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (event_id) DO NOTHING`,
			name(event.ID), name(event.User), name(event.Order), int64(event.Amount), event.Succeeded)
		if err := mustAffect(result, err); isNotFound(err) {
			return sameEvent(ctx, q, event)
		} else if err != nil {
			return err
		}
		applied = true
		next := bytebites.OrderPaid
		if !event.Succeeded {
			next = bytebites.OrderPaymentFailed
		}
		if status == next || status == bytebites.OrderPaid {
			return nil
		}
		_, err = q.ExecContext(ctx, `UPDATE orders SET status = $3 WHERE user_id = $1 AND id = $2`,
			name(event.User), name(event.Order), string(next))
		return err
	})
	if err != nil {
		return false, wrap(ctx, "apply payment", unknownParent(err))
	}
	return applied, nil
}

// sameEvent returns ErrConflict unless the event with that id says the same.
func sameEvent(ctx context.Context, q Querier, event bytebites.PaymentEvent) error {
	err := q.QueryRowContext(ctx, `
SELECT 1 FROM payment_events
WHERE user_id = $1 AND event_id = $2 AND order_id = $3 AND amount_cents = $4 AND succeeded = $5`,
		name(event.User), name(event.ID), name(event.Order), int64(event.Amount), event.Succeeded).Scan(new(int))
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("event id used for another event: %w", bytebites.ErrConflict)
	}
	return err
}
