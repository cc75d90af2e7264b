package bytebites

import (
	"errors"
	"fmt"
)

// The errors that stores and services return. Test them with errors.Is. Any other error is
// internal: the service logs it and hides it from the client.
var (
	// ErrNotFound means that the object does not exist or belongs to another subscriber.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized means that the request has no valid session, or that the
	// credentials are wrong.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrOutOfStock means that a line of an order asks for more than is left. It comes as
	// an OutOfStockError, which names the meal.
	ErrOutOfStock = errors.New("out of stock")
	// ErrKeyReused means that a request reused an Idempotency-Key for another order.
	ErrKeyReused = errors.New("idempotency key reused for another order")
	// ErrDuplicate means that a row with that unique value already exists.
	ErrDuplicate = errors.New("already exists")
	// ErrConflict means that the object changed after the caller read it, or that its
	// state does not allow the call.
	ErrConflict = errors.New("conflict")
	// ErrBusy means that a bounded resource (a pool, a queue) had no room in time.
	ErrBusy = errors.New("busy")
)

// OutOfStockError names the meal that ran out. It matches ErrOutOfStock.
type OutOfStockError struct{ Meal MealID }

func (e *OutOfStockError) Error() string { return fmt.Sprintf("meal %s: out of stock", e.Meal) }

// Is reports whether target is ErrOutOfStock.
func (e *OutOfStockError) Is(target error) bool { return target == ErrOutOfStock }
