package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

func TestEachQueueHasOneConsumer(t *testing.T) {
	topics := make(map[string]bool) // by queue
	for _, s := range subscriptions() {
		topics[s.queue] = true
	}
	consumers := Consumers(newWorld().parts(t))
	for _, c := range consumers {
		if !topics[c.Queue] {
			t.Errorf("consumer of %s: nothing comes to that queue", c.Queue)
		}
		delete(topics, c.Queue)
		if c.Prefetch < 1 || c.Handle == nil {
			t.Errorf("consumer of %s: prefetch %d, handler %v", c.Queue, c.Prefetch, c.Handle != nil)
		}
	}
	if len(topics) > 0 {
		t.Errorf("nobody consumes %v", topics)
	}
}

func TestEachTopicHasAQueue(t *testing.T) {
	topics := make(map[bytebites.Topic]bool)
	for _, s := range subscriptions() {
		topics[s.topic] = true
	}
	for _, topic := range bytebites.Topics() {
		if !topics[topic] {
			t.Errorf("no queue gets %s", topic)
		}
	}
}

// ordered returns a world with an order, some of whose effects are done.
func ordered(done ...bytebites.Effect) *world {
	w := newWorld()
	w.orders["o1"] = bytebites.Order{ID: "o1", User: "u1"}
	for _, effect := range done {
		w.note("o1", effect)
	}
	return w
}

func happened(topic bytebites.Topic) bytebites.Event {
	event := bytebites.Event{ID: outbox.NewID(topic, "o1"), Topic: topic, User: "u1", Order: "o1", At: time.Now().UTC()}
	switch topic {
	case bytebites.TopicOrderPlaced:
		event.Email = "ada@example.com"
	case bytebites.TopicPaymentProcessed:
		event.Payment = &bytebites.PaymentEvent{ID: "evt_1", User: "u1", Order: "o1", Amount: 200, Succeeded: true}
	}
	return event
}

func TestEffects(t *testing.T) {
	placed, request, paid := happened(bytebites.TopicOrderPlaced), happened(bytebites.TopicRecommendationRequest), happened(bytebites.TopicPaymentProcessed)
	unclaimed := func(w *world) { w.claims[bytebites.EffectEmail] = true }
	failing := func(what string) func(*world) { return func(w *world) { w.fail[what] = errDown } }
	for _, test := range []struct {
		name  string
		queue string
		event bytebites.Event
		world *world
		with  func(*world)
		calls []string
		first bool
		err   error
	}{
		{"books", ledgerQueue, placed, ordered(), nil, []string{"read", "(book)"}, true, nil},
		{"has booked", ledgerQueue, placed, ordered(bytebites.EffectLedger), nil, []string{"read"}, false, nil},
		{"cannot book", ledgerQueue, placed, ordered(), failing("(book)"), []string{"read", "(book)"}, false, errDown},
		{"books no such order", ledgerQueue, placed, newWorld(), nil, nil, false, bytebites.ErrNotFound},

		{"plans", recommendationQueue, request, ordered(), nil, []string{"read", "plan", "(save week)"}, true, nil},
		{"has planned", recommendationQueue, request, ordered(bytebites.EffectRecommendation), nil, []string{"read"}, false, nil},
		{"cannot plan", recommendationQueue, request, ordered(), failing("plan"), []string{"read", "plan"}, false, errDown},
		{"cannot save week", recommendationQueue, request, ordered(), failing("(save week)"), []string{"read", "plan", "(save week)"}, false, errDown},
		{"plans for no such order", recommendationQueue, request, newWorld(), nil, nil, false, bytebites.ErrNotFound},

		{"mails", emailQueue, placed, ordered(), nil, []string{"claim", "read", "mail", "(give up claim)"}, true, nil},
		{"has mailed", emailQueue, placed, ordered(bytebites.EffectEmail), nil, []string{"claim", "read", "give up claim"}, false, nil},
		{"is not the one to mail", emailQueue, placed, ordered(), unclaimed, []string{"claim"}, false, bytebites.ErrBusy},
		{"cannot claim", emailQueue, placed, ordered(), failing("claim"), []string{"claim"}, false, errDown},
		{"cannot mail", emailQueue, placed, ordered(), failing("mail"), []string{"claim", "read", "mail", "give up claim"}, false, errDown},
		{"cannot note the mail", emailQueue, placed, ordered(), failing("(give up claim)"), []string{"claim", "read", "mail", "(give up claim)"}, false, errDown},
		{"mails for no such order", emailQueue, placed, newWorld(), nil, []string{"claim", "give up claim"}, false, bytebites.ErrNotFound},

		{"settles", paymentQueue, paid, ordered(), nil, []string{"settle"}, true, nil},
		{"cannot settle", paymentQueue, paid, ordered(), failing("settle"), []string{"settle"}, true, errDown},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.with != nil {
				test.with(test.world)
			}
			first, err := consumerOf(t, test.world, test.queue).Handle(t.Context(), test.event)
			if !errors.Is(err, test.err) || first != test.first {
				t.Errorf("%v, %v; want %v, %v", first, err, test.first, test.err)
			}
			test.world.wants(t, test.calls...)
		})
	}
	if _, err := (effects{}).payment(t.Context(), placed); err == nil {
		t.Error("settled an event without a payment")
	}
}

