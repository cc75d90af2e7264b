package spec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/service"
)

// The calls of a shop, as its journal and its faults name them.
const (
	callPrices   = "look up prices"
	callReserve  = "reserve stock"
	callConfirm  = "confirm reservation"
	callRelease  = "release reservation"
	callPlace    = "place order"
	callCommit   = "commit order"
	callRead     = "read order"
	callFinish   = "finish effect"
	callOnce     = "do effect once"
	callRecord   = "record payment"
	callSettle   = "settle payment"
	callOutbox   = "add to outbox"
	callBook     = "book order"
	callPlan     = "plan week"
	callSaveWeek = "save week"
	callMail     = "mail confirmation"
	callClaim    = "claim effect"
	callUnclaim  = "release claim"
)

// errDown is the error of a server that refuses a call. It tells nothing about the next call.
var errDown = errors.New("the check makes this fail")

// shop is ByteBites in memory: the stores that orders and their effects need, with transactions.
// A check gives it to the code under test in place of databases and a mail server.
type shop struct {
	bytebites.Catalogue // only MealsByID

	mu       sync.Mutex
	orders   map[bytebites.OrderID]bytebites.Order
	held     map[bytebites.OrderID]bool // reservations that are neither confirmed nor released
	reserved map[bytebites.OrderID]bool // all that were made
	outbox   map[bytebites.EventID]bytebites.Event
	payments map[string]bytebites.PaymentEvent
	settled  []bytebites.PaymentEvent
	booked   map[bytebites.OrderID]int
	weeks    map[bytebites.UserID]int
	mails    []bytebites.OrderID
	letters  []string               // the addresses that the mails went to
	claims   map[claimKey]time.Time // ends of claims
	locks    map[string]chan struct{}
	journal  []call
	faults   map[string]func(context.Context) error
}

type claimKey struct {
	order  bytebites.OrderID
	effect bytebites.Effect
}

// call is a call of a store.
type call struct {
	what     string
	inside   bool // a transaction
	at       time.Time
	deadline time.Time     // of its context; zero without one
	lasts    time.Duration // of a claim
}

func newShop() *shop {
	return &shop{
		orders: make(map[bytebites.OrderID]bytebites.Order), held: make(map[bytebites.OrderID]bool),
		reserved: make(map[bytebites.OrderID]bool), outbox: make(map[bytebites.EventID]bytebites.Event),
		payments: make(map[string]bytebites.PaymentEvent), booked: make(map[bytebites.OrderID]int),
		weeks: make(map[bytebites.UserID]int), claims: make(map[claimKey]time.Time),
		locks: make(map[string]chan struct{}), faults: make(map[string]func(context.Context) error),
	}
}

// steps returns the steps of an order over the shop.
func (s *shop) steps(mailer bytebites.Mailer) (*checkout.Steps, error) {
	if mailer == nil {
		mailer = s
	}
	return checkout.NewSteps(checkout.Parts{
		Catalogue: s, Stock: shopStock{s}, Orders: shopOrders{s}, Ledger: shopLedger{s}, Weeks: shopWeeks{s},
		Recommender: s, Mailer: mailer, Outbox: shopOutbox{s},
	})
}

// parts returns the shop as a role gets it. Without a mailer, the shop takes the mails.
func (s *shop) parts(mailer bytebites.Mailer) (service.Parts, error) {
	steps, err := s.steps(mailer)
	if err != nil {
		return service.Parts{}, err
	}
	return service.Parts{
		Catalogue: s, Stock: shopStock{s}, Recommender: s, Steps: steps,
		UserData: service.UserData{
			Orders: shopOrders{s}, Ledger: shopLedger{s}, Weeks: shopWeeks{s}, Outbox: shopOutbox{s}, Claims: shopClaims{s},
		},
	}, nil
}

// fail makes a call fail with an error; nil lets it succeed again.
func (s *shop) fail(what string, err error) {
	s.on(what, func(context.Context) error { return err })
}

