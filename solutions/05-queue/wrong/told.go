package wrong

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/service"
)

// teller is a checkout that makes its events before the transaction, and adds each by a call of its
// own. Its fields are mistakes.
type teller struct {
	*checkout.Steps
	afterCommit  bool // tells when the order is committed
	beforePlace  bool // tells before there is an order
	logsFailures bool // an outbox that fails is only logged
	outside      bool // tells with the context of the request
	ordersOnly   bool // nobody plans the week
	freshIDs     bool // each telling is a new event
	noReplay     bool // leaves it to Place to find an earlier order
	busyIsFine   bool // an outbox that is busy is only logged
	tellsAgain   bool // tells of an order that was placed before
	releases     bool // releases the reservation when Place fails
	undrafted    bool // ignores an error of Draft
	mails        bool // mails before it answers
	mailsLater   bool // mails when it has answered
}

func (t teller) checkout(c *service.Composition) {
	c.Checkout = func(_ service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
		t.Steps = steps
		return t, nil
	}
}

func (t teller) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if !t.noReplay {
		order, found, err := t.Replay(ctx, request)
		if err == nil && found && t.tellsAgain {
			err = t.tell(ctx, t.events(order, request.Email))
		}
		if err != nil || found {
			return order, found, err
		}
	}
	order, err := t.Draft(ctx, request)
	if err != nil && !t.undrafted {
		return bytebites.Order{}, false, err
	}
	events := t.events(order, request.Email)
	if err := t.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	if t.beforePlace {
		if err := t.tell(ctx, events); err != nil {
			t.Release(ctx, order)
			return bytebites.Order{}, false, err
		}
	}
	request2 := ctx
	placed, replayed, err := t.Place(ctx, order, func(ctx context.Context) error {
		if t.beforePlace || t.afterCommit {
			return nil
		}
		if t.outside {
			ctx = request2
		}
		return t.tell(ctx, events)
	})
	if err != nil && t.releases {
		t.Release(ctx, order)
	}
	if err != nil || replayed {
		return placed, replayed, err
	}
	if t.afterCommit {
		if err := t.tell(ctx, events); err != nil {
			slog.ErrorContext(ctx, "not told", "order", string(order.ID), "error", err)
		}
	}
	if t.mails {
		t.mail(ctx, &placed, request.Email)
	}
	if t.mailsLater {
		later := placed
		go func() {
			ctx, done := t.Aftermath(ctx)
			defer done()
			t.mail(ctx, &later, request.Email)
		}()
	}
	return placed, false, nil
}

// mail sends the mail of an order, and notes it.
func (t teller) mail(ctx context.Context, order *bytebites.Order, email string) {
	t.Effect(ctx, order, bytebites.EffectEmail, func(ctx context.Context) error { return t.Mail(ctx, email, *order) })
}

func (t teller) events(order bytebites.Order, email string) []bytebites.Event {
	all := []bytebites.Event{
		{Topic: bytebites.TopicRecommendationRequest},
		{Topic: bytebites.TopicOrderPlaced, Email: email},
	}
	if t.ordersOnly {
		all = all[1:]
	}
	for i := range all {
		e := &all[i]
		e.ID, e.User, e.Order, e.At = outbox.NewID(e.Topic, order.ID), order.User, order.ID, order.PlacedAt
		if t.freshIDs {
			e.ID += bytebites.EventID(time.Now().Format(":150405.000000"))
		}
	}
	return all
}

func (t teller) tell(ctx context.Context, events []bytebites.Event) error {
	for _, event := range events {
		if err := t.Tell(ctx, event.User, event); err != nil {
			fine := t.logsFailures || t.busyIsFine && errors.Is(err, bytebites.ErrBusy)
			if !fine {
				return err
			}
			slog.ErrorContext(ctx, "not told", "event", string(event.ID), "error", err)
		}
	}
	return nil
}

// receiver receives payments. Its fields are mistakes.
type receiver struct {
	orders       bytebites.Orders
	outbox       bytebites.Outbox
	afterCommit  bool // tells when the payment is recorded
	logsFailures bool // an outbox that fails is only logged
	onePerOrder  bool // the event has the id of the order
	outside      bool // tells with the context of the request
	alwaysNew    bool // says each time that the payment is new
	settles      bool // settles the payment as well
}

func (r receiver) payments(c *service.Composition) {
	c.Payments = func(_ service.Resources, p service.Parts) (bytebites.Payments, error) {
		r.orders, r.outbox = p.Orders, p.Outbox
		return r, nil
	}
}

// paymentEvent returns the event of a payment.
func paymentEvent(payment bytebites.PaymentEvent) bytebites.Event {
	return bytebites.Event{
		ID: outbox.NewPaymentID(payment), Topic: bytebites.TopicPaymentProcessed,
		User: payment.User, Order: payment.Order, At: time.Now(), Payment: &payment,
	}
}

func (r receiver) Receive(ctx context.Context, payment bytebites.PaymentEvent) (bool, error) {
	event := paymentEvent(payment)
	if r.onePerOrder {
		event.ID = outbox.NewID(event.Topic, event.Order)
	}
	request := ctx
	first, err := r.orders.RecordPayment(ctx, payment, func(ctx context.Context) error {
		if r.afterCommit {
			return nil
		}
		if r.outside {
			ctx = request
		}
		if err := r.outbox.Add(ctx, event.User, event); err != nil {
			if !r.logsFailures {
				return err
			}
			slog.ErrorContext(ctx, "not told", "event", string(event.ID), "error", err)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if first && r.afterCommit {
		if err := r.outbox.Add(ctx, event.User, event); err != nil {
			return false, err
		}
	}
	if first && r.settles {
		return true, r.orders.SettlePayment(ctx, payment)
	}
	return first || r.alwaysNew, nil
}
