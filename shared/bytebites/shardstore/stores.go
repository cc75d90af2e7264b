package shardstore

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// UserData returns stores that go through an Access. The router reads the ids of orders: an id that
// names a bucket belongs to a subscriber of that bucket. A call with the context of a change joins
// that change if it is about the same subscriber.
func UserData(access Access, router shard.Router) service.UserData {
	access = &joined{access}
	return service.UserData{
		Profiles: profiles{access},
		Carts:    carts{access},
		Ratings:  ratings{access},
		Orders:   orders{access, router},
		Ledger:   ledger{access},
		Weeks:    weeks{access},
		Outbox:   outboxes{access},
		Claims:   claims{access},
	}
}

type profiles struct{ access Access }

func (p profiles) Create(ctx context.Context, profile bytebites.Profile) error {
	return p.access.Write(ctx, profile.User, func(ctx context.Context, at service.UserData) error {
		return at.Profiles.Create(ctx, profile)
	})
}

func (p profiles) Profile(ctx context.Context, user bytebites.UserID) (bytebites.Profile, error) {
	return ask(ctx, p.access, user, func(ctx context.Context, at service.UserData) (bytebites.Profile, error) {
		return at.Profiles.Profile(ctx, user)
	})
}

func (p profiles) SetPreferences(ctx context.Context, user bytebites.UserID, preferences bytebites.Preferences) error {
	return p.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Profiles.SetPreferences(ctx, user, preferences)
	})
}

func (p profiles) Addresses(ctx context.Context, user bytebites.UserID) ([]bytebites.Address, error) {
	return ask(ctx, p.access, user, func(ctx context.Context, at service.UserData) ([]bytebites.Address, error) {
		return at.Profiles.Addresses(ctx, user)
	})
}

func (p profiles) SetAddresses(ctx context.Context, user bytebites.UserID, addresses []bytebites.Address) error {
	return p.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Profiles.SetAddresses(ctx, user, addresses)
	})
}

type carts struct{ access Access }

func (c carts) Cart(ctx context.Context, user bytebites.UserID) ([]bytebites.Line, error) {
	return ask(ctx, c.access, user, func(ctx context.Context, at service.UserData) ([]bytebites.Line, error) {
		return at.Carts.Cart(ctx, user)
	})
}

func (c carts) SetCart(ctx context.Context, user bytebites.UserID, lines []bytebites.Line) error {
	return c.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Carts.SetCart(ctx, user, lines)
	})
}

type ratings struct{ access Access }

func (r ratings) Rate(ctx context.Context, user bytebites.UserID, meal bytebites.MealID, stars int) error {
	return r.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Ratings.Rate(ctx, user, meal, stars)
	})
}

func (r ratings) Ratings(ctx context.Context, meals []bytebites.MealID) (map[bytebites.MealID]bytebites.Rating, error) {
	parts, err := askAll(ctx, r.access, func(ctx context.Context, at service.UserData) (map[bytebites.MealID]bytebites.Rating, error) {
		return at.Ratings.Ratings(ctx, meals)
	})
	if err != nil {
		return nil, err
	}
	return mergeRatings(parts), nil
}

type weeks struct{ access Access }

func (w weeks) Week(ctx context.Context, user bytebites.UserID) (bytebites.Week, error) {
	return ask(ctx, w.access, user, func(ctx context.Context, at service.UserData) (bytebites.Week, error) {
		return at.Weeks.Week(ctx, user)
	})
}

func (w weeks) SetWeek(ctx context.Context, user bytebites.UserID, week bytebites.Week) error {
	return w.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Weeks.SetWeek(ctx, user, week)
	})
}

type ledger struct{ access Access }

func (l ledger) Record(ctx context.Context, order bytebites.Order) error {
	return l.access.Write(ctx, order.User, func(ctx context.Context, at service.UserData) error {
		return at.Ledger.Record(ctx, order)
	})
}

type outboxes struct{ access Access }

func (o outboxes) Add(ctx context.Context, user bytebites.UserID, events ...bytebites.Event) error {
	return o.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Outbox.Add(ctx, user, events...)
	})
}

type claims struct{ access Access }