// on has do called before each call of that name. An error of do is the error of the call.
func (s *shop) on(what string, do func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[what] = do
}

// calls returns the calls of that name.
func (s *shop) calls(what string) []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.journal), func(c call) bool { return c.what != what })
}

// count returns how many of the named calls there were.
func (s *shop) count(whats ...string) int {
	n := 0
	for _, what := range whats {
		n += len(s.calls(what))
	}
	return n
}

// transaction has the changes that its commit makes.
type transaction struct{ changes []func() }

type transactionKey struct{}

func transactionOf(ctx context.Context) *transaction {
	tx, _ := ctx.Value(transactionKey{}).(*transaction)
	return tx
}

// enter notes a call, and returns the error that a check has planned for it. A call of a context
// that has ended fails, as at a real server.
func (s *shop) enter(ctx context.Context, c call) error {
	c.inside = transactionOf(ctx) != nil
	c.at = time.Now()
	c.deadline, _ = ctx.Deadline()
	s.mu.Lock()
	s.journal = append(s.journal, c)
	fault := s.faults[c.what]
	s.mu.Unlock()
	if fault != nil {
		if err := fault(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
	}
	return nil
}

// change makes a change now, or when the transaction of ctx commits.
func (s *shop) change(ctx context.Context, change func()) {
	if tx := transactionOf(ctx); tx != nil {
		tx.changes = append(tx.changes, change)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// transact runs work in a transaction that holds the named lock. Its commit is a call too.
func (s *shop) transact(ctx context.Context, lock, commit string, work func(context.Context) error) error {
	s.mu.Lock()
	if s.locks[lock] == nil {
		s.locks[lock] = make(chan struct{}, 1)
	}
	held := s.locks[lock]
	s.mu.Unlock()
	select {
	case held <- struct{}{}:
		defer func() { <-held }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", commit, context.Cause(ctx))
	}
	tx := &transaction{}
	if err := work(context.WithValue(ctx, transactionKey{}, tx)); err != nil {
		return err
	}
	if err := s.enter(ctx, call{what: commit}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, change := range tx.changes {
		change()
	}
	return nil
}

// MealsByID returns a meal for each id.
func (s *shop) MealsByID(ctx context.Context, ids []bytebites.MealID) (meals []bytebites.Meal, err error) {
	if err := s.enter(ctx, call{what: callPrices}); err != nil {
		return nil, err
	}
	for _, id := range ids {
		meals = append(meals, bytebites.Meal{ID: id, Name: "Soup", Price: 250})
	}
	return meals, nil
}

// Plan returns a week.
func (s *shop) Plan(ctx context.Context, _ bytebites.UserID) (bytebites.Week, error) {
	return bytebites.Week{Meals: []bytebites.MealID{"meal-1"}}, s.enter(ctx, call{what: callPlan})
}

// ConfirmOrder takes a mail.
func (s *shop) ConfirmOrder(ctx context.Context, email string, order bytebites.Order) error {
	if err := s.enter(ctx, call{what: callMail}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails, s.letters = append(s.mails, order.ID), append(s.letters, email)
	return nil
}

// mailed returns how many mails of an order are out.
func (s *shop) mailed(id bytebites.OrderID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, other := range s.mails {
		if other == id {
			n++
		}
	}
	return n
}

type shopStock struct{ *shop }

func (s shopStock) Reserve(ctx context.Context, order bytebites.OrderID, _ bytebites.UserID, _ []bytebites.Line) error {
	if err := s.enter(ctx, call{what: callReserve}); err != nil {
		return err
	}
	s.change(ctx, func() { s.held[order], s.reserved[order] = true, true })
	return nil
}

func (s shopStock) Confirm(ctx context.Context, order bytebites.OrderID) error {
	if err := s.enter(ctx, call{what: callConfirm}); err != nil {
		return err
	}
	s.change(ctx, func() { delete(s.held, order) })
	return nil
}

func (s shopStock) Release(ctx context.Context, order bytebites.OrderID) error {
	if err := s.enter(ctx, call{what: callRelease}); err != nil {
		return err
	}
	s.change(ctx, func() {
		if s.held[order] {
			delete(s.held, order)
			delete(s.reserved, order)
		}
	})
	return nil
}

func (s shopStock) Unsettled(context.Context, int, int) ([]bytebites.Reservation, error) {
	return nil, nil
}

func (s shopStock) Available(context.Context, []bytebites.MealID) (map[bytebites.MealID]int, error) {
	return nil, nil
}

type shopOrders struct{ *shop }

func (s shopOrders) Place(ctx context.Context, order bytebites.Order, within func(context.Context) error) error {
	return s.transact(ctx, "key "+order.IdempotencyKey, callCommit, func(ctx context.Context) error {
		if err := s.enter(ctx, call{what: callPlace}); err != nil {
			return err
		}
		if _, err := s.OrderByKey(ctx, order.User, order.IdempotencyKey); err == nil {
			return fmt.Errorf("place order: %w", bytebites.ErrDuplicate)
		}
		s.change(ctx, func() { s.orders[order.ID] = order })
		if within == nil {
			return nil
		}
		return within(ctx)
	})
}

func (s shopOrders) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	if err := s.enter(ctx, call{what: callRead}); err != nil {
		return bytebites.Order{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	order, ok := s.orders[id]
	if !ok || order.User != user {
		return bytebites.Order{}, fmt.Errorf("read order: %w", bytebites.ErrNotFound)
	}
	order.Done = maps.Clone(order.Done)
	return order, nil
}

func (s shopOrders) OrderByKey(_ context.Context, user bytebites.UserID, key string) (bytebites.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, order := range s.orders {
		if order.User == user && order.IdempotencyKey == key {
			return order, nil
		}
	}
	return bytebites.Order{}, fmt.Errorf("read order: %w", bytebites.ErrNotFound)
}

func (s shopOrders) History(context.Context, bytebites.UserID, bytebites.HistoryCursor, int) ([]bytebites.Order, error) {
	return nil, nil
}

// done reports whether an effect is noted as done.
func (s *shop) done(id bytebites.OrderID, effect bytebites.Effect) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, done := s.orders[id].Done[effect]
	return done
}

// note notes an effect as done. The shop is locked.
func (s *shop) note(id bytebites.OrderID, effect bytebites.Effect) {
	order := s.orders[id]
	order.Done = maps.Clone(order.Done)
	if order.Done == nil {
		order.Done = make(map[bytebites.Effect]time.Time)
	}
	if order.Done[effect].IsZero() {
		order.Done[effect] = time.Now()
	}
	s.orders[id] = order
}

func (s shopOrders) Finish(ctx context.Context, user bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect) error {
	if err := s.enter(ctx, call{what: callFinish}); err != nil {
		return err
	}
	if _, err := s.Order(ctx, user, id); err != nil {
		return err
	}
	s.change(ctx, func() { s.note(id, effect) })
	return nil
}

func (s shopOrders) Once(ctx context.Context, user bytebites.UserID, id bytebites.OrderID, effect bytebites.Effect, work func(context.Context) error) (bool, error) {
	first := false
	err := s.transact(ctx, fmt.Sprintf("effect %s of %s", effect, id), callOnce, func(ctx context.Context) error {
		if _, err := s.Order(ctx, user, id); err != nil {
			return err
		}
		if s.done(id, effect) {
			return nil
		}
		first = true
		s.change(ctx, func() { s.note(id, effect) })
		return work(ctx)
	})
	return first && err == nil, err
}

func (s shopOrders) ApplyPayment(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	first, err := s.RecordPayment(ctx, event, nil)
	if err != nil {
		return false, err
	}
	return first, s.SettlePayment(ctx, event)
}

func (s shopOrders) RecordPayment(ctx context.Context, event bytebites.PaymentEvent, within func(context.Context) error) (bool, error) {
	first := false
	err := s.transact(ctx, "payment "+event.ID, callRecord, func(ctx context.Context) error {
		order, err := s.Order(ctx, event.User, event.Order)
		if err != nil {
			return err
		}
		if order.Total != event.Amount {
			return fmt.Errorf("record payment: %w", bytebites.ErrConflict)
		}
		if s.recorded(event.ID) {
			return nil
		}
		first = true
		s.change(ctx, func() { s.payments[event.ID] = event })
		if within == nil {
			return nil
		}
		return within(ctx)
	})
	return first && err == nil, err
}

// recorded reports whether a payment is recorded.
func (s *shop) recorded(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.payments[id]
	return there
}

func (s shopOrders) SettlePayment(ctx context.Context, event bytebites.PaymentEvent) error {
	if err := s.enter(ctx, call{what: callSettle}); err != nil {
		return err
	}
	if !s.recorded(event.ID) {
		return fmt.Errorf("settle payment: %w", bytebites.ErrNotFound)
	}
	s.change(ctx, func() { s.settled = append(s.settled, event) })
	return nil
}

func (s shopOrders) Popular(context.Context, int) ([]bytebites.Popularity, error) { return nil, nil }

type shopOutbox struct{ *shop }

func (s shopOutbox) Add(ctx context.Context, user bytebites.UserID, events ...bytebites.Event) error {
	for _, event := range events {
		if err := s.enter(ctx, call{what: callOutbox}); err != nil {
			return err
		}
		if event.User != user {
			return fmt.Errorf("add to outbox: event %q belongs to another subscriber", event.ID)
		}
		if _, err := outbox.Encode(event); err != nil {
			return fmt.Errorf("add to outbox: %w", err)
		}
	}
	s.change(ctx, func() {
		for _, event := range events {
			if _, there := s.outbox[event.ID]; !there {
				s.outbox[event.ID] = event
			}
		}
	})
	return nil
}

// told returns the events in the outbox, by id.
func (s *shop) told() map[bytebites.EventID]bytebites.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.outbox)
}

type shopLedger struct{ *shop }

func (s shopLedger) Record(ctx context.Context, order bytebites.Order) error {
	if err := s.enter(ctx, call{what: callBook}); err != nil {
		return err
	}
	s.change(ctx, func() { s.booked[order.ID]++ })
	return nil
}

type shopWeeks struct{ *shop }

func (s shopWeeks) Week(context.Context, bytebites.UserID) (bytebites.Week, error) {
	return bytebites.Week{}, bytebites.ErrNotFound
}

func (s shopWeeks) SetWeek(ctx context.Context, user bytebites.UserID, _ bytebites.Week) error {
	if err := s.enter(ctx, call{what: callSaveWeek}); err != nil {
		return err
	}
	s.change(ctx, func() { s.weeks[user]++ })
	return nil
}

type shopClaims struct{ *shop }

func (s shopClaims) Claim(ctx context.Context, _ bytebites.UserID, order bytebites.OrderID, effect bytebites.Effect, d time.Duration) (bool, error) {
	if err := s.enter(ctx, call{what: callClaim, lasts: d}); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.claims[claimKey{order, effect}]) {
		return false, nil
	}
	s.claims[claimKey{order, effect}] = time.Now().Add(d)
	return true, nil
}

func (s shopClaims) Release(ctx context.Context, _ bytebites.UserID, order bytebites.OrderID, effect bytebites.Effect) error {
	if err := s.enter(ctx, call{what: callUnclaim}); err != nil {
		return err
	}
	s.change(ctx, func() { delete(s.claims, claimKey{order, effect}) })
	return nil
}

// claimed reports whether an effect is claimed now.
func (s *shop) claimed(order bytebites.OrderID, effect bytebites.Effect) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.claims[claimKey{order, effect}])
}
