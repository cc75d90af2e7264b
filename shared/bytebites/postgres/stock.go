package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
)

// Stock stores the available portions of meals and the reservations of orders.
//
// A reservation is held first. It is then confirmed or released, and does not change again.
// Calls on one order take turns at the row of its reservation. Calls on the same meals lock
// their rows in order of meal id, so that they cannot deadlock.
type Stock struct {
	db        *sql.DB
	available *prepared // each page of a meal shows its stock
}

// NewStock returns the stock in a database with the catalogue's schema.
func NewStock(db *sql.DB) *Stock {
	return &Stock{db: db, available: &prepared{
		db: db, text: `SELECT meal_id, available FROM stock WHERE meal_id = ANY ($1)`,
	}}
}

// lockStock locks rows in order of meal id, the same order for all callers.
const lockStock = `SELECT meal_id, available FROM stock WHERE meal_id = ANY ($1) ORDER BY meal_id FOR NO KEY UPDATE`

// Reserve takes all lines from the stock, or none; see bytebites.Stock. Reserving again for the
// same order changes nothing. The error is ErrConflict when the order's reservation has other
// lines or another subscriber, or was released.
func (s *Stock) Reserve(ctx context.Context, order bytebites.OrderID, user bytebites.UserID, lines []bytebites.Line) error {
	want, err := byMeal(lines)
	if err != nil {
		return fmt.Errorf("reserve: %w", err)
	}
	err = transact(ctx, s.db, func(ctx context.Context, q Querier) error {
		result, err := q.ExecContext(ctx, `
INSERT INTO reservations (order_id, user_id, state) VALUES ($1, $2, 'held') ON CONFLICT (order_id) DO NOTHING`,
			name(order), name(user))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return sameReservation(ctx, q, order, user, want)
		}
		return take(ctx, q, order, want)
	})
	return wrap(ctx, "reserve", unknownParent(err))
}

// byMeal adds up the lines of each meal.
func byMeal(lines []bytebites.Line) (map[bytebites.MealID]int, error) {
	want := make(map[bytebites.MealID]int, len(lines))
	for _, line := range lines {
		// A negative quantity would add portions to the stock.
		if line.Quantity <= 0 {
			return nil, fmt.Errorf("meal %s: quantity %d is not positive", line.Meal, line.Quantity)
		}
		want[line.Meal] += line.Quantity
	}
	return want, nil
}

// take moves the portions from the stock to the reservation.
func take(ctx context.Context, q Querier, order bytebites.OrderID, want map[bytebites.MealID]int) error {
	meals := slices.Sorted(maps.Keys(want))
	rows, err := q.QueryContext(ctx, lockStock, names(meals))
	left, err := collect(rows, err, func(l *bytebites.Line) []any { return []any{&l.Meal, &l.Quantity} })
	if err != nil {
		return err
	}
	available := make(map[bytebites.MealID]int, len(left))
	for _, l := range left {
		available[l.Meal] = l.Quantity
	}
	quantities := make(pq.Int64Array, len(meals))
	for i, meal := range meals {
		have, ok := available[meal]
		if !ok {
			return fmt.Errorf("meal %q: %w", meal, bytebites.ErrNotFound)
		}
		if have < want[meal] {
			return &bytebites.OutOfStockError{Meal: meal}
		}
		quantities[i] = int64(want[meal])
	}
	// lockStock has locked these rows. The condition repeats the check above, in case a later
	// change removes that lock.
	result, err := q.ExecContext(ctx, `
WITH line AS (SELECT * FROM unnest($2::text[], $3::integer[]) AS line (meal_id, quantity)),
taken AS (
    UPDATE stock SET available = available - line.quantity
    FROM line WHERE stock.meal_id = line.meal_id AND available >= line.quantity
    RETURNING stock.meal_id, line.quantity
)
INSERT INTO reservation_lines (order_id, meal_id, quantity) SELECT $1, meal_id, quantity FROM taken`,
		name(order), names(meals), quantities)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != int64(len(meals)) {
		return errors.Join(fmt.Errorf("took %d of %d lines: %w", n, len(meals), bytebites.ErrConflict), err)
	}
	return nil
}

