package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"bytebites.example/workshop/shared/bytebites"
)

// MaxBytes is the size of the largest body that is read. No event that can be written is
// larger.
const MaxBytes = 32 << 10

// NewID returns the id of an event of an order that there is one of.
func NewID(topic bytebites.Topic, order bytebites.OrderID) bytebites.EventID {
	return bytebites.EventID(string(topic) + ":" + string(order))
}

// NewPaymentID returns the id of the event that a payment was processed: one for each event of the
// payment provider, for an order may have several.
func NewPaymentID(event bytebites.PaymentEvent) bytebites.EventID {
	return bytebites.EventID(string(bytebites.TopicPaymentProcessed) + ":" + event.ID)
}

// body is an event as JSON.
type body struct {
	ID      bytebites.EventID `json:"id"`
	Topic   bytebites.Topic   `json:"topic"`
	User    bytebites.UserID  `json:"user_id"`
	Order   bytebites.OrderID `json:"order_id"`
	At      time.Time         `json:"at"`
	Email   string            `json:"email,omitempty"`
	Payment *payment          `json:"payment,omitempty"`
}

// payment is a payment event; subscriber and order are those of the event around it.
type payment struct {
	ID        string          `json:"id"`
	Amount    bytebites.Cents `json:"amount_cents"`
	Succeeded bool            `json:"succeeded"`
}

// Encode returns an event as JSON: what an outbox keeps and a message carries. An error for
// an event that is not whole, or has what its topic has no use for.
func Encode(event bytebites.Event) ([]byte, error) {
	b := body{
		ID: event.ID, Topic: event.Topic, User: event.User, Order: event.Order, At: event.At.UTC(), Email: event.Email,
	}
	if p := event.Payment; p != nil {
		if p.User != event.User || p.Order != event.Order {
			return nil, fmt.Errorf("encode event %q: its payment is of another order", event.ID)
		}
		b.Payment = &payment{ID: p.ID, Amount: p.Amount, Succeeded: p.Succeeded}
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("encode event %q: %w", event.ID, err)
	}
	encoded, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode event %q: %w", event.ID, err)
	}
	return encoded, nil
}

// Decode reads what Encode has written, in whatever order of its fields. An error for
// a body that is too large, has more in it than an event, or less. The time is in UTC.
func Decode(encoded []byte) (bytebites.Event, error) {
	b, err := decode(encoded)
	if err != nil {
		return bytebites.Event{}, fmt.Errorf("decode event: %w", err)
	}
	event := bytebites.Event{
		ID: b.ID, Topic: b.Topic, User: b.User, Order: b.Order, At: b.At.UTC(), Email: b.Email,
	}
	if p := b.Payment; p != nil {
		event.Payment = &bytebites.PaymentEvent{
			ID: p.ID, User: b.User, Order: b.Order, Amount: p.Amount, Succeeded: p.Succeeded,
		}
	}
	return event, nil
}

func decode(encoded []byte) (body, error) {
	if len(encoded) > MaxBytes {
		return body{}, fmt.Errorf("%d bytes, at most %d are read", len(encoded), MaxBytes)
	}
	if !utf8.Valid(encoded) { // encoding/json would repair it
		return body{}, errors.New("not UTF-8")
	}
	var b body
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return body{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return body{}, errors.New("more than one JSON value")
	}
	return b, b.check()
}

// check returns an error unless the event is whole, and has only what its topic has a use for.
func (b body) check() error {
	if !slices.Contains(bytebites.Topics(), b.Topic) {
		return fmt.Errorf("unknown topic %q", b.Topic)
	}
	for what, name := range map[string]string{"event": string(b.ID), "subscriber": string(b.User), "order": string(b.Order)} {
		if name == "" || !bytebites.ValidName(name) {
			return fmt.Errorf("no id of its %s", what)
		}
	}
	if year := b.At.UTC().Year(); b.At.IsZero() || year < 1 || year > 9999 {
		return errors.New("no time")
	}
	switch placed := b.Topic == bytebites.TopicOrderPlaced; {
	case placed && (b.Email == "" || !bytebites.ValidName(b.Email)):
		return errors.New("no email address")
	case !placed && b.Email != "":
		return fmt.Errorf("topic %s has no use for an email address", b.Topic)
	}
	switch paid := b.Topic == bytebites.TopicPaymentProcessed; {
	case paid && (b.Payment == nil || b.Payment.ID == "" || !bytebites.ValidName(b.Payment.ID)):
		return errors.New("no payment")
	case !paid && b.Payment != nil:
		return fmt.Errorf("topic %s has no use for a payment", b.Topic)
	}
	return nil
}
