package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"bytebites.example/workshop/shared/bytebites"
)

// SeededOrderPrefix starts the ids of the orders that package seed creates. They have no stock
// reservations.
const SeededOrderPrefix = "seed-"

const (
	// PopularOrders is the number of latest orders over which Popular adds up portions. It
	// is not a span of time, because the cost of the aggregate must not depend on the date.
	PopularOrders = 5_000
	// maxHistory bounds the orders that one call of History reads.
	maxHistory = 1_000
)

// Orders stores orders. It stores times to the microsecond.
type Orders struct {
	db      *sql.DB
	counted Counted
}

// Counted says, as an SQL condition on the column user_id of the table that it is given, which
// subscribers a question about all subscribers counts. The empty one counts all. Lab 04's servers keep
// rows of subscribers who have moved away until they are deleted.
type Counted func(table string) (condition string)

// where returns the condition as a WHERE clause.
func (c Counted) where(table string) string {
	if c == nil {
		return ""
	}
	return " WHERE " + c(table)
}

// and returns the condition as a further one.
func (c Counted) and(table string) string {
	if c == nil {
		return ""
	}
	return " AND " + c(table)
}

// Counting returns the same orders, with Popular over the subscribers that are counted.
func (o *Orders) Counting(counted Counted) *Orders { return &Orders{db: o.db, counted: counted} }

// NewOrders returns the orders in a database with the user data's schema.
func NewOrders(db *sql.DB) *Orders { return &Orders{db: db} }

// Place stores a new order; see bytebites.Orders. PlacedAt defaults to the server's current
// time, and Status to OrderPlaced. The error is ErrNotFound for an unknown subscriber. Stores
// over the same *sql.DB that get within's context take part in the transaction; see Join.
func (o *Orders) Place(ctx context.Context, order bytebites.Order, within func(ctx context.Context) error) error {
	err := transact(ctx, o.db, func(ctx context.Context, q Querier) error {
		if err := insert(ctx, q, order); err != nil {
			return err
		}
		if within == nil {
			return nil
		}
		return within(ctx)
	})
	return wrap(ctx, "place order", err)
}

// insert stores the order and its lines.
func insert(ctx context.Context, q Querier, order bytebites.Order) error {
	if order.IdempotencyKey != "" && !bytebites.ValidName(order.IdempotencyKey) {
		return fmt.Errorf("idempotency key: %w", bytebites.ErrNotFound)
	}
	var titles, meals pq.StringArray
	var quantities, prices pq.Int64Array
	for _, line := range order.Lines {
		meals, titles = append(meals, string(line.Meal)), append(titles, storable(line.Name))
		quantities, prices = append(quantities, int64(line.Quantity)), append(prices, int64(line.Price))
	}
	status := order.Status
	if status == "" {
		status = bytebites.OrderPlaced
	}
	_, err := q.ExecContext(ctx, `
WITH placed AS (
    INSERT INTO orders (id, user_id, idempotency_key, total_cents, status, placed_at)
    VALUES ($1, $2, nullif($3, ''), $4, $5, coalesce($6, now()))
    RETURNING id, user_id
)
INSERT INTO order_lines (order_id, user_id, position, meal_id, name, quantity, price_cents)
SELECT placed.id, placed.user_id, line.position, line.meal_id, line.name, line.quantity, line.price_cents
FROM placed, unnest($7::text[], $8::text[], $9::integer[], $10::integer[])
     WITH ORDINALITY AS line (meal_id, name, quantity, price_cents, position)`,
		name(order.ID), name(order.User), order.IdempotencyKey, int64(order.Total), string(status),
		sql.NullTime{Time: order.PlacedAt, Valid: !order.PlacedAt.IsZero()}, meals, titles, quantities, prices)
	if pq.As(err, pqerror.UniqueViolation) != nil {
		return fmt.Errorf("%w: %w", bytebites.ErrDuplicate, err)
	}
	return unknownParent(err)
}

