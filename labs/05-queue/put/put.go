// Package put is given in lab 05, and finished. It publishes one message and waits until the
// broker has stored it. The packages retry and replay use it.
package put

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// confirmFor bounds the wait for the confirm of one message. A broker at its slowest takes part of
// a second.
const confirmFor = 5 * time.Second

// Publisher publishes messages over a link, one at a time, on one channel.
type Publisher struct {
	link *roles.Link

	mu      sync.Mutex
	ch      *amqp.Channel // nil until the first message
	returns <-chan amqp.Return
}

// New returns a publisher over a link.
func New(link *roles.Link) *Publisher { return &Publisher{link: link} }

// Publish publishes a message as mandatory and waits for its confirm. An error means that the
// message is possibly in no queue, and that the publisher cannot be used any more.
func (p *Publisher) Publish(ctx context.Context, exchange, key string, m amqp.Publishing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(ctx); err != nil {
		return err
	}
	promise, err := p.ch.PublishWithDeferredConfirm(exchange, key, true, false, m)
	if err != nil {
		return fmt.Errorf("publish message %s: %w", m.MessageId, err)
	}
	stored, err := p.wait(ctx, promise)
	switch {
	case err != nil:
		return fmt.Errorf("publish message %s: %w", m.MessageId, err)
	case !stored:
		return fmt.Errorf("publish message %s: the broker refused it", m.MessageId)
	case len(p.returns) > 0: // a message is returned before it is confirmed
		<-p.returns
		return fmt.Errorf("publish message %s: no queue took it", m.MessageId)
	}
	return nil
}

// open waits until the broker accepts messages, and opens the channel.
func (p *Publisher) open(ctx context.Context) error {
	if err := p.link.Ready(ctx); err != nil || p.ch != nil {
		return err
	}
	ch, err := p.link.Channel(ctx)
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	p.returns = ch.NotifyReturn(make(chan amqp.Return, 1))
	p.ch = ch
	return nil
}

// wait waits for the confirm for at most confirmFor. While the broker blocks the link it waits as
// long as ctx lasts, because a blocked broker confirms nothing and loses nothing.
func (p *Publisher) wait(ctx context.Context, promise *amqp.DeferredConfirmation) (stored bool, err error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, confirmFor)
		stored, err = promise.WaitContext(waiting)
		cancel()
		switch {
		case err == nil && !stored && p.ch.IsClosed():
			return false, amqp.ErrClosed // the library resolves the confirm when the channel ends
		case err == nil:
			return stored, nil
		case !p.link.Blocked():
			return false, fmt.Errorf("wait for confirm: %w", err)
		}
		if err := p.link.Ready(ctx); err != nil {
			return false, fmt.Errorf("wait for confirm: %w", err)
		}
	}
}
