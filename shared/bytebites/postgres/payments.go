package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
)

var errEventIDUsed = fmt.Errorf("event id used for another event: %w", bytebites.ErrConflict)

// ApplyPayment applies a payment event to its order, once; see bytebites.Orders. Events may
// come late and in any order. An order that was paid stays paid, and an order whose payment
// failed may still be paid. The error is ErrConflict also when the event's id was used for
// another order, amount or outcome.
func (o *Orders) ApplyPayment(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	applied, err := o.record(ctx, event, func(ctx context.Context, q Querier, status bytebites.OrderStatus) error {
		return setStatus(ctx, q, event, status)
	})
	return applied, wrap(ctx, "apply payment", err)
}

// RecordPayment stores a payment event, once, and calls within when the event is new; see
// bytebites.Orders. Stores over the same *sql.DB that get within's context take part in the
// transaction. It returns ErrConflict in the same cases as ApplyPayment.
func (o *Orders) RecordPayment(ctx context.Context, event bytebites.PaymentEvent, within func(ctx context.Context) error) (bool, error) {
	recorded, err := o.record(ctx, event, func(ctx context.Context, _ Querier, _ bytebites.OrderStatus) error {
		if within == nil {
			return nil
		}
		return within(ctx)
	})
	return recorded, wrap(ctx, "record payment", err)
}

// SettlePayment sets an order's status from a recorded payment event; see bytebites.Orders.
// Events may be settled late and in any order, as in ApplyPayment.
func (o *Orders) SettlePayment(ctx context.Context, event bytebites.PaymentEvent) error {
	err := transact(ctx, o.db, func(ctx context.Context, q Querier) error {
		_, status, err := lockOrder(ctx, q, event)
		if err != nil {
			return err
		}
		if err := sameEvent(ctx, q, event); err != nil {
			return err
		}
		return setStatus(ctx, q, event, status)
	})
	return wrap(ctx, "settle payment", err)
}

// record stores an event and calls then with the order's status, in one transaction that locks
// the order. If the event was recorded before, it reports false and does not call then.
func (o *Orders) record(ctx context.Context, event bytebites.PaymentEvent, then func(context.Context, Querier, bytebites.OrderStatus) error) (bool, error) {
	recorded := false
	err := transact(ctx, o.db, func(ctx context.Context, q Querier) error {
		total, status, err := lockOrder(ctx, q, event)
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
			err := sameEvent(ctx, q, event)
			if errors.Is(err, sql.ErrNoRows) {
				return errEventIDUsed // for another subscriber
			}
			return err
		} else if err != nil {
			return unknownParent(err)
		}
		recorded = true
		return then(ctx, q, status)
	})
	return recorded && err == nil, err
}

// lockOrder returns the total and the status of an event's order. It locks the order until the
// transaction ends.
func lockOrder(ctx context.Context, q Querier, event bytebites.PaymentEvent) (total bytebites.Cents, status bytebites.OrderStatus, err error) {
	err = q.QueryRowContext(ctx,
		`SELECT total_cents, status FROM orders WHERE user_id = $1 AND id = $2 FOR NO KEY UPDATE`,
		name(event.User), name(event.Order)).Scan(&total, &status)
	return total, status, err
}

// setStatus updates the status of a locked order from the event. status is its current status.
func setStatus(ctx context.Context, q Querier, event bytebites.PaymentEvent, status bytebites.OrderStatus) error {
	next := bytebites.OrderPaid
	if !event.Succeeded {
		next = bytebites.OrderPaymentFailed
	}
	if status == next || status == bytebites.OrderPaid {
		return nil
	}
	_, err := q.ExecContext(ctx, `UPDATE orders SET status = $3 WHERE user_id = $1 AND id = $2`,
		name(event.User), name(event.Order), string(next))
	return err
}

// sameEvent compares an event with the subscriber's recorded event of the same id. It returns
// ErrConflict when they differ, and sql.ErrNoRows when no event is recorded.
func sameEvent(ctx context.Context, q Querier, event bytebites.PaymentEvent) error {
	var same bool
	err := q.QueryRowContext(ctx, `
SELECT order_id = $3 AND amount_cents = $4 AND succeeded = $5
FROM payment_events WHERE user_id = $1 AND event_id = $2`,
		name(event.User), name(event.ID), name(event.Order), int64(event.Amount), event.Succeeded).Scan(&same)
	if err == nil && !same {
		return errEventIDUsed
	}
	return err
}