// Order returns one order of a subscriber, or ErrNotFound.
func (o *Orders) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	order, err := o.one(ctx, user, `WHERE user_id = $1 AND id = $2`, name(id))
	return order, wrap(ctx, "read order", err)
}

// OrderByKey returns the order that a subscriber placed under an Idempotency-Key, or
// ErrNotFound.
func (o *Orders) OrderByKey(ctx context.Context, user bytebites.UserID, key string) (bytebites.Order, error) {
	order, err := o.one(ctx, user, `WHERE user_id = $1 AND idempotency_key = $2`, name(key))
	return order, wrap(ctx, "read order by key", err)
}

// History returns a subscriber's orders, the latest first; see bytebites.Orders. Without an
// index it reads the orders of all subscribers: a fault of the baseline, see docs/faults.md.
func (o *Orders) History(ctx context.Context, user bytebites.UserID, before bytebites.HistoryCursor, limit int) ([]bytebites.Order, error) {
	var until any = "infinity"
	if !before.IsZero() {
		until = before.PlacedAt
	}
	orders, err := o.read(ctx, user,
		`WHERE user_id = $1 AND (placed_at, id) < ($2, $3) ORDER BY placed_at DESC, id DESC LIMIT $4`,
		until, name(before.ID), min(max(limit, 0), maxHistory))
	return orders, wrap(ctx, "read history", err)
}

// Finish records that an effect of an order is done. The error is ErrNotFound when the
// subscriber has no such order.
func (o *Orders) Finish(ctx context.Context, user bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect) error {
	_, err := finish(ctx, Join(ctx, o.db), user, id, effect)
	return wrap(ctx, "finish effect", err)
}

// Once records that an effect of an order is done and calls work in the same transaction,
// unless the effect was done before; see bytebites.Orders. Stores over the same *sql.DB that
// get work's context take part in the transaction.
func (o *Orders) Once(ctx context.Context, user bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect, work func(ctx context.Context) error) (bool, error) {
	first := false
	err := transact(ctx, o.db, func(ctx context.Context, q Querier) (err error) {
		if first, err = finish(ctx, q, user, id, effect); err != nil || !first {
			return err
		}
		return work(ctx)
	})
	return first && err == nil, wrap(ctx, "do effect once", err)
}

// finish records that an effect is done, and reports whether it was not done before. It waits
// while another open transaction has recorded the same effect.
func finish(ctx context.Context, q Querier, user bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect) (bool, error) {
	result, err := q.ExecContext(ctx, `
INSERT INTO order_effects (order_id, user_id, effect)
SELECT id, user_id, $3 FROM orders WHERE user_id = $1 AND id = $2 AND effects_done_at IS NULL
ON CONFLICT (order_id, effect) DO NOTHING`, name(user), name(id), string(effect))
	if err = mustAffect(result, err); !isNotFound(err) {
		return err == nil, err
	}
	return false, q.QueryRowContext(ctx, `SELECT 1 FROM orders WHERE user_id = $1 AND id = $2`, name(user), name(id)).Scan(new(int))
}

// Popular returns the meals with the most portions in the latest orders. It adds them up on
// each call: a fault of the baseline, see docs/faults.md.
func (o *Orders) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	// OFFSET 0 keeps the planner from replacing the look-ups by order id with a scan of all
	// lines. Without it the plan would depend on the planner's estimate of disk costs.
	rows, err := Join(ctx, o.db).QueryContext(ctx, `
SELECT line.meal_id, sum(line.quantity) AS portions
FROM (SELECT id FROM orders`+o.counted.where("orders")+` ORDER BY placed_at DESC LIMIT $1) latest
CROSS JOIN LATERAL (SELECT meal_id, quantity FROM order_lines WHERE order_id = latest.id OFFSET 0) line
GROUP BY line.meal_id ORDER BY portions DESC, line.meal_id LIMIT $2`, PopularOrders, max(limit, 0))
	popular, err := collect(rows, err, func(p *bytebites.Popularity) []any { return []any{&p.Meal, &p.Portions} })
	return popular, wrap(ctx, "read popular meals", err)
}

