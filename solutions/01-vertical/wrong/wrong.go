// Package wrong is plausible wrong answers to lab 01, those that a service carries. Which
// check must reject which answer is in the solution's test.
package wrong

import (
	"context"
	"sync"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/01-vertical"
)

// The names of the variants.
const (
	LockKept          = "lock-kept"
	MailInTransaction = "mail-in-transaction"
	MailsOnReplay     = "mails-on-replay"
	MailAndForget     = "mail-and-forget"
	EndlessPool       = "endless-pool"
	PoolOfOne         = "pool-of-one"
)

// Variants returns, by name, what each answer changes in a service with the solution in it.
func Variants() map[string]func(*service.Composition) {
	return map[string]func(*service.Composition){
		LockKept: placing(func(steps *checkout.Steps) bytebites.Checkout {
			return &lockKept{Checkout: vertical.NewCheckout(steps)}
		}),
		MailsOnReplay: placing(func(steps *checkout.Steps) bytebites.Checkout {
			return mailsOnReplay{vertical.NewCheckout(steps)}
		}),
		MailInTransaction: placing(func(steps *checkout.Steps) bytebites.Checkout { return mailInTransaction{steps} }),
		MailAndForget:     placing(func(steps *checkout.Steps) bytebites.Checkout { return mailAndForget{steps} }),
		EndlessPool:       func(c *service.Composition) { c.Pool.MaxOpen = 0 },
		PoolOfOne:         func(c *service.Composition) { c.Pool.MaxOpen = 1 },
	}
}

func placing(build func(*checkout.Steps) bytebites.Checkout) func(*service.Composition) {
	return func(c *service.Composition) {
		c.Checkout = func(_ service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) { return build(steps), nil }
	}
}

// lockKept mails after the commit, and still lets one order through at a time.
type lockKept struct {
	*vertical.Checkout
	mu sync.Mutex
}

func (c *lockKept) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Checkout.PlaceOrder(ctx, request)
}

// mailsOnReplay does at once what a replayed order has not done yet, though the first
// request is doing it.
type mailsOnReplay struct{ *vertical.Checkout }

func (c mailsOnReplay) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	order, replayed, err := c.Checkout.PlaceOrder(ctx, request)
	if err == nil && replayed {
		c.Effect(ctx, &order, bytebites.EffectEmail, func(ctx context.Context) error {
			return c.Mail(ctx, request.Email, order)
		})
	}
	return order, replayed, err
}

// mailInTransaction has lost its lock and mails where it did before.
type mailInTransaction struct{ *checkout.Steps }

func (c mailInTransaction) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	return place(ctx, c.Steps, request, func(order bytebites.Order) func(context.Context) error {
		return func(ctx context.Context) error { return c.Mail(ctx, request.Email, order) }
	})
}

// mailAndForget mails on the side, under a context that ends with the request.
type mailAndForget struct{ *checkout.Steps }

func (c mailAndForget) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	order, replayed, err := place(ctx, c.Steps, request, func(bytebites.Order) func(context.Context) error { return nil })
	if err == nil && !replayed {
		go func() { _ = c.Mail(ctx, request.Email, order) }()
	}
	return order, replayed, err
}

// place places an order, with what within makes of it inside the transaction, and says
// that its mail is out.
func place(ctx context.Context, steps *checkout.Steps, request bytebites.OrderRequest,
	within func(bytebites.Order) func(context.Context) error,
) (bytebites.Order, bool, error) {
	if order, found, err := steps.Replay(ctx, request); err != nil || found {
		return order, found, err
	}
	order, err := steps.Draft(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if err := steps.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	week, err := steps.Plan(ctx, order.User)
	if err != nil {
		steps.Release(ctx, order)
		return bytebites.Order{}, false, err
	}
	order, replayed, err := steps.Place(ctx, order, within(order))
	if err != nil || replayed {
		return order, replayed, err
	}
	after, cancel := steps.Aftermath(ctx)
	defer cancel()
	steps.Effect(after, &order, bytebites.EffectEmail, func(context.Context) error { return nil })
	steps.Effect(after, &order, bytebites.EffectLedger, func(ctx context.Context) error { return steps.Book(ctx, order) })
	steps.Effect(after, &order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		return steps.SaveWeek(ctx, order.User, week)
	})
	return order, false, nil
}
