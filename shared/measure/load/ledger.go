package load

import (
	"bytes"
	"net/http"

	"bytebites.example/workshop/shared/bytebites"
)

// Outcome is the client's knowledge of an order after its last answer.
type Outcome string

// The outcomes of an order.
const (
	// Accepted: the server confirmed the order. It must exist exactly once.
	Accepted Outcome = "accepted"
	// OutOfStock: the server rejected the order for lack of stock. It must not exist.
	OutOfStock Outcome = "out of stock"
	// Refused: the server rejected the order for another reason. It must not exist.
	Refused Outcome = "refused"
	// Unknown: an answer was missing. The order may exist, at most once.
	Unknown Outcome = "unknown"
)

// OrderOutcome is the outcome of one order. Checks compare it with the database.
type OrderOutcome struct {
	Key      string            `json:"key"` // its Idempotency-Key
	Email    string            `json:"email"`
	Lines    []bytebites.Line  `json:"lines"`
	Outcome  Outcome           `json:"outcome"`
	Order    bytebites.OrderID `json:"order,omitempty"` // of an accepted one
	Attempts int               `json:"attempts"`
}

// note adds an order to the ledger. certain says that the answer of every attempt shows
// whether the server stored the order.
func (c *client) note(q Request, last attempt, attempts int, certain bool) {
	o := OrderOutcome{Key: q.Key, Lines: q.Lines, Attempts: attempts}
	if q.User >= 0 {
		o.Email = c.stream.population.Sessions[q.User].Email
	}
	switch {
	case last.order.ID != "":
		o.Outcome, o.Order = Accepted, last.order.ID
	case !certain:
		o.Outcome = Unknown
	case last.cause == "":
		o.Outcome = OutOfStock
	default:
		o.Outcome = Refused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, o)
}

// outOfStock reports whether an answer rejects an order for lack of stock. A different order
// with the same key is a conflict too, but a failure. The type of the problem differs.
func outOfStock(status int, body []byte) bool {
	return status == http.StatusConflict && bytes.Contains(body, []byte("out-of-stock"))
}
