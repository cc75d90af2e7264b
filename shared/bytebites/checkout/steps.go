package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
)

const (
	// undoTimeout bounds each call that settles a reservation or looks for an order after
	// the request may have ended.
	undoTimeout = 5 * time.Second
	// aftermathTimeout bounds the work that follows the commit of an order.
	aftermathTimeout = 10 * time.Second
	// RequestTimeout bounds the work of one request. The service sets it.
	RequestTimeout = 10 * time.Second
)

// AbandonedAfter is the age at which no request can still be at the effects of an order: the
// longest life of a request and of the work that follows its commit. If an effect of an older
// order is undone, the request that placed the order has died.
const AbandonedAfter = RequestTimeout + aftermathTimeout

// Parts are the dependencies of Steps. Logger, Registerer, Now and NewID may be nil.
type Parts struct {
	Catalogue   bytebites.Catalogue
	Stock       bytebites.Stock
	Orders      bytebites.Orders
	Ledger      bytebites.SupplierLedger
	Weeks       bytebites.Weeks
	Recommender bytebites.Recommender
	Mailer      bytebites.Mailer
	Outbox      bytebites.Outbox // only for Tell

	Logger     *slog.Logger
	Registerer prometheus.Registerer // takes the histogram of step times
	Now        func() time.Time
	// NewID returns a fresh id for an order of a subscriber.
	NewID func(bytebites.UserID) bytebites.OrderID
}

// Steps are the steps of placing an order. They are safe for concurrent use. Between calls
// they keep only the locks of LockKey.
type Steps struct {
	parts Parts
	clock *clock
	keys  *keyLocks
}

// NewSteps returns the steps over the parts.
func NewSteps(parts Parts) (*Steps, error) {
	if parts.Logger == nil {
		parts.Logger = slog.New(slog.DiscardHandler)
	}
	if parts.Now == nil {
		parts.Now = time.Now
	}
	if parts.NewID == nil {
		parts.NewID = func(bytebites.UserID) bytebites.OrderID { return NewOrderID() }
	}
	clock, err := newClock(parts.Registerer)
	if err != nil {
		return nil, err
	}
	return &Steps{parts: parts, clock: clock, keys: &keyLocks{}}, nil
}

// Timed runs work and records its duration under the step.
func (s *Steps) Timed(step Step, work func() error) error { return s.clock.timed(step, work) }

// Replay returns the order that was placed before under the request's Idempotency-Key, and
// whether there is one. The error is ErrKeyReused when that order has other lines.
func (s *Steps) Replay(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	var order bytebites.Order
	err := s.Timed(StepReplay, func() (err error) {
		order, err = s.parts.Orders.OrderByKey(ctx, request.User, request.IdempotencyKey)
		return err
	})
	switch {
	case errors.Is(err, bytebites.ErrNotFound):
		return bytebites.Order{}, false, nil
	case err != nil:
		return bytebites.Order{}, false, fmt.Errorf("look up idempotency key: %w", err)
	case !sameLines(request.Lines, order.Lines):
		return bytebites.Order{}, false, bytebites.ErrKeyReused
	}
	return order, true, nil
}

// sameLines reports whether an order has the requested meals and quantities, in any order.
func sameLines(asked []bytebites.Line, ordered []bytebites.OrderLine) bool {
	if len(asked) != len(ordered) {
		return false
	}
	quantities := make(map[bytebites.MealID]int, len(ordered))
	for _, line := range ordered {
		quantities[line.Meal] = line.Quantity
	}
	for _, line := range asked {
		if quantity, ok := quantities[line.Meal]; !ok || quantity != line.Quantity {
			return false
		}
	}
	return true
}

// Draft returns an order for the request, with a new id and the current names and prices. The
// error is ErrNotFound when a meal does not exist.
func (s *Steps) Draft(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, error) {
	ids := make([]bytebites.MealID, len(request.Lines))
	for i, line := range request.Lines {
		ids[i] = line.Meal
	}
	var meals []bytebites.Meal
	err := s.Timed(StepPrices, func() (err error) {
		meals, err = s.parts.Catalogue.MealsByID(ctx, ids)
		return err
	})
	if err != nil {
		return bytebites.Order{}, fmt.Errorf("look up prices: %w", err)
	}
	byID := make(map[bytebites.MealID]bytebites.Meal, len(meals))
	for _, meal := range meals {
		byID[meal.ID] = meal
	}
	order := bytebites.Order{
		ID:             s.parts.NewID(request.User),
		User:           request.User,
		IdempotencyKey: request.IdempotencyKey,
		Lines:          make([]bytebites.OrderLine, 0, len(request.Lines)),
		Status:         bytebites.OrderPlaced,
		// A replay reads the time from a database that keeps microseconds, and must match.
		PlacedAt: s.parts.Now().UTC().Truncate(time.Microsecond),
		Done:     make(map[bytebites.Effect]time.Time),
	}
	for _, line := range request.Lines {
		meal, ok := byID[line.Meal]
		if !ok {
			return bytebites.Order{}, fmt.Errorf("meal %s: %w", line.Meal, bytebites.ErrNotFound)
		}
		order.Lines = append(order.Lines, bytebites.OrderLine{
			Meal: meal.ID, Name: meal.Name, Quantity: line.Quantity, Price: meal.Price,
		})
		order.Total += meal.Price * bytebites.Cents(line.Quantity)
	}
	return order, nil
}

