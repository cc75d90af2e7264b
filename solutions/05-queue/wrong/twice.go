package wrong

import (
	"context"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/05-queue"
)

// again is the flaw of step 5: consumers that do an effect for each message.
func again(p service.Parts) []roles.Consumer {
	all := queue.Consumers(p)
	for i := range all {
		switch bytebites.Effect(all[i].Queue) {
		case bytebites.EffectLedger:
			all[i].Handle = doing(p, bytebites.EffectLedger, func(ctx context.Context, _ bytebites.Event, order bytebites.Order) error {
				return p.Steps.Book(ctx, order)
			})
		case bytebites.EffectEmail:
			all[i].Handle = doing(p, bytebites.EffectEmail, func(ctx context.Context, event bytebites.Event, order bytebites.Order) error {
				return p.Steps.Mail(ctx, event.Email, order)
			})
		case bytebites.EffectRecommendation:
			all[i].Handle = doing(p, bytebites.EffectRecommendation, func(ctx context.Context, _ bytebites.Event, order bytebites.Order) error {
				week, err := p.Steps.Plan(ctx, order.User)
				if err != nil {
					return err
				}
				return p.Steps.SaveWeek(ctx, order.User, week)
			})
		}
	}
	return all
}

// doing does an effect, and then notes that it is done.
func doing(p service.Parts, effect bytebites.Effect, work func(context.Context, bytebites.Event, bytebites.Order) error) roles.Handler {
	return func(ctx context.Context, event bytebites.Event) (bool, error) {
		order, err := p.Orders.Order(ctx, event.User, event.Order)
		if err != nil {
			return false, err
		}
		if err := work(ctx, event, order); err != nil {
			return false, err
		}
		return true, p.Orders.Finish(ctx, event.User, event.Order, effect)
	}
}
