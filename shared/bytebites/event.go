package bytebites

import (
	"context"
	"time"
)

// Topic says what an event is about. It is the routing key of the event's message, too.
type Topic string

// The topics of events.
const (
	TopicOrderPlaced           Topic = "order_placed"
	TopicRecommendationRequest Topic = "recommendation_request"
	TopicPaymentProcessed      Topic = "payment_processed"
)

// Topics lists every topic.
func Topics() []Topic {
	return []Topic{TopicOrderPlaced, TopicRecommendationRequest, TopicPaymentProcessed}
}

// EventID names an event. It follows from what happened, so that the same event told twice
// has one id.
type EventID string

// Event is something that happened, and that others act on later.
type Event struct {
	ID    EventID
	Topic Topic
	User  UserID
	Order OrderID
	At    time.Time // when it happened
	// Email is where the confirmation goes. Events of TopicOrderPlaced have it, no others do.
	Email string
	// Payment is what the payment provider said, of the same subscriber's same order. Events
	// of TopicPaymentProcessed have it, no others do.
	Payment *PaymentEvent
}

// Outbox holds events from when they are true until the broker has them.
type Outbox interface {
	// Add keeps events of one subscriber, in the transaction that ctx belongs to (see
	// Orders.Place): they are told if, and only if, that commits. An event that waits
	// already is not added again.
	Add(ctx context.Context, user UserID, events ...Event) error
}

// Claims says who is at an effect that no transaction can hold, such as a mail.
type Claims interface {
	// Claim reports whether the caller may do the effect now: false while somebody else's
	// claim is live. A claim ends by itself after d, for its owner may have died; so d must be
	// longer than the effect can take.
	Claim(ctx context.Context, user UserID, order OrderID, effect Effect, d time.Duration) (bool, error)
	// Release ends the caller's claim, because the work failed: somebody else may try at
	// once. Releasing again changes nothing.
	Release(ctx context.Context, user UserID, order OrderID, effect Effect) error
}
