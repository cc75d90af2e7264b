package vertical

import (
	"context"
	"sync"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
)

// Checkout places orders, one at a time.
type Checkout struct {
	*checkout.Steps
	mu sync.Mutex
}

// NewCheckout returns a checkout that goes through the steps.
func NewCheckout(steps *checkout.Steps) *Checkout { return &Checkout{Steps: steps} }

// PlaceOrder places an order, or returns the one that was placed before under the same
// Idempotency-Key, and then reports true.
func (c *Checkout) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	// TODO(lab 01): let orders of different subscribers through at the same time. The lock is
	// there 'so that nobody orders twice', and Place prevents that already. One thing is left
	// to protect: requests with the same Idempotency-Key must take turns. See LockKey.
	c.mu.Lock()
	defer c.mu.Unlock()

	// TODO(lab 01): finish an abandoned order. When the mail is sent after the commit, a
	// process may die in between, and the client sends its request again. If Abandoned reports
	// true for the order that Replay found, do the effects that are undone.
	if order, found, err := c.Replay(ctx, request); err != nil || found {
		return order, found, err
	}
	order, err := c.Draft(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if err := c.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	week, err := c.Plan(ctx, order.User)
	if err != nil {
		c.Release(ctx, order)
		return bytebites.Order{}, false, err
	}
	// TODO(lab 01): send the mail after the order is committed, as an Effect below. The
	// function that Place calls runs inside the order's transaction, which holds a
	// connection, and a mail server is slow. An Effect that fails is logged, and the order
	// shows it as undone. Wait for the mail: until lab 05 nothing else remembers that it is due.
	order, replayed, err := c.Place(ctx, order, func(ctx context.Context) error {
		return c.Mail(ctx, request.Email, order)
	})
	if err != nil || replayed {
		return order, replayed, err
	}

	ctx, cancel := c.Aftermath(ctx) // the order stands, even when the client has gone
	defer cancel()
	c.Effect(ctx, &order, bytebites.EffectEmail, func(context.Context) error {
		return nil // sent inside the transaction
	})
	c.Effect(ctx, &order, bytebites.EffectLedger, func(ctx context.Context) error {
		return c.Book(ctx, order)
	})
	c.Effect(ctx, &order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		return c.SaveWeek(ctx, order.User, week)
	})
	return order, false, nil
}
