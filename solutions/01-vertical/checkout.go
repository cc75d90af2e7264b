package vertical

import (
	"context"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
)

// Checkout places many orders at a time. Only requests of one subscriber with one Idempotency-Key
// wait for each other.
type Checkout struct {
	*checkout.Steps
}

// NewCheckout returns a checkout that goes through the steps.
func NewCheckout(steps *checkout.Steps) *Checkout { return &Checkout{Steps: steps} }

// PlaceOrder places an order, or returns the one that was placed before under the same
// Idempotency-Key, and then reports true. A replay finishes an order that its request has
// abandoned.
func (c *Checkout) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	unlock, err := c.turn(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	defer unlock()

	if order, found, err := c.Replay(ctx, request); err != nil {
		return bytebites.Order{}, false, err
	} else if found {
		if c.Abandoned(order) {
			c.finish(ctx, request.Email, &order, func(ctx context.Context) (bytebites.Week, error) {
				return c.Plan(ctx, order.User)
			})
		}
		return order, true, nil
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
	order, replayed, err := c.Place(ctx, order, nil)
	if err != nil || replayed {
		return order, replayed, err
	}
	unlock() // From here on a retry finds the order and need not wait for the mail.
	c.finish(ctx, request.Email, &order, func(context.Context) (bytebites.Week, error) { return week, nil })
	return order, false, nil
}

// turn waits until no other request of the subscriber holds the Idempotency-Key. The caller calls
// unlock, once or more often.
func (c *Checkout) turn(ctx context.Context, request bytebites.OrderRequest) (unlock func(), err error) {
	return c.LockKey(ctx, request)
}

// finish does the effects of a placed order that are undone. Plan returns the week to store.
func (c *Checkout) finish(ctx context.Context, email string, order *bytebites.Order, plan func(context.Context) (bytebites.Week, error)) {
	ctx, cancel := c.Aftermath(ctx)
	defer cancel()
	c.Effect(ctx, order, bytebites.EffectEmail, func(ctx context.Context) error {
		return c.Mail(ctx, email, *order)
	})
	c.Effect(ctx, order, bytebites.EffectLedger, func(ctx context.Context) error {
		return c.Book(ctx, *order)
	})
	c.Effect(ctx, order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		week, err := plan(ctx)
		if err != nil {
			return err
		}
		return c.SaveWeek(ctx, order.User, week)
	})
}
