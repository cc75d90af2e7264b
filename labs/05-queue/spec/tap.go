package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// againHeader marks messages that a check has published again. Taps skip them.
const againHeader = "x-check-again"

// tap gets all messages of the exchange, as one more consumer would. It binds a queue of its own that
// the code under test does not know.
type tap struct {
	wire  *wire
	ended chan struct{}
	each  func(heard)

	mu  sync.Mutex
	all []heard
}

// heard is a message that a tap got.
type heard struct {
	message amqp.Delivery
	event   bytebites.Event
	unread  error // why the message is no event
	at      time.Time
}

// listen opens a tap for the named topics, or for all topics when none is named. It calls each with
// every message, one after the other. The error is a failure when there is no exchange.
func (l *trial) listen(ctx context.Context, each func(heard), topics ...bytebites.Topic) (*tap, error) {
	if len(topics) == 0 {
		topics = bytebites.Topics()
	}
	if err := l.awaitExchange(ctx); err != nil {
		return nil, err
	}
	w, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	messages, err := w.tapInto(topics)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	t := &tap{wire: w, ended: make(chan struct{}), each: each}
	go t.consume(messages)
	return t, nil
}

// awaitExchange waits for the exchange. The first process that connects declares it.
func (l *trial) awaitExchange(ctx context.Context) error {
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer w.close() //nolint:errcheck // nothing was published over it
	for deadline := time.Now().Add(brokerTimeout); ; {
		err := w.channel.ExchangeDeclarePassive(exchange, amqp.ExchangeTopic, true, false, false, false, nil)
		var refused *amqp.Error
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &refused):
			return fmt.Errorf("look up exchange %s: %w", exchange, err)
		case time.Now().After(deadline):
			return &lab.Failure{
				Expected: "a durable topic exchange " + exchange, Seen: refused.Reason + l.warnings(ctx), Waited: lab.Last(brokerTimeout),
				Look: lab.Look{File: "topology.go", Func: "Declare", Hint: "see relay.log in .workshop/05-queue"},
			}
		}
		if err := w.open(); err != nil {
			return err
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// tapInto binds a queue that is deleted with the connection, and consumes it.
func (w *wire) tapInto(topics []bytebites.Topic) (<-chan amqp.Delivery, error) {
	q, err := w.channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, fmt.Errorf("declare tap: %w", err)
	}
	for _, topic := range topics {
		if err := w.channel.QueueBind(q.Name, string(topic), exchange, false, nil); err != nil {
			return nil, fmt.Errorf("bind tap: %w", err)
		}
	}
	messages, err := w.channel.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume tap: %w", err)
	}
	return messages, nil
}

func (t *tap) consume(messages <-chan amqp.Delivery) {
	defer close(t.ended)
	for m := range messages {
		if m.Headers[againHeader] != nil {
			continue
		}
		h := heard{message: m, at: time.Now()}
		h.event, h.unread = outbox.Decode(m.Body)
		t.mu.Lock()
		t.all = append(t.all, h)
		t.mu.Unlock()
		if t.each != nil {
			t.each(h)
		}
	}
}

// sofar returns all messages so far.
func (t *tap) sofar() []heard {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// close ends a tap. It may be called again.
func (t *tap) close() error {
	err := t.wire.close()
	<-t.ended
	return err
}

// await waits for an event of each order under a topic. It gives up when no further one came within
// the stall timeout. It returns the orders without an event.
func (t *tap) await(ctx context.Context, topic bytebites.Topic, orders []*order) ([]*order, error) {
	last, since := -1, time.Now()
	for {
		told := make(map[bytebites.OrderID]bool)
		for _, h := range t.sofar() {
			if h.unread == nil && h.event.Topic == topic && h.message.RoutingKey == string(topic) {
				told[h.event.Order] = true
			}
		}
		missing := slices.DeleteFunc(slices.Clone(orders), func(o *order) bool { return told[o.id] })
		if len(missing) != last {
			last, since = len(missing), time.Now()
		}
		if len(missing) == 0 || time.Since(since) > stallTimeout {
			return missing, nil
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return nil, err
		}
	}
}

// again returns the message to publish it once more.
func (h heard) again() amqp.Publishing {
	headers := amqp.Table{againHeader: true}
	for name, value := range h.message.Headers {
		headers[name] = value
	}
	m := h.message
	return amqp.Publishing{
		Headers: headers, ContentType: m.ContentType, ContentEncoding: m.ContentEncoding, MessageId: m.MessageId,
		Timestamp: m.Timestamp, Type: m.Type, AppId: m.AppId, CorrelationId: m.CorrelationId, Body: m.Body,
	}
}
