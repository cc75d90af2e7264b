package bytebites

import (
	"errors"
	"fmt"
)

// The errors that stores and services return, to be tested with errors.Is. Anything
// else is internal: it is logged, and hidden from the person who asked.
var (
	// ErrNotFound says that the thing does not exist, or is somebody else's.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized says that nobody is signed in, or the credentials are wrong.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrOutOfStock says that a line of an order asks for more than is left; it comes
	// wrapped in an OutOfStockError that names the meal.
	ErrOutOfStock = errors.New("out of stock")
	// ErrKeyReused says that an Idempotency-Key came back with another order.
	ErrKeyReused = errors.New("idempotency key reused for another order")
	// ErrDuplicate says that a row with that unique value is there already.
	ErrDuplicate = errors.New("already exists")
	// ErrConflict says that the thing changed since the caller read it, or is in a
	// state that does not allow the call.
	ErrConflict = errors.New("conflict")
	// ErrBusy says that a bounded resource (a pool, a queue) had no room in time.
	ErrBusy = errors.New("busy")
)

// OutOfStockError names the meal that ran out. It matches ErrOutOfStock.
type OutOfStockError struct{ Meal MealID }

func (e *OutOfStockError) Error() string { return fmt.Sprintf("meal %s: out of stock", e.Meal) }

// Is reports whether target is ErrOutOfStock.
func (e *OutOfStockError) Is(target error) bool { return target == ErrOutOfStock }
