package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/strictjson"
)

// MaxBytes is the size of the largest body that Decode accepts. Encode never returns a larger
// one.
const MaxBytes = 32 << 10

// NewID returns the id of an event that an order has only one of, such as TopicOrderPlaced.
func NewID(topic bytebites.Topic, order bytebites.OrderID) bytebites.EventID {
	return bytebites.EventID(string(topic) + ":" + string(order))
}

// NewPaymentID returns the id of an event of TopicPaymentProcessed. It includes the id of the
// payment provider's event, because an order may have several.
func NewPaymentID(event bytebites.PaymentEvent) bytebites.EventID {
	return bytebites.EventID(string(bytebites.TopicPaymentProcessed) + ":" + event.ID)
}

// body is the JSON form of an event.
type body struct {
	ID      bytebites.EventID `json:"id"`
	Topic   bytebites.Topic   `json:"topic"`
	User    bytebites.UserID  `json:"user_id"`
	Order   bytebites.OrderID `json:"order_id"`
	At      time.Time         `json:"at"`
	Email   string            `json:"email,omitempty"`
	Payment *payment          `json:"payment,omitempty"`
}

// payment is the JSON form of a payment event. Its subscriber and order are those of the body.
type payment struct {
	ID        string          `json:"id"`
	Amount    bytebites.Cents `json:"amount_cents"`
	Succeeded bool            `json:"succeeded"`
}

// Encode returns an event as JSON, the form that an outbox stores and a message carries. It
// returns an error for an event that lacks a field of its topic or has one of another topic.
func Encode(event bytebites.Event) ([]byte, error) {
	b := body{
		ID: event.ID, Topic: event.Topic, User: event.User, Order: event.Order, At: event.At.UTC(), Email: event.Email,
	}
	if p := event.Payment; p != nil {
		if p.User != event.User || p.Order != event.Order {
			return nil, fmt.Errorf("encode event %q: payment of another order or subscriber", event.ID)
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

// Decode decodes the result of Encode, with its fields in any order. It returns an error for a
// body that is too large, has unknown fields or trailing data, or fails the checks of Encode.
// The time is in UTC.
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
		return body{}, fmt.Errorf("body of %d bytes: want at most %d", len(encoded), MaxBytes)
	}
	if err := strictjson.CheckText(encoded); err != nil { // encoding/json would replace such text
		return body{}, err
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

// check returns an error unless the event has all fields of its topic and no others.
func (b body) check() error {
	if !slices.Contains(bytebites.Topics(), b.Topic) {
		return fmt.Errorf("unknown topic %q", b.Topic)
	}
	for what, name := range map[string]string{"event": string(b.ID), "subscriber": string(b.User), "order": string(b.Order)} {
		if name == "" || !bytebites.ValidName(name) {
			return fmt.Errorf("no id of the %s, or an invalid one", what)
		}
	}
	if year := b.At.UTC().Year(); b.At.IsZero() || year < 1 || year > 9999 {
		return errors.New("no time, or a year outside 1 to 9999")
	}
	switch placed := b.Topic == bytebites.TopicOrderPlaced; {
	case placed && (b.Email == "" || !bytebites.ValidName(b.Email)):
		return errors.New("no email address, or an invalid one")
	case !placed && b.Email != "":
		return fmt.Errorf("topic %s takes no email address", b.Topic)
	}
	switch paid := b.Topic == bytebites.TopicPaymentProcessed; {
	case paid && (b.Payment == nil || b.Payment.ID == "" || !bytebites.ValidName(b.Payment.ID)):
		return errors.New("no payment, or an invalid payment id")
	case !paid && b.Payment != nil:
		return fmt.Errorf("topic %s takes no payment", b.Topic)
	}
	return nil
}
