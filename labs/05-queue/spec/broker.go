package spec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// The names of the lab's topology.
const (
	exchange     = "bytebites"
	parkedSuffix = ".parked"

	ledgerQueue         = "supplier_ledger"
	mailQueue           = "confirmation_email"
	recommendationQueue = "recommendations"
	paymentQueue        = "payments"
)

// queues returns the queues that the workers consume, with the topic that each is bound to.
func queues() map[string]bytebites.Topic {
	return map[string]bytebites.Topic{
		ledgerQueue: bytebites.TopicOrderPlaced, mailQueue: bytebites.TopicOrderPlaced,
		recommendationQueue: bytebites.TopicRecommendationRequest, paymentQueue: bytebites.TopicPaymentProcessed,
	}
}

const (
	// brokerTimeout bounds a check's request to the broker, and drainTimeout the wait for empty
	// queues.
	brokerTimeout = 5 * time.Second
	drainTimeout  = 20 * time.Second
	// settleDelay is how long messages that were taken out of a queue last, or wait for their next
	// try, have to be handled. A slower handler is not noticed, and no right one is rejected.
	settleDelay = time.Second
)

// wire is a connection of a check to the broker.
type wire struct {
	conn    *amqp.Connection
	channel *amqp.Channel

	mu      sync.Mutex
	waiting []*amqp.DeferredConfirmation
}

// dial connects to the broker. A broker that has just started may need another try.
func (l *trial) dial(ctx context.Context) (*wire, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("check")
	for deadline := time.Now().Add(brokerTimeout); ; {
		conn, err := amqp.DialConfig(l.broker.URL(), amqp.Config{
			Heartbeat: 10 * time.Second, Properties: properties, Dial: amqp.DefaultDial(brokerTimeout),
		})
		if err == nil {
			w := &wire{conn: conn}
			return w, w.open()
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("connect to broker: %w", err)
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return nil, err
		}
	}
}

// open opens the channel, again when an error has closed it.
func (w *wire) open() (err error) {
	if w.channel, err = w.conn.Channel(); err == nil {
		err = w.channel.Confirm(false)
	}
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	return nil
}

func (w *wire) close() error {
	if err := w.conn.Close(); err != nil && !errors.Is(err, amqp.ErrClosed) {
		return fmt.Errorf("close connection to broker: %w", err)
	}
	return nil
}

// publish publishes a message. The method delivered waits for its confirm.
func (w *wire) publish(ctx context.Context, exchange, key string, m amqp.Publishing) error {
	m.DeliveryMode = amqp.Persistent
	confirmation, err := w.channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, m)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, confirmation)
	return nil
}

// delivered waits until the broker has confirmed all messages.
func (w *wire) delivered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, confirmation := range w.waiting {
		if ok, err := confirmation.WaitContext(ctx); err != nil || !ok {
			return fmt.Errorf("publish: confirmed %t: %w", ok, err)
		}
	}
	w.waiting = nil
	return nil
}

// find looks a queue up: how many messages are ready in it, and how many consumers it has.
func (w *wire) find(name string) (q amqp.Queue, there bool, err error) {
	q, err = w.channel.QueueDeclarePassive(name, true, false, false, false, nil)
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.NotFound {
		return q, false, w.open() // the refusal has closed the channel
	}
	if err != nil {
		return q, false, fmt.Errorf("look up queue %s: %w", name, err)
	}
	return q, true, nil
}

// queue looks up one of the workers' queues. A missing queue is a failure.
func (w *wire) queue(name string) (amqp.Queue, error) {
	q, there, err := w.find(name)
	if err == nil && !there {
		err = &lab.Failure{
			Expected: "a durable queue " + name, Seen: "none",
			Look: lab.Look{File: "topology.go", Func: "Declare", Hint: "each consumer has a queue of its own"},
		}
	}
	return q, err
}

// quiet waits until the workers' queues are empty, and then for the settle delay.
func (w *wire) quiet(ctx context.Context) error {
	for deadline := time.Now().Add(drainTimeout); ; {
		ready := 0
		for name := range queues() {
			q, err := w.queue(name)
			if err != nil {
				return err
			}
			ready += q.Messages
		}
		if ready == 0 {
			return rig.Pause(ctx, settleDelay)
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("queues that are empty within %s", drainTimeout), Seen: fmt.Sprintf("%d messages in them", ready),
				Waited: lab.Last(drainTimeout),
				Look:   lab.Look{File: "consumers.go", Func: "Serve", Hint: "settle each message: d.Ack after its work, or d.Nack(false, false) to park it"},
			}
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// drainQueues waits until the workers' queues are empty, as quiet does.
func (l *trial) drainQueues(ctx context.Context) error {
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.quiet(ctx), w.close())
}

// take takes all messages out of a queue, at most limit.
func (w *wire) take(name string, limit int) ([]amqp.Delivery, error) {
	var all []amqp.Delivery
	for len(all) < limit {
		message, ok, err := w.channel.Get(name, true)
		if err != nil {
			return all, fmt.Errorf("take from %s: %w", name, err)
		}
		if !ok {
			break
		}
		all = append(all, message)
	}
	return all, nil
}

// binding is a binding of the exchange, as the management API shows it.
type binding struct {
	Destination     string         `json:"destination"`
	DestinationType string         `json:"destination_type"` // queue or exchange
	Key             string         `json:"routing_key"`
	Arguments       map[string]any `json:"arguments"`
}

// bindings returns the bindings of the exchange.
func (l *trial) bindings(ctx context.Context) ([]binding, error) {
	url := strings.TrimSuffix(l.broker.ManagementURL(), "/") + "/api/exchanges/%2F/" + exchange + "/bindings/source"
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	response, err := l.http.Do(q)
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list bindings: status %d", response.StatusCode)
	}
	var all []binding
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	return all, nil
}

// matches reports whether a message with a routing key of one word goes by the binding.
func (b binding) matches(word string) bool {
	words := 0
	for _, part := range strings.Split(b.Key, ".") {
		switch part {
		case "#": // any number of words, also none
		case "*", word:
			words++
		default:
			return false
		}
	}
	return words == 1 || words == 0 && strings.Contains(b.Key, "#")
}

// unbind removes a binding, and bind restores it.
func (w *wire) unbind(b binding) error {
	var err error
	if b.DestinationType == "exchange" {
		err = w.channel.ExchangeUnbind(b.Destination, b.Key, exchange, false, amqp.Table(b.Arguments))
	} else {
		err = w.channel.QueueUnbind(b.Destination, b.Key, exchange, amqp.Table(b.Arguments))
	}
	if err != nil {
		return fmt.Errorf("unbind %s: %w", b.Destination, err)
	}
	return nil
}

func (w *wire) bind(b binding) error {
	var err error
	if b.DestinationType == "exchange" {
		err = w.channel.ExchangeBind(b.Destination, b.Key, exchange, false, amqp.Table(b.Arguments))
	} else {
		err = w.channel.QueueBind(b.Destination, b.Key, exchange, false, amqp.Table(b.Arguments))
	}
	if err != nil {
		return fmt.Errorf("bind %s: %w", b.Destination, err)
	}
	return nil
}