// one returns the order that matches, or sql.ErrNoRows.
func (o *Orders) one(ctx context.Context, user bytebites.UserID, where string, args ...any) (bytebites.Order, error) {
	orders, err := o.read(ctx, user, where, args...)
	if err != nil {
		return bytebites.Order{}, err
	}
	if len(orders) == 0 {
		return bytebites.Order{}, sql.ErrNoRows
	}
	return orders[0], nil
}

// read reads the matching orders of a subscriber with their lines and effects. It sends at most
// three statements, independent of the number of orders.
func (o *Orders) read(ctx context.Context, user bytebites.UserID, where string, args ...any) ([]bytebites.Order, error) {
	q := Join(ctx, o.db)
	type row struct {
		bytebites.Order
		allDone sql.NullTime
	}
	rows, err := q.QueryContext(ctx, `
SELECT id, user_id, coalesce(idempotency_key, ''), total_cents, status, placed_at, effects_done_at
FROM orders `+where, append([]any{name(user)}, args...)...)
	found, err := collect(rows, err, func(r *row) []any {
		return []any{&r.ID, &r.User, &r.IdempotencyKey, &r.Total, &r.Status, &r.PlacedAt, &r.allDone}
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	orders := make([]bytebites.Order, len(found))
	at := make(map[bytebites.OrderID]int, len(found))
	var ids, open pq.StringArray // all orders; the orders with rows in order_effects
	for i, r := range found {
		orders[i] = r.Order
		orders[i].PlacedAt = r.PlacedAt.UTC()
		orders[i].Done = make(map[bytebites.Effect]time.Time, len(bytebites.Effects()))
		at[r.ID] = i
		ids = append(ids, string(r.ID))
		if !r.allDone.Valid {
			open = append(open, string(r.ID))
			continue
		}
		for _, effect := range bytebites.Effects() {
			orders[i].Done[effect] = r.allDone.Time.UTC()
		}
	}
	if err := readLines(ctx, q, user, ids, func(id bytebites.OrderID, line bytebites.OrderLine) {
		orders[at[id]].Lines = append(orders[at[id]].Lines, line)
	}); err != nil {
		return nil, err
	}
	if len(open) == 0 {
		return orders, nil
	}
	return orders, readEffects(ctx, q, user, open, func(id bytebites.OrderID, effect bytebites.Effect, done time.Time) {
		orders[at[id]].Done[effect] = done.UTC()
	})
}

func readLines(ctx context.Context, q Querier, user bytebites.UserID, ids pq.StringArray, add func(bytebites.OrderID, bytebites.OrderLine)) error {
	type row struct {
		id bytebites.OrderID
		bytebites.OrderLine
	}
	rows, err := q.QueryContext(ctx, `
SELECT order_id, meal_id, name, quantity, price_cents FROM order_lines
WHERE user_id = $1 AND order_id = ANY ($2) ORDER BY order_id, position`, name(user), ids)
	lines, err := collect(rows, err, func(r *row) []any { return []any{&r.id, &r.Meal, &r.Name, &r.Quantity, &r.Price} })
	for _, line := range lines {
		add(line.id, line.OrderLine)
	}
	return err
}

func readEffects(ctx context.Context, q Querier, user bytebites.UserID, ids pq.StringArray, add func(bytebites.OrderID, bytebites.Effect, time.Time)) error {
	type row struct {
		id     bytebites.OrderID
		effect bytebites.Effect
		done   time.Time
	}
	rows, err := q.QueryContext(ctx,
		`SELECT order_id, effect, done_at FROM order_effects WHERE user_id = $1 AND order_id = ANY ($2)`, name(user), ids)
	effects, err := collect(rows, err, func(r *row) []any { return []any{&r.id, &r.effect, &r.done} })
	for _, effect := range effects {
		add(effect.id, effect.effect, effect.done)
	}
	return err
}
