package bytebites

import (
	"context"
	"time"
)

// OrderID is an opaque name for an order.
type OrderID string

// OrderLine is a meal of an order, with its name and price at the time of the order.
type OrderLine struct {
	Meal     MealID
	Name     string
	Quantity int
	Price    Cents // of one portion, when it was ordered
}

// OrderStatus is the state of an order.
type OrderStatus string

// The states of an order.
const (
	OrderPlaced        OrderStatus = "placed"
	OrderPaid          OrderStatus = "paid"
	OrderPaymentFailed OrderStatus = "payment_failed"
)

// Effect is work that follows from an order.
type Effect string

// The effects of an order. The baseline performs all of them inside the request. Lab 05
// moves them to a queue.
const (
	EffectLedger         Effect = "supplier_ledger"
	EffectRecommendation Effect = "recommendations"
	EffectEmail          Effect = "confirmation_email"
)

// Effects lists every effect of an order.
func Effects() []Effect { return []Effect{EffectLedger, EffectRecommendation, EffectEmail} }

// Order is one order of a subscriber.
type Order struct {
	ID             OrderID
	User           UserID
	IdempotencyKey string
	Lines          []OrderLine
	Total          Cents
	Status         OrderStatus
	PlacedAt       time.Time
	// Done maps each finished effect to the time at which it finished.
	Done map[Effect]time.Time
}

// Popularity is the number of portions of a meal in recent orders.
type Popularity struct {
	Meal     MealID
	Portions int
}

// Orders stores orders.
type Orders interface {
	// Place stores a new order. Before it commits, it calls within (unless that is nil) in
	// the same transaction. An error of within rolls the order back. The error is
	// ErrDuplicate when the subscriber already has an order with that Idempotency-Key.
	Place(ctx context.Context, order Order, within func(ctx context.Context) error) error
	// Order returns one order of a subscriber, or ErrNotFound.
	Order(ctx context.Context, user UserID, id OrderID) (Order, error)
	// OrderByKey returns the order that a subscriber placed under an Idempotency-Key,
	// or ErrNotFound.
	OrderByKey(ctx context.Context, user UserID, key string) (Order, error)
	// History returns at most limit of a subscriber's orders, the latest first. Orders of one
	// instant are in descending order of id. Unless before is zero, it returns only orders
	// that come after before in this sequence.
	History(ctx context.Context, user UserID, before HistoryCursor, limit int) ([]Order, error)
	// Finish records that an effect of an order is done. Finishing again changes nothing.
	Finish(ctx context.Context, user UserID, id OrderID, effect Effect) error
	// Once records that an effect of an order is done and calls work in the same
	// transaction. An error of work rolls the record back. If the effect was done before,
	// Once reports false and does not call work. Of two concurrent calls the second waits
	// for the first. The error is ErrNotFound when the subscriber has no such order.
	Once(ctx context.Context, user UserID, id OrderID, effect Effect, work func(ctx context.Context) error) (bool, error)
	// ApplyPayment applies a payment event to its order, once. It reports false when
	// the event was applied before. The error is ErrNotFound when the subscriber has no
	// such order, and ErrConflict when the amount is not the order's total.
	ApplyPayment(ctx context.Context, event PaymentEvent) (bool, error)
	// RecordPayment is the first half of ApplyPayment: it stores the event, once, and does
	// not change the order's status. If the event is new, it calls within (unless that is
	// nil) in the same transaction. An error of within rolls the event back. RecordPayment
	// reports false when the event was recorded before. Its errors are ApplyPayment's.
	RecordPayment(ctx context.Context, event PaymentEvent, within func(ctx context.Context) error) (bool, error)
	// SettlePayment is the second half: it sets the order's status from a recorded event.
	// Settling again changes nothing. The error is ErrNotFound when the event was not
	// recorded or the subscriber has no such order. It is ErrConflict when the event's id
	// was recorded with other content.
	SettlePayment(ctx context.Context, event PaymentEvent) error
	// Popular returns the meals with the most portions in recent orders, the most
	// popular first.
	Popular(ctx context.Context, limit int) ([]Popularity, error)
}

// HistoryCursor is the position of an order in the history of its subscriber. The time alone is
// no position, because several orders can have the same time.
type HistoryCursor struct {
	PlacedAt time.Time
	ID       OrderID
}

// IsZero reports whether the cursor is the start of a history.
func (c HistoryCursor) IsZero() bool { return c.PlacedAt.IsZero() }

// Cursor returns the order's position in the history of its subscriber.
func (o Order) Cursor() HistoryCursor { return HistoryCursor{PlacedAt: o.PlacedAt, ID: o.ID} }

// PaymentEvent is a message of the payment provider about an order.
type PaymentEvent struct {
	ID        string
	User      UserID
	Order     OrderID
	Amount    Cents
	Succeeded bool
}

// Payments receives the events of the payment provider.
type Payments interface {
	// Receive ensures that a payment event is applied to its order, once: before it
	// returns, or soon after. It reports false when the event was received before. Its
	// errors are those of Orders.ApplyPayment.
	Receive(ctx context.Context, event PaymentEvent) (applied bool, err error)
}

// SupplierLedger records the amounts that ByteBites owes its suppliers.
type SupplierLedger interface {
	// Record books an order's ingredients, once. Recording again changes nothing.
	Record(ctx context.Context, order Order) error
}

// Week is a plan of a subscriber's next week: one meal a day, Monday first.
type Week struct {
	Meals []MealID
	// PlannedAt is the time at which planning began, before it read any data.
	PlannedAt time.Time
	// Basis ranks the plans of a subscriber by the orders that they consider. It grows with
	// each order, independent of the clocks of the replicas that plan.
	Basis int64
}

// Weeks stores planned weeks.
type Weeks interface {
	// Week returns the latest week planned for a subscriber, or ErrNotFound.
	Week(ctx context.Context, user UserID) (Week, error)
	// SetWeek stores a week planned for a subscriber, unless the stored week is newer. It is
	// newer if its Basis is larger or, with equal Basis, if its PlannedAt is later. Two orders
	// that overlap may store their plans in any order.
	SetWeek(ctx context.Context, user UserID, week Week) error
}

// Recommender plans a week of meals for a subscriber from their preferences and earlier
// orders. One plan costs about 16 ms of CPU.
type Recommender interface {
	Plan(ctx context.Context, user UserID) (Week, error)
}

// Mailer sends mail to subscribers.
type Mailer interface {
	// ConfirmOrder sends the confirmation of an order.
	ConfirmOrder(ctx context.Context, email string, order Order) error
}

// OrderRequest is a subscriber's request to place an order.
type OrderRequest struct {
	User           UserID
	Email          string
	IdempotencyKey string
	Lines          []Line // at least one, each meal once, quantities of 1 to 50
}

// Checkout places orders.
//
// The baseline's checkout holds one lock, and the order's transaction, until the
// confirmation mail is sent. Lab 01 ends that. Lab 05 moves the effects to a queue.
type Checkout interface {
	// PlaceOrder places an order. If the subscriber placed one before under the same
	// Idempotency-Key, it returns that order and reports true. Errors: ErrOutOfStock,
	// ErrNotFound (an unknown meal), ErrKeyReused, ErrBusy.
	PlaceOrder(ctx context.Context, request OrderRequest) (order Order, replayed bool, err error)
}
