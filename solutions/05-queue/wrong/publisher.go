package wrong

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/solutions/05-queue"
)

// publisher publishes in another way than the solution does: each batch has a channel of its own,
// and goes out in windows of 50 messages. Its fields are mistakes.
type publisher struct {
	oneByOne      bool // waits for each confirm
	anyAnswer     bool // a nack counts as a confirm
	notMandatory  bool // never hears of messages that no queue takes
	smallRoom     bool // no room for the messages that come back
	endless       bool // waits for confirms for ever
	transient     bool // messages that do not outlive the broker
	nackIsError   bool // has the relay connect again when the broker refuses a message
	lateIsNoError bool // returns no error when confirms are missing
	impatient     bool // gives up while the link is blocked
	neverAsks     bool // keeps its channel, and does not ask whether the link is blocked
	countsNothing bool // no metrics
	leaks         bool // never closes the channel of a batch
	expiring      bool // messages that end after a minute
	immediate     bool // messages that a consumer must take at once
	lastReturned  bool // counts the messages that came back, and takes them for the last ones
	remembers     bool // an event that came back once is returned for good

	kept *amqp.Channel
	back map[string]bool // ids of the events that came back
}

func (p publisher) role() roles.RelayRole { return roles.Relay(queue.Declare, p.make) }

func (p publisher) make(link *roles.Link, meter *rabbit.Meter) roles.Publish {
	p.back = make(map[string]bool)
	return func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error) {
		ch, returns, err := p.open(ctx, link)
		if err != nil {
			return nil, err
		}
		if !p.neverAsks && !p.leaks {
			defer ch.Close() //nolint:errcheck // its batch is over
		}
		count := func(outcome rabbit.Delivery) {
			if !p.countsNothing {
				meter.Published(outcome, 1)
			}
		}
		size := 50
		if p.oneByOne {
			size = 1
		}
		for len(events) > 0 && err == nil {
			window := events[:min(size, len(events))]
			events = events[len(window):]
			var fates []rabbit.Delivery
			fates, err = p.window(ctx, link, ch, returns, window)
			for i, fate := range fates {
				count(fate)
				if fate == rabbit.Confirmed {
					confirmed = append(confirmed, window[i].ID)
				}
				if fate == rabbit.Nacked && p.nackIsError {
					err = errors.New("the broker has refused an event")
				}
			}
		}
		if p.lateIsNoError && ctx.Err() != nil {
			return confirmed, nil
		}
		return confirmed, err
	}
}

func (p *publisher) open(ctx context.Context, link *roles.Link) (ch *amqp.Channel, returns chan amqp.Return, err error) {
	if p.kept != nil {
		return p.kept, nil, nil
	}
	if ch, err = link.Channel(ctx); err != nil {
		return nil, nil, err
	}
	room := roles.Batch
	if p.smallRoom {
		room = 0
	}
	if !p.neverAsks {
		returns = ch.NotifyReturn(make(chan amqp.Return, room))
	} else {
		p.kept = ch
	}
	return ch, returns, ch.Confirm(false)
}

// window publishes a part of a batch, and returns what became of each message.
func (p publisher) window(ctx context.Context, link *roles.Link, ch *amqp.Channel, returns chan amqp.Return, events []bytebites.Event) ([]rabbit.Delivery, error) {
	var promises []*amqp.DeferredConfirmation
	for _, event := range events {
		body, err := outbox.Encode(event)
		if err != nil {
			return nil, err
		}
		m := amqp.Publishing{MessageId: string(event.ID), DeliveryMode: amqp.Persistent, Body: body}
		if p.expiring {
			m.Expiration = "60000"
		}
		if p.transient {
			m.DeliveryMode = amqp.Transient
		}
		promise, err := ch.PublishWithDeferredConfirm(queue.Exchange, string(event.Topic), !p.notMandatory, p.immediate, m)
		if err != nil {
			return nil, err
		}
		promises = append(promises, promise)
	}
	var fates []rabbit.Delivery
	for _, promise := range promises {
		ok, err := p.wait(ctx, link, promise)
		switch {
		case err != nil:
			return fates, err
		case ok || p.anyAnswer:
			fates = append(fates, rabbit.Confirmed)
		case ch.IsClosed():
			return fates, amqp.ErrClosed
		default:
			fates = append(fates, rabbit.Nacked)
		}
	}
	last := len(fates)
	for {
		select {
		case r, open := <-returns:
			if !open {
				return fates, nil
			}
			if p.remembers {
				p.back[r.MessageId] = true
			}
			if last--; p.lastReturned {
				r.MessageId = string(events[last].ID)
			}
			for i := range fates {
				if string(events[i].ID) == r.MessageId {
					fates[i] = rabbit.Returned
				}
			}
		default:
			for i := range fates {
				if p.back[string(events[i].ID)] {
					fates[i] = rabbit.Returned
				}
			}
			return fates, nil
		}
	}
}

func (p publisher) wait(ctx context.Context, link *roles.Link, promise *amqp.DeferredConfirmation) (bool, error) {
	if p.endless {
		return promise.Wait(), nil
	}
	for {
		limit := 3 * time.Second
		if p.impatient {
			limit = 300 * time.Millisecond
		}
		waiting, cancel := context.WithTimeout(ctx, limit)
		ok, err := promise.WaitContext(waiting)
		cancel()
		if err == nil || p.impatient || !link.Blocked() {
			return ok, err
		}
		if err := link.Ready(ctx); err != nil {
			return false, err
		}
	}
}
