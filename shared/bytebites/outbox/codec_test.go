package outbox_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
)

// instant has more digits than a database keeps.
func instant() time.Time { return time.Date(2026, 3, 1, 18, 30, 0, 123456789, time.UTC) }

func placed() bytebites.Event {
	return bytebites.Event{
		ID: outbox.NewID(bytebites.TopicOrderPlaced, "ord_1"), Topic: bytebites.TopicOrderPlaced,
		User: "u1", Order: "ord_1", At: instant(), Email: `"ada & <co>"@example.com`,
	}
}

func requested() bytebites.Event {
	return bytebites.Event{
		ID: outbox.NewID(bytebites.TopicRecommendationRequest, "ord_1"), Topic: bytebites.TopicRecommendationRequest,
		User: "u1", Order: "ord_1", At: instant(),
	}
}

func paid() bytebites.Event {
	payment := bytebites.PaymentEvent{ID: "evt_1", User: "u1", Order: "ord_1", Amount: 2380, Succeeded: true}
	return bytebites.Event{
		ID: outbox.NewPaymentID(payment), Topic: bytebites.TopicPaymentProcessed,
		User: "u1", Order: "ord_1", At: instant(), Payment: &payment,
	}
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	failed := paid()
	failed.Payment.Succeeded = false
	for _, event := range []bytebites.Event{placed(), requested(), paid(), failed} {
		encoded, err := outbox.Encode(event)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := outbox.Decode(encoded); err != nil || !reflect.DeepEqual(got, event) {
			t.Errorf("%s: got %+v, %v; want %+v", encoded, got, err, event)
		}
	}
}

func TestTimesAreInUTC(t *testing.T) {
	event := requested()
	event.At = event.At.In(time.FixedZone("somewhere", 3600))
	encoded, err := outbox.Encode(event)
	if err != nil || !bytes.Contains(encoded, []byte(`"2026-03-01T18:30:00.123456789Z"`)) {
		t.Fatalf("got %s, %v", encoded, err)
	}
	if got, err := outbox.Decode(encoded); err != nil || !reflect.DeepEqual(got, requested()) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestTheSameEventHasOneID: a retry gives the same id, and two different events never share one.
func TestTheSameEventHasOneID(t *testing.T) {
	second := *paid().Payment
	second.ID = "evt_2"
	ids := []bytebites.EventID{
		placed().ID, requested().ID, paid().ID, outbox.NewPaymentID(second), outbox.NewID(bytebites.TopicOrderPlaced, "ord_2"),
	}
	seen := make(map[bytebites.EventID]bool)
	for _, id := range ids {
		if seen[id] {
			t.Errorf("%s is the id of two events", id)
		}
		seen[id] = true
	}
	if placed().ID != outbox.NewID(bytebites.TopicOrderPlaced, "ord_1") || paid().ID != outbox.NewPaymentID(*paid().Payment) {
		t.Error("the same event has two ids")
	}
}

func TestEncodeRefusesHalfAnEvent(t *testing.T) {
	for _, test := range []struct {
		name   string
		event  bytebites.Event
		change func(*bytebites.Event)
		want   string
	}{
		{"no id", placed(), func(e *bytebites.Event) { e.ID = "" }, "no id"},
		{"no subscriber", placed(), func(e *bytebites.Event) { e.User = "" }, "subscriber"},
		{"no order", placed(), func(e *bytebites.Event) { e.Order = "" }, "order"},
		{"an id that no row can have", placed(), func(e *bytebites.Event) { e.Order = "a\x00" }, "order"},
		{"broken text", placed(), func(e *bytebites.Event) { e.User = "\xff" }, "subscriber"},
		{"an endless id", placed(), func(e *bytebites.Event) { e.ID = bytebites.EventID(strings.Repeat("x", 10_000)) }, "no id"},
		{"unknown topic", placed(), func(e *bytebites.Event) { e.Topic = "order_shipped" }, "topic"},
		{"no time", placed(), func(e *bytebites.Event) { e.At = time.Time{} }, "time"},
		{"a time that has no form", placed(), func(e *bytebites.Event) { e.At = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }, "time"},
		{"no email address", placed(), func(e *bytebites.Event) { e.Email = "" }, "email"},
		{"an email address too many", requested(), func(e *bytebites.Event) { e.Email = "a@example.com" }, "email"},
		{"no payment", paid(), func(e *bytebites.Event) { e.Payment = nil }, "payment"},
		{"a payment without an id", paid(), func(e *bytebites.Event) { e.Payment.ID = "" }, "payment"},
		{"a payment too many", placed(), func(e *bytebites.Event) { e.Payment = paid().Payment }, "payment"},
		{"a payment of another order", paid(), func(e *bytebites.Event) { e.Payment.Order = "ord_2" }, "another"},
		{"a payment of another subscriber", paid(), func(e *bytebites.Event) { e.Payment.User = "u2" }, "another"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.change(&test.event)
			if encoded, err := outbox.Encode(test.event); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %s, %v; want an error with %q", encoded, err, test.want)
			}
		})
	}
}