// sameReservation returns ErrConflict if the order's reservation was released or differs from
// the wanted one.
func sameReservation(ctx context.Context, q Querier, order bytebites.OrderID, user bytebites.UserID, want map[bytebites.MealID]int) error {
	var owner bytebites.UserID
	var state string
	err := q.QueryRowContext(ctx, `SELECT user_id, state FROM reservations WHERE order_id = $1`, name(order)).Scan(&owner, &state)
	if err != nil {
		return err
	}
	have, err := reservedLines(ctx, q, order)
	if err != nil {
		return err
	}
	if owner != user || state == "released" || !maps.Equal(have, want) {
		return fmt.Errorf("order has another reservation: %w", bytebites.ErrConflict)
	}
	return nil
}

func reservedLines(ctx context.Context, q Querier, order bytebites.OrderID) (map[bytebites.MealID]int, error) {
	rows, err := q.QueryContext(ctx, `SELECT meal_id, quantity FROM reservation_lines WHERE order_id = $1`, name(order))
	lines, err := collect(rows, err, func(l *bytebites.Line) []any { return []any{&l.Meal, &l.Quantity} })
	if err != nil {
		return nil, err
	}
	return byMeal(lines)
}

// settle moves a held reservation to another state. It changes no row of a reservation in any
// other state.
const settle = `UPDATE reservations SET state = $2, settled_at = now() WHERE order_id = $1 AND state = 'held'`

// Confirm makes a held reservation final; see bytebites.Stock. The error is ErrNotFound for an
// unknown order.
func (s *Stock) Confirm(ctx context.Context, order bytebites.OrderID) error {
	q := Join(ctx, s.db)
	result, err := q.ExecContext(ctx, settle, name(order), "confirmed")
	if err == nil {
		err = settled(ctx, q, result, order, "confirmed")
	}
	return wrap(ctx, "confirm", err)
}

// Release returns a held reservation to the stock; see bytebites.Stock.
func (s *Stock) Release(ctx context.Context, order bytebites.OrderID) error {
	err := transact(ctx, s.db, func(ctx context.Context, q Querier) error {
		result, err := q.ExecContext(ctx, settle, name(order), "released")
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return settled(ctx, q, result, order, "released")
		}
		return putBack(ctx, q, order)
	})
	if err = wrap(ctx, "release", err); isNotFound(err) {
		return nil // the order has no reservation
	}
	return err
}

func putBack(ctx context.Context, q Querier, order bytebites.OrderID) error {
	lines, err := reservedLines(ctx, q, order)
	if err != nil {
		return err
	}
	meals := names(slices.Sorted(maps.Keys(lines)))
	if _, err := q.ExecContext(ctx, lockStock, meals); err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, `
UPDATE stock SET available = available + line.quantity
FROM reservation_lines line WHERE line.order_id = $1 AND stock.meal_id = line.meal_id`, name(order))
	return err
}

// settled checks the result of the settle statement. If that changed no row, the reservation may
// be in the wanted state already. The error is ErrConflict if it is in another state, and
// sql.ErrNoRows if it does not exist.
func settled(ctx context.Context, q Querier, result sql.Result, order bytebites.OrderID, want string) error {
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var state string
	err := q.QueryRowContext(ctx, `SELECT state FROM reservations WHERE order_id = $1`, name(order)).Scan(&state)
	if err == nil && state != want {
		err = fmt.Errorf("reservation is %s: %w", state, bytebites.ErrConflict)
	}
	return err
}

// Unsettled returns at most limit reservations held for more than minAgeSeconds, the oldest first.
func (s *Stock) Unsettled(ctx context.Context, minAgeSeconds, limit int) ([]bytebites.Reservation, error) {
	rows, err := Join(ctx, s.db).QueryContext(ctx, `
SELECT order_id, user_id FROM reservations
WHERE state = 'held' AND made_at < now() - make_interval(secs => $1) ORDER BY made_at LIMIT $2`, minAgeSeconds, limit)
	held, err := collect(rows, err, func(r *bytebites.Reservation) []any { return []any{&r.Order, &r.User} })
	return held, wrap(ctx, "list unsettled reservations", err)
}

// Available returns the number of portions left of each meal that exists.
func (s *Stock) Available(ctx context.Context, meals []bytebites.MealID) (map[bytebites.MealID]int, error) {
	rows, err := s.available.query(ctx, names(meals))
	lines, err := collect(rows, err, func(l *bytebites.Line) []any { return []any{&l.Meal, &l.Quantity} })
	if err != nil {
		return nil, wrap(ctx, "read stock", err)
	}
	left := make(map[bytebites.MealID]int, len(lines))
	for _, l := range lines {
		left[l.Meal] = l.Quantity
	}
	return left, nil
}
