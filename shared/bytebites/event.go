package bytebites

import (
	"context"
	"time"
)

// Topic is the kind of an event. It is also the routing key of the event's message.
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

// EventID identifies an event. It is derived from the order or the payment, so an event that
// is published twice has one id.
type EventID string

// Event records something that happened. Consumers act on it later.
type Event struct {
	ID    EventID
	Topic Topic
	User  UserID
	Order OrderID
	At    time.Time // when it happened
	// Email is the address for the confirmation. Only events of TopicOrderPlaced have it.
	Email string
	// Payment is the payment provider's event about the same order of the same subscriber.
	// Only events of TopicPaymentProcessed have it.
	Payment *PaymentEvent
}

// Outbox keeps events from their commit until the broker has confirmed them.
type Outbox interface {
	// Add stores events of one subscriber in the transaction that ctx belongs to (see
	// Orders.Place). The events are published if, and only if, that transaction commits. An
	// event that is already in the outbox is not added again.
	Add(ctx context.Context, user UserID, events ...Event) error
}

// Claims lets one worker at a time perform an effect that no transaction can cover, such as
// a mail.
type Claims interface {
	// Claim reports whether the caller may perform the effect now. It reports false while
	// another caller's claim is live. A claim expires after d, because its owner may have
	// died, so d must be longer than the effect can take.
	Claim(ctx context.Context, user UserID, order OrderID, effect Effect, d time.Duration) (bool, error)
	// Release ends the caller's claim after failed work, so that another caller may try at
	// once. Releasing again changes nothing.
	Release(ctx context.Context, user UserID, order OrderID, effect Effect) error
}
