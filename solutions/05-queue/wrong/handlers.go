package wrong

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/05-queue"
)

// handlers do the effects in another way than the solution does: a mail is noted, and its claim given
// up, by two calls. The fields are mistakes.
type handlers struct {
	service.Parts
	bookedThenNoted bool // two transactions
	notedThenBooked bool // two transactions, the other way round
	plansInside     bool // plans in the transaction
	readsFirst      bool // reads the order before the claim
	shortClaim      bool // a claim that ends before a slow mail
	keepsClaim      bool // a failed mail keeps its claim
	claimedIsDone   bool // somebody else's claim counts as done
	hidesErrors     bool // nothing can see that a server was busy
	oneDeadline     bool // the note has the deadline of the mail
	neverNotes      bool // ignores an error of the note
	patient         bool // no refusal is for good
	savesNoPlan     bool // a week that could not be planned is saved all the same
	booksUnread     bool // an order that cannot be read is booked all the same
	skipsErrors     bool // logs an error of the ledger, and goes on
	alwaysFirst     bool // reports an effect each time
	releasesFirst   bool // gives the claim up before the note
	plansAgain      bool // plans a week that is saved already
	outerContext    bool // works inside Once with the context of the handler, which carries no transaction
	lostIsDone      bool // an order that is not found has nothing to be done
	trustsTopic     bool // takes an event for a payment by its topic
	prefetch        int  // of all queues, unless 0
}

func (h handlers) worker(c *service.Composition) {
	c.Roles["worker"] = roles.Worker(queue.Declare, h.consumers, queue.Serve)
}

func (h handlers) consumers(p service.Parts) []roles.Consumer {
	h.Parts = p
	all := []roles.Consumer{
		{Queue: "payments", Prefetch: 3, Handle: h.payment},
		{Queue: string(bytebites.EffectEmail), Prefetch: 50, Handle: h.email},
		{Queue: string(bytebites.EffectRecommendation), Prefetch: 1, Handle: h.recommendation},
		{Queue: string(bytebites.EffectLedger), Prefetch: 8, Handle: h.ledger},
	}
	for i := range all {
		if h.prefetch != 0 {
			all[i].Prefetch = h.prefetch
		}
		if handle := all[i].Handle; h.hidesErrors {
			all[i].Handle = func(ctx context.Context, event bytebites.Event) (bool, error) {
				first, err := handle(ctx, event)
				if err != nil {
					err = fmt.Errorf("handle %s: %v", event.ID, err) //nolint:errorlint // the mistake
				}
				return first, err
			}
		}
	}
	return all
}

func (h handlers) ledger(ctx context.Context, event bytebites.Event) (bool, error) {
	order, err := h.Orders.Order(ctx, event.User, event.Order)
	if h.lostIsDone && errors.Is(err, bytebites.ErrNotFound) {
		return false, nil
	}
	if err != nil && !h.booksUnread {
		return false, err
	}
	_, done := order.Done[bytebites.EffectLedger]
	switch {
	case h.skipsErrors:
		return h.Orders.Once(ctx, event.User, event.Order, bytebites.EffectLedger, func(ctx context.Context) error {
			_ = h.Steps.Book(ctx, order)
			return nil
		})
	case h.bookedThenNoted && done, h.notedThenBooked && done:
		return false, nil
	case h.bookedThenNoted:
		if err := h.Steps.Book(ctx, order); err != nil {
			return false, err
		}
		return true, h.Orders.Finish(ctx, event.User, event.Order, bytebites.EffectLedger)
	case h.notedThenBooked:
		if err := h.Orders.Finish(ctx, event.User, event.Order, bytebites.EffectLedger); err != nil {
			return false, err
		}
		return true, h.Steps.Book(ctx, order)
	}
	first, err := h.Orders.Once(ctx, event.User, event.Order, bytebites.EffectLedger, func(inside context.Context) error {
		if h.outerContext {
			inside = ctx
		}
		return h.Steps.Book(inside, order)
	})
	return first || h.alwaysFirst && err == nil, err
}

func (h handlers) recommendation(ctx context.Context, event bytebites.Event) (bool, error) {
	var week bytebites.Week
	var err error
	if !h.plansInside {
		order, err := h.Orders.Order(ctx, event.User, event.Order)
		if err != nil {
			return false, err
		}
		if _, done := order.Done[bytebites.EffectRecommendation]; done && !h.plansAgain {
			return false, nil
		}
		if week, err = h.Steps.Plan(ctx, event.User); err != nil && !h.savesNoPlan {
			return false, err
		}
	}
	return h.Orders.Once(ctx, event.User, event.Order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		if h.plansInside {
			if week, err = h.Steps.Plan(ctx, event.User); err != nil {
				return err
			}
		}
		return h.Steps.SaveWeek(ctx, event.User, week)
	})
}

func (h handlers) payment(ctx context.Context, event bytebites.Event) (bool, error) {
	if event.Payment == nil && !h.trustsTopic {
		return false, errors.New("no payment")
	}
	err := h.Orders.SettlePayment(ctx, *event.Payment)
	if h.lostIsDone && errors.Is(err, bytebites.ErrNotFound) {
		return false, nil
	}
	return true, err
}

func (h handlers) email(ctx context.Context, event bytebites.Event) (bool, error) {
	const effect = bytebites.EffectEmail
	var before bytebites.Order
	var err error
	if h.readsFirst {
		if before, err = h.Orders.Order(ctx, event.User, event.Order); err != nil {
			return false, err
		}
	}
	claim := 20 * time.Second
	if h.shortClaim {
		claim = 2 * time.Second
	}
	mine, err := h.Claims.Claim(ctx, event.User, event.Order, effect, claim)
	switch {
	case err != nil:
		return false, err
	case !mine && h.claimedIsDone:
		return false, nil
	case !mine:
		return false, fmt.Errorf("claimed by another worker: %w", bytebites.ErrBusy)
	}
	mailing, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	order := before
	if !h.readsFirst {
		order, err = h.Orders.Order(mailing, event.User, event.Order)
	}
	_, done := order.Done[effect]
	if err == nil && !done {
		err = h.Steps.Mail(mailing, event.Email, order)
	}
	noting := context.WithoutCancel(ctx)
	if h.oneDeadline {
		noting = mailing
	}
	noting, end := context.WithTimeout(noting, 5*time.Second)
	defer end()
	if h.releasesFirst {
		_ = h.Claims.Release(noting, event.User, event.Order, effect)
	}
	if err == nil && !done {
		if err = h.Orders.Finish(noting, event.User, event.Order, effect); h.neverNotes {
			err = nil
		}
	}
	if err == nil || !h.keepsClaim {
		_ = h.Claims.Release(noting, event.User, event.Order, effect)
	}
	if err != nil && h.patient {
		err = fmt.Errorf("%w: %w", bytebites.ErrBusy, err)
	}
	return !done && err == nil, err
}
