package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
)

// maxViolations bounds the violations that an error lists. It counts the others.
const maxViolations = 20

// unseeded excludes the seeded orders. In collation C, the character after '-' is '.'.
const unseeded = `(o.id < 'seed-' OR o.id >= 'seed.')`

// Invariants checks the invariants of the service, which hold after any sequence of requests. It
// returns an error that lists the violations:
//
//   - Stock is never negative. The portions taken from the stock are the portions of the
//     reservations that were not released.
//   - Each order placed after seeding has a reservation, held or confirmed. Its subscriber,
//     meals and portions are the order's. Each such reservation has its order.
//   - Each order has lines, and their sum is its total.
//   - No subscriber has two orders under one Idempotency-Key. No order exists twice, even on
//     different servers.
//   - An order is marked as paid if, and only if, a payment of it succeeded.
//
// The user data may be on several servers, including the catalogue's server. Call Invariants
// when no request is running and the sweeper has settled all reservations. Until then an
// unfinished order may have a reservation without an order.
func Invariants(ctx context.Context, catalogue *sql.DB, userData ...*sql.DB) error {
	var found violations
	reserved, err := checkStock(ctx, catalogue, &found)
	if err != nil {
		return fmt.Errorf("check stock: %w", err)
	}
	placed := make(map[bytebites.OrderID]holding)
	keys := make(map[[2]string]bytebites.OrderID)
	for _, db := range userData {
		if err := checkOrders(ctx, db, placed, keys, &found); err != nil {
			return fmt.Errorf("check orders: %w", err)
		}
	}
	compare(placed, reserved, &found)
	return found.err()
}

// holding is the subscriber and the portions of an order or a reservation.
type holding struct {
	user     bytebites.UserID
	portions map[bytebites.MealID]int
}

type violations []error

func (v *violations) add(format string, args ...any) { *v = append(*v, fmt.Errorf(format, args...)) }

func (v *violations) err() error {
	if more := len(*v) - maxViolations; more > 0 {
		return errors.Join(append((*v)[:maxViolations:maxViolations], fmt.Errorf("and %d more", more))...)
	}
	return errors.Join(*v...)
}

// snapshot calls read with a transaction that sees one snapshot of the database.
func snapshot(ctx context.Context, db *sql.DB, read func(q Querier) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return wrap(ctx, "begin", err)
	}
	defer func() { _ = tx.Rollback() }() // the transaction only reads
	return wrap(ctx, "read", read(tx))
}

// checkStock returns the reservations that were not released.
func checkStock(ctx context.Context, db *sql.DB, found *violations) (map[bytebites.OrderID]holding, error) {
	reserved := make(map[bytebites.OrderID]holding)
	err := snapshot(ctx, db, func(q Querier) error {
		if err := Each(ctx, q, `
SELECT stock.meal_id, stocked, available, coalesce(sum(taken.quantity), 0)
FROM stock LEFT JOIN (
    SELECT meal_id, quantity FROM reservation_lines JOIN reservations USING (order_id) WHERE state <> 'released'
) taken ON taken.meal_id = stock.meal_id
GROUP BY stock.meal_id
HAVING available < 0 OR stocked - available <> coalesce(sum(taken.quantity), 0) ORDER BY 1`, nil,
			func(scan func(...any) error) error {
				var meal string
				var stocked, available, taken int
				if err := scan(&meal, &stocked, &available, &taken); err != nil {
					return err
				}
				found.add("meal %s: %d stocked, %d available, %d reserved", meal, stocked, available, taken)
				return nil
			}); err != nil {
			return err
		}
		return Each(ctx, q, `
SELECT o.order_id, o.user_id, line.meal_id, line.quantity
FROM reservations o LEFT JOIN reservation_lines line USING (order_id) WHERE o.state <> 'released'`,
			nil, addLine(reserved))
	})
	return reserved, err
}

// addLine scans order, subscriber, meal and portions into a map of holdings. Meal and portions
// are NULL if there are no lines.
func addLine(holdings map[bytebites.OrderID]holding) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var id bytebites.OrderID
		var user bytebites.UserID
		var meal sql.Null[bytebites.MealID]
		var quantity sql.Null[int]
		if err := scan(&id, &user, &meal, &quantity); err != nil {
			return err
		}
		if _, ok := holdings[id]; !ok {
			holdings[id] = holding{user: user, portions: make(map[bytebites.MealID]int)}
		}
		if meal.Valid {
			holdings[id].portions[meal.V] += quantity.V
		}
		return nil
	}
}

// checkOrders adds the orders of one server to placed and keys.
func checkOrders(ctx context.Context, db *sql.DB, placed map[bytebites.OrderID]holding, keys map[[2]string]bytebites.OrderID, found *violations) error {
	here := make(map[bytebites.OrderID]holding)
	err := snapshot(ctx, db, func(q Querier) error {
		if err := Each(ctx, q, `
SELECT o.id, o.user_id, coalesce(o.idempotency_key, ''), o.total_cents, o.status, coalesce(line.total, 0), coalesce(line.count, 0),
       EXISTS (SELECT FROM payment_events p WHERE p.order_id = o.id AND p.succeeded)
FROM orders o LEFT JOIN LATERAL (
    SELECT sum(quantity::bigint * price_cents) AS total, count(*) AS count
    FROM order_lines line WHERE line.order_id = o.id AND line.user_id = o.user_id
) line ON true
WHERE `+unseeded, nil, func(scan func(...any) error) error { return checkOrder(scan, keys, found) }); err != nil {
			return err
		}
		return Each(ctx, q, `
SELECT o.id, o.user_id, line.meal_id, line.quantity
FROM orders o LEFT JOIN order_lines line ON line.order_id = o.id WHERE `+unseeded, nil, addLine(here))
	})
	if err != nil {
		return err
	}
	for id, order := range here {
		if _, ok := placed[id]; ok {
			found.add("order %s: on two servers", id)
		}
		placed[id] = order
	}
	return nil
}

func checkOrder(scan func(...any) error, keys map[[2]string]bytebites.OrderID, found *violations) error {
	var id bytebites.OrderID
	var user, key string
	var status bytebites.OrderStatus
	var total, sum bytebites.Cents
	var lines int
	var paid bool
	if err := scan(&id, &user, &key, &total, &status, &sum, &lines, &paid); err != nil {
		return err
	}
	if lines == 0 {
		found.add("order %s: no lines", id)
	}
	if total != sum {
		found.add("order %s: total of %d cents, lines of %d", id, total, sum)
	}
	if paid != (status == bytebites.OrderPaid) {
		found.add("order %s: is %s, but 'a payment succeeded' is %t", id, status, paid)
	}
	if key == "" {
		return nil
	}
	if other, ok := keys[[2]string{user, key}]; ok && other != id {
		found.add("orders %s and %s: one subscriber, one Idempotency-Key", other, id)
	}
	keys[[2]string{user, key}] = id
	return nil
}

func compare(placed, reserved map[bytebites.OrderID]holding, found *violations) {
	for _, id := range slices.Sorted(maps.Keys(placed)) {
		order, held := placed[id], reserved[id]
		switch {
		case held.portions == nil:
			found.add("order %s: no reservation", id)
		case order.user != held.user:
			found.add("order %s: placed by %s, reserved by %s", id, order.user, held.user)
		case !maps.Equal(order.portions, held.portions):
			found.add("order %s: ordered %v, reserved %v", id, order.portions, held.portions)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(reserved)) {
		if _, ok := placed[id]; !ok {
			found.add("reservation %s: no order", id)
		}
	}
}
