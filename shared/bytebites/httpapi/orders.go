package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
)

const (
	defaultOrderPage = 10
	maxOrderPage     = 50
)

type effectBody struct {
	Name   string     `json:"name"`
	Done   bool       `json:"done"`
	DoneAt *time.Time `json:"done_at,omitempty"`
}

type orderBody struct {
	ID       string           `json:"id"`
	Status   string           `json:"status"`
	PlacedAt time.Time        `json:"placed_at"`
	Lines    []pricedLineBody `json:"lines"`
	Total    int64            `json:"total_cents"`
	Effects  []effectBody     `json:"effects"`
}

func orderOf(o bytebites.Order) orderBody {
	body := orderBody{
		ID: string(o.ID), Status: string(o.Status), PlacedAt: o.PlacedAt.UTC(), Total: int64(o.Total),
		Lines: make([]pricedLineBody, len(o.Lines)),
	}
	for i, l := range o.Lines {
		body.Lines[i] = pricedLineBody{Meal: string(l.Meal), Name: l.Name, Quantity: l.Quantity, Price: int64(l.Price)}
	}
	for _, effect := range bytebites.Effects() {
		e := effectBody{Name: string(effect)}
		if at, done := o.Done[effect]; done {
			at = at.UTC()
			e.Done, e.DoneAt = true, &at
		}
		body.Effects = append(body.Effects, e)
	}
	return body
}

// placeOrder orders the lines of the body. It does not change the cart: a failure there must not
// fail an order that succeeded, and a replay must not empty a newer cart. The client empties the
// cart.
func (a *api) placeOrder(c *gin.Context, s bytebites.Session) error {
	keys := c.Request.Header.Values("Idempotency-Key")
	if len(keys) != 1 || !validKey(keys[0]) {
		return malformed(fmt.Sprintf("Send one Idempotency-Key of 1 to %d printable ASCII characters.", maxKeyBytes))
	}
	var body linesBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	v.lines(body.Lines, 1)
	if err := v.err(); err != nil {
		return err
	}
	order, replayed, err := a.Checkout.PlaceOrder(c.Request.Context(), bytebites.OrderRequest{
		User: s.User, Email: s.Email, IdempotencyKey: keys[0], Lines: linesOf(body.Lines)})
	a.metrics.orders.WithLabelValues(orderResult(replayed, err)).Inc()
	if errors.Is(err, bytebites.ErrNotFound) {
		v.fail("lines", "contain an unknown meal")
		return v.err()
	}
	if err != nil {
		return fmt.Errorf("place order: %w", err)
	}
	status := http.StatusCreated
	c.Header("Location", "/orders/"+string(order.ID))
	if replayed {
		status = http.StatusOK
		c.Header("Idempotency-Replayed", "true")
	}
	writeJSON(c, status, jsonContentType, orderOf(order))
	return nil
}

func orderResult(replayed bool, err error) string {
	switch {
	case err == nil && replayed:
		return "replayed"
	case err == nil:
		return "placed"
	case errors.Is(err, bytebites.ErrOutOfStock):
		return "out_of_stock"
	case errors.Is(err, bytebites.ErrNotFound), errors.Is(err, bytebites.ErrKeyReused):
		return "refused"
	default:
		return "failed"
	}
}

type orderPageBody struct {
	Orders []orderBody `json:"orders"`
	Next   string      `json:"next,omitempty"`
}

func (a *api) orders(c *gin.Context, s bytebites.Session) error {
	q := queryOf(c)
	limit := q.number("limit", 1, maxOrderPage, defaultOrderPage)
	cursor := q.text("cursor", maxCursorBytes)
	if q.err != nil {
		return q.err
	}
	var before bytebites.HistoryCursor
	if cursor != "" {
		var err error
		if before, err = orderAfterCursor(cursor); err != nil {
			return err
		}
	}
	orders, err := a.Orders.History(c.Request.Context(), s.User, before, limit+1)
	if err != nil {
		return fmt.Errorf("load history: %w", err)
	}
	page := orderPageBody{Orders: make([]orderBody, 0, len(orders))}
	if len(orders) > limit {
		orders = orders[:limit]
		page.Next = cursorAfterOrder(orders[limit-1].Cursor())
	}
	for _, o := range orders {
		page.Orders = append(page.Orders, orderOf(o))
	}
	return ok(c, page)
}

func (a *api) order(c *gin.Context, s bytebites.Session) error {
	order, err := a.Orders.Order(c.Request.Context(), s.User, bytebites.OrderID(c.Param("id")))
	if err != nil {
		return fmt.Errorf("load order: %w", err)
	}
	return ok(c, orderOf(order))
}