// What failed is not done, so that it can be tried again.
func TestFailedEffectIsUndone(t *testing.T) {
	for queue, failing := range map[string]string{ledgerQueue: "(book)", recommendationQueue: "(save week)", emailQueue: "mail"} {
		w := ordered()
		w.fail[failing] = errDown
		handle := consumerOf(t, w, queue).Handle
		event := happened(bytebites.TopicOrderPlaced)
		if _, err := handle(t.Context(), event); err == nil {
			t.Errorf("%s: no error", queue)
		}
		delete(w.fail, failing)
		if first, err := handle(t.Context(), event); err != nil || !first {
			t.Errorf("%s, again: %v, %v", queue, first, err)
		}
		if first, err := handle(t.Context(), event); err != nil || first {
			t.Errorf("%s, once more: %v, %v; want that it is done", queue, first, err)
		}
	}
}

func consumerOf(t *testing.T, w *world, queue string) roles.Consumer {
	t.Helper()
	for _, c := range Consumers(w.parts(t)) {
		if c.Queue == queue {
			return c
		}
	}
	t.Fatalf("nobody consumes %s", queue)
	return roles.Consumer{}
}

func TestFailed(t *testing.T) {
	busy, failed := fmt.Errorf("shard 2: %w", bytebites.ErrBusy), errors.New("no such recipient")
	unreadable := fmt.Errorf("%w: not JSON", errUnreadable)
	for _, test := range []struct {
		name    string
		err     error
		retries int
		want    rabbit.Handling
		delay   time.Duration // before it comes again
		next    int           // as which retry it comes again
	}{
		{"first failure", failed, 0, rabbit.Retried, 200 * time.Millisecond, 1},
		{"second", failed, 1, rabbit.Retried, time.Second, 2},
		{"third", failed, 2, rabbit.Retried, 3 * time.Second, 3},
		{"fourth", failed, 3, rabbit.Retried, 3 * time.Second, 4},
		{"fifth", failed, 4, rabbit.Parked, 0, 0},
		{"a count from outside", failed, 1 << 30, rabbit.Parked, 0, 0},
		{"busy", busy, 0, rabbit.Retried, 3 * time.Second, 0},
		{"busy is not the message's fault", busy, 4, rabbit.Retried, 3 * time.Second, 4},
		{"unreadable", unreadable, 0, rabbit.Parked, 0, 0},
	} {
		d := &desk{}
		got, err := d.worker(t, nil).failed(t.Context(), d.delivery(t, happened(bytebites.TopicOrderPlaced), test.retries), test.err)
		if err != nil || got != test.want {
			t.Errorf("%s: %s, %v; want %s", test.name, got, err, test.want)
		}
		var want []putBack
		if test.want == rabbit.Retried {
			want = []putBack{{emailQueue, test.delay, test.next}}
		}
		if !slices.Equal(d.putBack, want) {
			t.Errorf("%s: put back %v, want %v", test.name, d.putBack, want)
		}
	}
}

// desk is a broker's side of one delivery: what it is told, in order.
type desk struct {
	heard   []string
	putBack []putBack
	fail    error // of putting back
}

// putBack is a call of worker.put.
type putBack struct {
	queue   string
	delay   time.Duration
	retries int
}

func (d *desk) Ack(uint64, bool) error { d.heard = append(d.heard, "ack"); return nil }
func (d *desk) Nack(_ uint64, _, requeue bool) error {
	d.heard = append(d.heard, fmt.Sprintf("nack, requeue %v", requeue))
	return nil
}
func (d *desk) Reject(uint64, bool) error { d.heard = append(d.heard, "reject"); return nil }

