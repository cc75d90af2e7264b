package bytebites

import (
	"context"
	"time"
)

// OrderID is an opaque name for an order.
type OrderID string

// OrderLine is a meal as it was ordered.
type OrderLine struct {
	Meal     MealID
	Name     string
	Quantity int
	Price    Cents // of one portion, when it was ordered
}

// OrderStatus says how far an order has come.
type OrderStatus string

// The states of an order.
const (
	OrderPlaced        OrderStatus = "placed"
	OrderPaid          OrderStatus = "paid"
	OrderPaymentFailed OrderStatus = "payment_failed"
)

// Effect is work that an order sets off.
type Effect string

// The effects of an order. The baseline does them all inside the request; lab 05 moves
// them to a queue.
const (
	EffectLedger         Effect = "supplier_ledger"
	EffectRecommendation Effect = "recommendations"
	EffectEmail          Effect = "confirmation_email"
)

// Effects lists every effect of an order.
func Effects() []Effect { return []Effect{EffectLedger, EffectRecommendation, EffectEmail} }

// Order is a dinner, ordered.
type Order struct {
	ID             OrderID
	User           UserID
	IdempotencyKey string
	Lines          []OrderLine
	Total          Cents
	Status         OrderStatus
	PlacedAt       time.Time
	// Done holds when each finished effect was finished.
	Done map[Effect]time.Time
}

// Popularity is how many portions of a meal recent orders took.
type Popularity struct {
	Meal     MealID
	Portions int
}

// Orders keeps orders.
type Orders interface {
	// Place stores a new order and, in the same transaction, calls within (unless it
	// is nil) before it commits; an error of within undoes the order. ErrDuplicate
	// when the subscriber already has an order with that Idempotency-Key.
	Place(ctx context.Context, order Order, within func(ctx context.Context) error) error
	// Order returns one order of a subscriber, or ErrNotFound.
	Order(ctx context.Context, user UserID, id OrderID) (Order, error)
	// OrderByKey returns the order that a subscriber placed under an Idempotency-Key,
	// or ErrNotFound.
	OrderByKey(ctx context.Context, user UserID, key string) (Order, error)
	// History returns a subscriber's orders, the latest first, at most limit of them,
	// placed before the given time unless that is zero.
	History(ctx context.Context, user UserID, before time.Time, limit int) ([]Order, error)
	// Finish notes that an effect of an order is done. Finishing again changes nothing.
	Finish(ctx context.Context, user UserID, id OrderID, effect Effect) error
	// Once notes that an effect of an order is done and, in the same transaction, calls
	// work; an error of work undoes that. It reports false, and does not call work, when the
	// effect was done before. Of two at once the second waits for the first. ErrNotFound
	// when the subscriber has no such order.
	Once(ctx context.Context, user UserID, id OrderID, effect Effect, work func(ctx context.Context) error) (bool, error)
	// ApplyPayment applies a payment event to its order, once; it reports false when
	// the event was applied before. ErrNotFound when the subscriber has no such order,
	// ErrConflict when the amount is not the order's total.
	ApplyPayment(ctx context.Context, event PaymentEvent) (bool, error)
	// RecordPayment is the first half of ApplyPayment: it keeps the event, once, and leaves
	// the order's status alone. In the same transaction it calls within (unless it is nil)
	// when the event is new; an error of within undoes it. It reports false when the event was
	// recorded before. Errors as ApplyPayment's.
	RecordPayment(ctx context.Context, event PaymentEvent, within func(ctx context.Context) error) (bool, error)
	// SettlePayment is the second half: it changes the order's status by an event that was
	// recorded. Settling again changes nothing. ErrNotFound when the event was not recorded,
	// or the subscriber has no such order; ErrConflict when it was recorded as another.
	SettlePayment(ctx context.Context, event PaymentEvent) error
	// Popular returns the meals that recent orders took most portions of, the most
	// popular first.
	Popular(ctx context.Context, limit int) ([]Popularity, error)
}

// PaymentEvent is what the payment provider says of an order.
type PaymentEvent struct {
	ID        string
	User      UserID
	Order     OrderID
	Amount    Cents
	Succeeded bool
}

// Payments receives what the payment provider says.
type Payments interface {
	// Receive sees to it that a payment event is applied to its order, once: before it returns,
	// or soon after. It reports false when the event was received before. Errors as those of
	// Orders.ApplyPayment.
	Receive(ctx context.Context, event PaymentEvent) (applied bool, err error)
}

// SupplierLedger is the bookkeeping of what suppliers are owed.
type SupplierLedger interface {
	// Record books an order's ingredients, once; recording again changes nothing.
	Record(ctx context.Context, order Order) error
}

// Week is what a subscriber might eat next week: one meal a day, Monday first.
type Week struct {
	Meals     []MealID
	PlannedAt time.Time
}

// Weeks keeps the weeks that were planned.
type Weeks interface {
	// Week returns the latest week planned for a subscriber, or ErrNotFound.
	Week(ctx context.Context, user UserID) (Week, error)
	// SetWeek replaces it.
	SetWeek(ctx context.Context, user UserID, week Week) error
}

// Recommender plans a week of meals for a subscriber from what they like and what they
// ordered before. It costs about 16 ms of CPU.
type Recommender interface {
	Plan(ctx context.Context, user UserID) (Week, error)
}

// Mailer sends mail to subscribers.
type Mailer interface {
	// ConfirmOrder sends the confirmation of an order.
	ConfirmOrder(ctx context.Context, email string, order Order) error
}

// OrderRequest is what a subscriber asks for.
type OrderRequest struct {
	User           UserID
	Email          string
	IdempotencyKey string
	Lines          []Line // at least one, each meal once, quantities of 1 to 50
}

// Checkout places orders.
//
// The baseline's holds one lock, and the order's transaction, until the confirmation
// mail is out; lab 01 ends that, lab 05 moves the effects to a queue.
type Checkout interface {
	// PlaceOrder places an order, or returns the one placed before under the same
	// Idempotency-Key, and then reports true. Errors: ErrOutOfStock, ErrNotFound (an
	// unknown meal), ErrKeyReused, ErrBusy.
	PlaceOrder(ctx context.Context, request OrderRequest) (order Order, replayed bool, err error)
}
