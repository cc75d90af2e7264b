package wrong

import (
	"context"
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
)

// hasty is a checkout that sets meals aside, stores the order, and, when that fails, leaves it
// at that.
type hasty struct {
	*checkout.Steps
	stock  bytebites.Stock
	orders bytebites.Orders
}

// applyHasty has a service take orders hastily, with the stores that it has.
func applyHasty(c *service.Composition) {
	var orders bytebites.Orders
	open := c.UserData
	c.UserData = func(r service.Resources, catalogue bytebites.Catalogue) (service.UserData, error) {
		stores, err := open(r, catalogue)
		orders = stores.Orders
		return stores, err
	}
	c.Checkout = func(r service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
		return &hasty{Steps: steps, stock: postgres.NewStock(r.Catalogue), orders: orders}, nil
	}
}

// PlaceOrder places an order. That there is one already under its key, the database will say.
func (h *hasty) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	order, err := h.Draft(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if err := h.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	err = h.orders.Place(ctx, order, nil)
	if errors.Is(err, bytebites.ErrDuplicate) {
		h.Release(ctx, order)
		return h.Replay(ctx, request)
	}
	if err != nil {
		return bytebites.Order{}, false, fmt.Errorf("place order: %w", err)
	}
	if err := h.stock.Confirm(ctx, order.ID); err != nil {
		return bytebites.Order{}, false, fmt.Errorf("confirm stock: %w", err)
	}
	h.finish(ctx, request.Email, &order)
	return order, false, nil
}

func (h *hasty) finish(ctx context.Context, email string, order *bytebites.Order) {
	ctx, cancel := h.Aftermath(ctx)
	defer cancel()
	h.Effect(ctx, order, bytebites.EffectEmail, func(ctx context.Context) error { return h.Mail(ctx, email, *order) })
	h.Effect(ctx, order, bytebites.EffectLedger, func(ctx context.Context) error { return h.Book(ctx, *order) })
	h.Effect(ctx, order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		week, err := h.Plan(ctx, order.User)
		if err != nil {
			return err
		}
		return h.SaveWeek(ctx, order.User, week)
	})
}