func TestDecodeIsStrict(t *testing.T) {
	encoded, err := outbox.Encode(paid())
	if err != nil {
		t.Fatal(err)
	}
	whole := string(encoded)
	for name, text := range map[string]string{
		"nothing":        "",
		"null":           "null",
		"another value":  `"order_placed"`,
		"half":           whole[:len(whole)/2],
		"two":            whole + whole,
		"more after it":  whole + "x",
		"unknown field":  strings.Replace(whole, `"id"`, `"version":1,"id"`, 1),
		"unknown inside": strings.Replace(whole, `"amount_cents"`, `"currency":"EUR","amount_cents"`, 1),
		"another type":   strings.Replace(whole, `2380`, `"2380"`, 1),
		"half a cent":    strings.Replace(whole, `2380`, `2380.5`, 1),
		"no order":       strings.Replace(whole, `"order_id":"ord_1",`, "", 1),
		"no time":        strings.Replace(whole, `2026-03-01T18:30:00.123456789Z`, "yesterday", 1),
		"broken text":    strings.Replace(whole, `evt_1`, "\xff", 1),
		"half a pair":    strings.Replace(whole, `evt_1`, `\ud800`, 1),
		"another topic":  strings.Replace(whole, `"payment_processed",`, `"order_placed",`, 1),
		"too much":       strings.Repeat(" ", outbox.MaxBytes) + whole,
	} {
		t.Run(name, func(t *testing.T) {
			if text == whole {
				t.Fatal("nothing was changed")
			}
			if event, err := outbox.Decode([]byte(text)); err == nil || !reflect.DeepEqual(event, bytebites.Event{}) {
				t.Errorf("got %+v, %v; want an error and nothing else", event, err)
			}
		})
	}
}

// TestTheLargestEventIsRead: Decode accepts the largest event that Encode returns.
func TestTheLargestEventIsRead(t *testing.T) {
	longest := strings.Repeat("\x01", 512) // the longest valid name; each of its bytes takes six in JSON
	payment := bytebites.PaymentEvent{ID: longest, User: bytebites.UserID(longest), Order: bytebites.OrderID(longest), Amount: 1 << 62}
	event := bytebites.Event{
		ID: bytebites.EventID(longest), Topic: bytebites.TopicPaymentProcessed, User: payment.User, Order: payment.Order,
		At: instant(), Payment: &payment,
	}
	encoded, err := outbox.Encode(event)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outbox.Decode(encoded); err != nil {
		t.Errorf("%d bytes: %v", len(encoded), err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, event := range []bytebites.Event{placed(), requested(), paid()} {
		encoded, err := outbox.Encode(event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Add([]byte(`{"ID":"\u0000","topic":"order_placed","at":"0000-01-01T00:00:00+23:59"}`))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		event, err := outbox.Decode(encoded)
		if err != nil {
			return
		}
		again, err := outbox.Encode(event)
		if err != nil {
			t.Fatalf("%+v was decoded and cannot be encoded: %v", event, err)
		}
		if got, err := outbox.Decode(again); err != nil || !reflect.DeepEqual(got, event) {
			t.Fatalf("got %+v, %v; want %+v", got, err, event)
		}
	})
}
