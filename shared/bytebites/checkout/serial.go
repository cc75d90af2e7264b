package checkout

import (
	"context"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
)

// Serial is the baseline's checkout. It is correct, and slow for reasons found in real teams.
//
//   - Held lock (fault 2 of docs/faults.md): one lock per process lets one order through at a
//     time, 'so that no subscriber orders twice'. Orders.Place already prevents that, and the
//     lock prevents nothing once two processes run. Lab 01 removes it.
//   - Held connection (fault 3): the checkout mails the confirmation inside the order's
//     transaction, 'so that no order goes unconfirmed'. The transaction holds the pool's only
//     connection while it waits for a mail server. Lab 01 mails after the commit.
//   - Everything inside the request (fault 7): the subscriber waits for the ledger, next
//     week's plan and the mail. Lab 05 moves them to a queue.
//
// A retry under the same Idempotency-Key performs the effects that an earlier try left
// undone. It sends no mail, because the mail of a stored order was sent before its commit.
type Serial struct {
	*Steps
	lock chan struct{}
}

// NewSerial returns the baseline's checkout.
func NewSerial(steps *Steps) *Serial {
	return &Serial{Steps: steps, lock: make(chan struct{}, 1)}
}

// PlaceOrder places an order; see bytebites.Checkout.
func (s *Serial) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if err := s.Timed(StepLockWait, func() error { return s.acquire(ctx) }); err != nil {
		return bytebites.Order{}, false, err
	}
	defer s.release()

	if order, found, err := s.Replay(ctx, request); err != nil {
		return bytebites.Order{}, false, err
	} else if found {
		s.effects(ctx, &order, func(ctx context.Context) (bytebites.Week, error) {
			return s.Plan(ctx, order.User)
		})
		return order, true, nil
	}
	order, err := s.Draft(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if err := s.Reserve(ctx, order); err != nil {
		return bytebites.Order{}, false, err
	}
	week, err := s.Plan(ctx, order.User)
	if err != nil {
		s.Release(ctx, order)
		return bytebites.Order{}, false, err
	}
	order, replayed, err := s.Place(ctx, order, func(ctx context.Context) error {
		return s.Mail(ctx, request.Email, order)
	})
	if err != nil || replayed {
		return order, replayed, err
	}
	s.effects(ctx, &order, func(context.Context) (bytebites.Week, error) { return week, nil })
	return order, false, nil
}

// effects performs the effects of a committed order that are not done yet.
func (s *Serial) effects(ctx context.Context, order *bytebites.Order, plan func(context.Context) (bytebites.Week, error)) {
	ctx, cancel := s.Aftermath(ctx)
	defer cancel()
	s.Effect(ctx, order, bytebites.EffectEmail, func(context.Context) error {
		return nil // sent inside the transaction
	})
	s.Effect(ctx, order, bytebites.EffectLedger, func(ctx context.Context) error {
		return s.Book(ctx, *order)
	})
	s.Effect(ctx, order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		week, err := plan(ctx)
		if err != nil {
			return err
		}
		return s.SaveWeek(ctx, order.User, week)
	})
}

// acquire takes the lock, or returns ErrBusy when ctx ends first. A sync.Mutex would keep
// waiting after the client has disconnected.
func (s *Serial) acquire(ctx context.Context) error {
	select {
	case s.lock <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the checkout lock: %w: %w", bytebites.ErrBusy, context.Cause(ctx))
	}
	if ctx.Err() != nil { // select picks at random when both are ready
		s.release()
		return fmt.Errorf("wait for the checkout lock: %w: %w", bytebites.ErrBusy, context.Cause(ctx))
	}
	return nil
}

func (s *Serial) release() { <-s.lock }