func (c claims) Claim(ctx context.Context, user bytebites.UserID, order bytebites.OrderID, effect bytebites.Effect, d time.Duration) (claimed bool, err error) {
	err = c.access.Write(ctx, user, func(ctx context.Context, at service.UserData) (err error) {
		claimed, err = at.Claims.Claim(ctx, user, order, effect, d)
		return err
	})
	return claimed && err == nil, err
}

func (c claims) Release(ctx context.Context, user bytebites.UserID, order bytebites.OrderID, effect bytebites.Effect) error {
	return c.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Claims.Release(ctx, user, order, effect)
	})
}

type orders struct {
	access Access
	router shard.Router
}

// belongs returns ErrNotFound if an order's id names another bucket than the subscriber's. It asks
// no server.
func (o orders) belongs(user bytebites.UserID, id bytebites.OrderID) error {
	if bucket, named := o.router.BucketOf(id); named && bucket != o.router.Bucket(user) {
		return fmt.Errorf("order of a subscriber in another bucket: %w", bytebites.ErrNotFound)
	}
	return nil
}

func (o orders) Place(ctx context.Context, order bytebites.Order, within func(ctx context.Context) error) error {
	return o.access.Write(ctx, order.User, func(ctx context.Context, at service.UserData) error {
		return at.Orders.Place(ctx, order, within)
	})
}

func (o orders) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	if err := o.belongs(user, id); err != nil {
		return bytebites.Order{}, err
	}
	return ask(ctx, o.access, user, func(ctx context.Context, at service.UserData) (bytebites.Order, error) {
		return at.Orders.Order(ctx, user, id)
	})
}

func (o orders) OrderByKey(ctx context.Context, user bytebites.UserID, key string) (bytebites.Order, error) {
	return ask(ctx, o.access, user, func(ctx context.Context, at service.UserData) (bytebites.Order, error) {
		return at.Orders.OrderByKey(ctx, user, key)
	})
}

func (o orders) History(ctx context.Context, user bytebites.UserID, before bytebites.HistoryCursor, limit int) ([]bytebites.Order, error) {
	return ask(ctx, o.access, user, func(ctx context.Context, at service.UserData) ([]bytebites.Order, error) {
		return at.Orders.History(ctx, user, before, limit)
	})
}

func (o orders) Finish(ctx context.Context, user bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect) error {
	if err := o.belongs(user, id); err != nil {
		return err
	}
	return o.access.Write(ctx, user, func(ctx context.Context, at service.UserData) error {
		return at.Orders.Finish(ctx, user, id, effect)
	})
}

func (o orders) Once(ctx context.Context, user bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect, work func(ctx context.Context) error) (first bool, err error) {
	if err := o.belongs(user, id); err != nil {
		return false, err
	}
	err = o.access.Write(ctx, user, func(ctx context.Context, at service.UserData) (err error) {
		first, err = at.Orders.Once(ctx, user, id, effect, work)
		return err
	})
	return first && err == nil, err
}

func (o orders) ApplyPayment(ctx context.Context, event bytebites.PaymentEvent) (applied bool, err error) {
	if err := o.belongs(event.User, event.Order); err != nil {
		return false, err
	}
	err = o.access.Write(ctx, event.User, func(ctx context.Context, at service.UserData) (err error) {
		applied, err = at.Orders.ApplyPayment(ctx, event)
		return err
	})
	return applied && err == nil, err
}

func (o orders) RecordPayment(ctx context.Context, event bytebites.PaymentEvent, within func(ctx context.Context) error) (recorded bool, err error) {
	if err := o.belongs(event.User, event.Order); err != nil {
		return false, err
	}
	err = o.access.Write(ctx, event.User, func(ctx context.Context, at service.UserData) (err error) {
		recorded, err = at.Orders.RecordPayment(ctx, event, within)
		return err
	})
	return recorded && err == nil, err
}

func (o orders) SettlePayment(ctx context.Context, event bytebites.PaymentEvent) error {
	if err := o.belongs(event.User, event.Order); err != nil {
		return err
	}
	return o.access.Write(ctx, event.User, func(ctx context.Context, at service.UserData) error {
		return at.Orders.SettlePayment(ctx, event)
	})
}

func (o orders) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	parts, err := askAll(ctx, o.access, func(ctx context.Context, at service.UserData) ([]bytebites.Popularity, error) {
		return at.Orders.Popular(ctx, popularDepth*limit)
	})
	if err != nil {
		return nil, err
	}
	return mergePopular(parts, limit), nil
}