func (d *desk) put(_ context.Context, _ amqp.Delivery, queue string, delay time.Duration, retries int) error {
	d.heard = append(d.heard, "put back")
	d.putBack = append(d.putBack, putBack{queue, delay, retries})
	return d.fail
}

func (d *desk) worker(t *testing.T, handle roles.Handler) worker {
	t.Helper()
	meter, err := rabbit.NewMeter(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return worker{
		Broker:   roles.Broker{Meter: meter, Logger: slog.New(slog.DiscardHandler)},
		Consumer: roles.Consumer{Queue: emailQueue, Handle: handle},
		put:      d.put,
	}
}

func (d *desk) delivery(t *testing.T, event bytebites.Event, retries int) amqp.Delivery {
	t.Helper()
	m, err := messageOf(event)
	if err != nil {
		t.Fatal(err)
	}
	return amqp.Delivery{
		Acknowledger: d, MessageId: m.MessageId, Type: m.Type, Timestamp: m.Timestamp, ContentType: m.ContentType,
		RoutingKey: string(event.Topic), Headers: amqp.Table{rabbit.RetriesHeader: int64(retries), "x-death": "the broker's"}, Body: m.Body,
	}
}

func TestDeliveryIsSettledAfterItIsHandled(t *testing.T) {
	for _, test := range []struct {
		name    string
		retries int
		first   bool
		err     error
		heard   string
	}{
		{"done", 0, true, nil, "handle, ack"},
		{"done before", 0, false, nil, "handle, ack"},
		{"failed", 0, false, errDown, "handle, put back, ack"},
		{"failed again", 3, false, errDown, "handle, put back, ack"},
		{"failed too often", 4, false, errDown, "handle, nack, requeue false"},
		{"busy", 4, false, bytebites.ErrBusy, "handle, put back, ack"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &desk{}
			h := d.worker(t, func(context.Context, bytebites.Event) (bool, error) {
				d.heard = append(d.heard, "handle")
				return test.first, test.err
			})
			if err := h.take(t.Context(), d.delivery(t, happened(bytebites.TopicOrderPlaced), test.retries)); err != nil {
				t.Error(err)
			}
			if got := strings.Join(d.heard, ", "); got != test.heard {
				t.Errorf("heard %s, want %s", got, test.heard)
			}
		})
	}
}

func TestUnreadableIsParkedUnhandled(t *testing.T) {
	for _, body := range []string{"", "null", "{}", "dinner", `{"id":"x"}`} {
		d := &desk{}
		h := d.worker(t, func(context.Context, bytebites.Event) (bool, error) {
			t.Errorf("%q was handled", body)
			return true, nil
		})
		if err := h.take(t.Context(), amqp.Delivery{Acknowledger: d, Body: []byte(body)}); err != nil {
			t.Error(err)
		}
		if got := strings.Join(d.heard, ", "); got != "nack, requeue false" {
			t.Errorf("%q: heard %s", body, got)
		}
	}
}

// What could not be put back stays where it is, and its connection is given up.
func TestWhatCannotBePutBackIsNotAcknowledged(t *testing.T) {
	failing := func(context.Context, bytebites.Event) (bool, error) { return false, errDown }
	d := &desk{fail: amqp.ErrClosed}
	if err := d.worker(t, failing).take(t.Context(), d.delivery(t, happened(bytebites.TopicOrderPlaced), 0)); !errors.Is(err, amqp.ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := d.worker(t, failing).take(stopped, d.delivery(t, happened(bytebites.TopicOrderPlaced), 0)); err != nil {
		t.Errorf("when told to stop: %v", err)
	}
	if got := strings.Join(d.heard, ", "); got != "put back, put back" {
		t.Errorf("heard %s", got)
	}
}

// A worker that is told to stop ends what it has begun.
func TestHandlingOutlivesTheOrderToStop(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	d := &desk{}
	h := d.worker(t, func(ctx context.Context, _ bytebites.Event) (bool, error) {
		deadline, bounded := ctx.Deadline()
		if ctx.Err() != nil || !bounded || time.Until(deadline) > handleFor {
			t.Errorf("context %v, deadline %v", ctx.Err(), deadline)
		}
		return true, nil
	})
	if err := h.take(stopped, d.delivery(t, happened(bytebites.TopicOrderPlaced), 0)); err != nil {
		t.Error(err)
	}
	if got := strings.Join(d.heard, ", "); got != "ack" {
		t.Errorf("heard %s", got)
	}
}
