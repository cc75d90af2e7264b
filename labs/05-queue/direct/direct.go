// Package direct is given in lab 05, and finished. It publishes events from inside a request, and
// forgets them: it asks for no confirm, and an event that cannot be sent is a line in the log. The
// starter uses it; after step 1 nothing does.
package direct

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
)

// dialTimeout bounds the wait for a connection, because a request waits for it.
const dialTimeout = 500 * time.Millisecond

// Publisher publishes events over a connection that it keeps. It connects at the first event, and
// again at the first event after the connection was lost.
type Publisher struct {
	url, name string
	logger    *slog.Logger
	declare   roles.Declare

	mu   sync.Mutex
	conn *amqp.Connection
	ch   *amqp.Channel // nil without a connection
}

// New returns a publisher to the service's broker. It declares the topology when it connects.
func New(r service.Resources, declare roles.Declare) *Publisher {
	p := &Publisher{url: r.Config.BrokerURL, name: r.Config.Instance + " direct", logger: r.Logger, declare: declare}
	r.OnClose(func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop()
		return nil
	})
	return p
}

// Send publishes events to an exchange, each under its topic.
func (p *Publisher) Send(ctx context.Context, exchange string, events ...bytebites.Event) {
	for _, event := range events {
		if err := p.send(ctx, exchange, event); err != nil {
			p.logger.ErrorContext(ctx, "event lost", "event", string(event.ID), "error", err)
		}
	}
}

func (p *Publisher) send(ctx context.Context, exchange string, event bytebites.Event) error {
	body, err := outbox.Encode(event)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.connect(); err != nil {
		p.drop()
		return err
	}
	err = p.ch.PublishWithContext(ctx, exchange, string(event.Topic), false, false, amqp.Publishing{
		MessageId: string(event.ID), DeliveryMode: amqp.Persistent, Body: body,
	})
	if err != nil {
		p.drop()
		return fmt.Errorf("publish event: %w", err)
	}
	return nil
}

// connect connects unless there is a connection.
func (p *Publisher) connect() (err error) {
	if p.ch != nil && !p.ch.IsClosed() {
		return nil
	}
	p.drop()
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(p.name)
	p.conn, err = amqp.DialConfig(p.url, amqp.Config{Dial: amqp.DefaultDial(dialTimeout), Heartbeat: 5 * time.Second, Properties: properties})
	if err != nil {
		return fmt.Errorf("connect to broker: %w", err)
	}
	if p.ch, err = p.conn.Channel(); err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	return p.declare(p.ch)
}

// drop gives up the connection.
func (p *Publisher) drop() {
	if p.conn != nil {
		_ = p.conn.CloseDeadline(time.Now().Add(dialTimeout))
	}
	p.conn, p.ch = nil, nil
}
