package load

import (
	"bytes"
	"net/http"

	"bytebites.example/workshop/shared/bytebites"
)

// Outcome is what a client knows of an order once it has its last answer.
type Outcome string

// The outcomes of an order.
const (
	// Accepted says that the server confirmed the order: it must exist, once.
	Accepted Outcome = "accepted"
	// OutOfStock says that the server refused it for lack of stock: it must not exist.
	OutOfStock Outcome = "out of stock"
	// Refused says that the server refused it for another reason: it must not exist.
	Refused Outcome = "refused"
	// Unknown says that an answer was missing: the order may exist, at most once.
	Unknown Outcome = "unknown"
)

// OrderOutcome is what became of one order, for reconciling clients with the database.
type OrderOutcome struct {
	Key      string            `json:"key"` // its Idempotency-Key
	Email    string            `json:"email"`
	Lines    []bytebites.Line  `json:"lines"`
	Outcome  Outcome           `json:"outcome"`
	Order    bytebites.OrderID `json:"order,omitempty"` // of an accepted one
	Attempts int               `json:"attempts"`
}

// note adds an order to the ledger. Certain says that every attempt had an answer that
// tells whether anything was done.
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

// outOfStock reports whether an answer says that a meal ran out. Another order under
// the same key is a conflict too, and a failure: the problem's type tells them apart.
func outOfStock(status int, body []byte) bool {
	return status == http.StatusConflict && bytes.Contains(body, []byte("out-of-stock"))
}