// Reserve reserves the order's meals. Errors: ErrOutOfStock, ErrNotFound.
func (s *Steps) Reserve(ctx context.Context, order bytebites.Order) error {
	lines := make([]bytebites.Line, len(order.Lines))
	for i, line := range order.Lines {
		lines[i] = bytebites.Line{Meal: line.Meal, Quantity: line.Quantity}
	}
	err := s.Timed(StepReserve, func() error {
		return s.parts.Stock.Reserve(ctx, order.ID, order.User, lines)
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, bytebites.ErrOutOfStock) && !errors.Is(err, bytebites.ErrNotFound) {
		// The reservation may exist although its answer was lost.
		s.Release(ctx, order)
	}
	return fmt.Errorf("reserve stock: %w", err)
}

// Release returns the order's meals to the stock, even when the request has ended. It only
// logs a failure, because the sweeper then releases the reservation.
func (s *Steps) Release(ctx context.Context, order bytebites.Order) {
	ctx, cancel := outlive(ctx, undoTimeout)
	defer cancel()
	err := s.Timed(StepRelease, func() error { return s.parts.Stock.Release(ctx, order.ID) })
	if err != nil {
		s.log(ctx, StepRelease, order, err)
	}
}

// Place stores a reserved order and confirms its reservation. It calls within, unless that is
// nil, inside the order's transaction, and an error of within rolls the order back. If within
// uses the order's database, it must pass the context that it got: the transaction may hold
// the pool's only connection.
//
// If another request has placed an order under the same Idempotency-Key, Place releases the
// reservation and returns that order as a replay. After any other error the order does not
// exist and the reservation is released. If the outcome of the commit is unknown, Place leaves
// the reservation to the sweeper, which settles it once the outcome is known.
func (s *Steps) Place(ctx context.Context, order bytebites.Order, within func(context.Context) error) (bytebites.Order, bool, error) {
	err := s.commit(ctx, order, within)
	var lost *lostAnswerError
	switch {
	case err == nil:
		s.confirm(ctx, order)
		return order, false, nil
	case errors.Is(err, bytebites.ErrDuplicate):
		s.Release(ctx, order)
		return s.winner(ctx, order)
	case errors.As(err, &lost):
		if !s.exists(ctx, order) {
			// The commit may still be in flight, and releasing now could sell the same
			// meals twice. The sweeper decides when no commit can be in flight.
			return bytebites.Order{}, false, fmt.Errorf("place order: %w", err)
		}
		s.confirm(ctx, order)
		return order, false, nil
	default:
		s.Release(ctx, order)
		return bytebites.Order{}, false, fmt.Errorf("place order: %w", err)
	}
}

// Tell adds events of a subscriber to the outbox. If Place's within calls it with its context,
// the events are published if, and only if, the order commits.
func (s *Steps) Tell(ctx context.Context, user bytebites.UserID, events ...bytebites.Event) error {
	err := s.Timed(StepOutbox, func() error { return s.parts.Outbox.Add(ctx, user, events...) })
	if err != nil {
		return fmt.Errorf("tell events: %w", err)
	}
	return nil
}

// lostAnswerError means that a commit was sent and its outcome is unknown.
type lostAnswerError struct{ cause error }

func (e *lostAnswerError) Error() string { return "outcome unknown: " + e.cause.Error() }
func (e *lostAnswerError) Unwrap() error { return e.cause }

// commit stores the order. StepPlace does not include the time of within.
func (s *Steps) commit(ctx context.Context, order bytebites.Order, within func(context.Context) error) error {
	committing := false
	var inside time.Duration
	start := time.Now()
	err := s.parts.Orders.Place(ctx, order, func(ctx context.Context) error {
		if within != nil {
			began := time.Now()
			err := within(ctx)
			inside = time.Since(began)
			if err != nil {
				return err
			}
		}
		committing = true
		return nil
	})
	s.clock.observe(StepPlace, time.Since(start)-inside)
	if err != nil && committing && !errors.Is(err, bytebites.ErrDuplicate) {
		return &lostAnswerError{cause: err}
	}
	return err
}

// winner returns the order that was placed first under this order's Idempotency-Key.
func (s *Steps) winner(ctx context.Context, order bytebites.Order) (bytebites.Order, bool, error) {
	request := bytebites.OrderRequest{User: order.User, IdempotencyKey: order.IdempotencyKey}
	for _, line := range order.Lines {
		request.Lines = append(request.Lines, bytebites.Line{Meal: line.Meal, Quantity: line.Quantity})
	}
	first, found, err := s.Replay(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if !found {
		return bytebites.Order{}, false, fmt.Errorf("place order: idempotency key taken by an order that is gone: %w", bytebites.ErrConflict)
	}
	return first, true, nil
}

func (s *Steps) exists(ctx context.Context, order bytebites.Order) bool {
	ctx, cancel := outlive(ctx, undoTimeout)
	defer cancel()
	_, err := s.parts.Orders.Order(ctx, order.User, order.ID)
	return err == nil
}

// confirm makes the reservation final. It only logs a failure, because the order is committed
// and the sweeper confirms the reservation later.
func (s *Steps) confirm(ctx context.Context, order bytebites.Order) {
	ctx, cancel := outlive(ctx, undoTimeout)
	defer cancel()
	err := s.Timed(StepConfirm, func() error { return s.parts.Stock.Confirm(ctx, order.ID) })
	if err != nil {
		s.log(ctx, StepConfirm, order, err)
	}
}

// Plan plans the subscriber's next week.
func (s *Steps) Plan(ctx context.Context, user bytebites.UserID) (bytebites.Week, error) {
	var week bytebites.Week
	err := s.Timed(StepRecommend, func() (err error) {
		week, err = s.parts.Recommender.Plan(ctx, user)
		return err
	})
	if err != nil {
		return bytebites.Week{}, fmt.Errorf("plan week: %w", err)
	}
	return week, nil
}

// SaveWeek stores a planned week.
func (s *Steps) SaveWeek(ctx context.Context, user bytebites.UserID, week bytebites.Week) error {
	return s.Timed(StepSaveWeek, func() error { return s.parts.Weeks.SetWeek(ctx, user, week) })
}

// Mail sends the confirmation mail.
func (s *Steps) Mail(ctx context.Context, email string, order bytebites.Order) error {
	err := s.Timed(StepMail, func() error { return s.parts.Mailer.ConfirmOrder(ctx, email, order) })
	if err != nil {
		return fmt.Errorf("mail confirmation: %w", err)
	}
	return nil
}

// Book records the order in the suppliers' ledger.
func (s *Steps) Book(ctx context.Context, order bytebites.Order) error {
	return s.Timed(StepLedger, func() error { return s.parts.Ledger.Record(ctx, order) })
}

// Effect performs an effect of a placed order, unless it is done, and records it as done. A
// failure does not affect the order: Effect logs it and leaves the effect undone.
func (s *Steps) Effect(ctx context.Context, order *bytebites.Order, effect bytebites.Effect, work func(context.Context) error) {
	if _, done := order.Done[effect]; done {
		return
	}
	if err := work(ctx); err != nil {
		s.log(ctx, Step(effect), *order, err)
		return
	}
	err := s.Timed(StepFinish, func() error {
		return s.parts.Orders.Finish(ctx, order.User, order.ID, effect)
	})
	if err != nil {
		s.log(ctx, StepFinish, *order, err)
		return
	}
	if order.Done == nil {
		order.Done = make(map[bytebites.Effect]time.Time)
	}
	order.Done[effect] = s.parts.Now().UTC().Truncate(time.Microsecond)
}

// Abandoned reports whether an order is older than AbandonedAfter. A retry must finish such an
// order's effects, because no other request will. The effects of a younger order belong to
// the request that placed it, perhaps in another replica.
func (s *Steps) Abandoned(order bytebites.Order) bool {
	return s.parts.Now().Sub(order.PlacedAt) > AbandonedAfter
}

// Aftermath returns a context for the work that follows the commit of an order. The order
// stands even when the client has disconnected, so the context outlives the request. It ends
// after ten seconds.
func (s *Steps) Aftermath(ctx context.Context) (context.Context, context.CancelFunc) {
	return outlive(ctx, aftermathTimeout)
}

func outlive(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}

func (s *Steps) log(ctx context.Context, step Step, order bytebites.Order, err error) {
	s.parts.Logger.ErrorContext(ctx, "order step failed",
		"step", string(step), "order", string(order.ID), "user", string(order.User), "error", err)
}
