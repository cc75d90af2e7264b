package vertical

import (
	"context"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
)

// Checkout places orders, as many at a time as there are requests.
type Checkout struct {
	*checkout.Steps
}

// NewCheckout returns a checkout that goes through the steps.
func NewCheckout(steps *checkout.Steps) *Checkout { return &Checkout{Steps: steps} }

// PlaceOrder places an order, or returns the one that was placed before under the same
// Idempotency-Key, and then reports true.
func (c *Checkout) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if order, found, err := c.Replay(ctx, request); err != nil {
		return bytebites.Order{}, false, err
	} else if found {
		return c.resume(ctx, request, order), true, nil
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
	c.finish(ctx, request.Email, &order, func(context.Context) (bytebites.Week, error) { return week, nil })
	return order, false, nil
}

// abandoned is the age from which on no request can still be at an order's effects: ten
// seconds for the request and ten for what follows the commit.
const abandoned = 20 * time.Second

// resume does what a request that died left undone. A younger order's effects are another
// request's, which is at them right now: two would send two mails.
func (c *Checkout) resume(ctx context.Context, request bytebites.OrderRequest, order bytebites.Order) bytebites.Order {
	if time.Since(order.PlacedAt) > abandoned {
		c.finish(ctx, request.Email, &order, func(ctx context.Context) (bytebites.Week, error) {
			return c.Plan(ctx, order.User)
		})
	}
	return order
}

// finish does what is undone of a placed order's effects.
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
