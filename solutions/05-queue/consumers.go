package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	// handleFor bounds what is done for one message.
	handleFor = 10 * time.Second
	// mailFor is what a mail may take, and noteFor what it may take to note that it is out and to
	// give up the claim. A claim lasts longer than both together, for clocks and schedulers:
	// nobody is at a mail whose claim has ended.
	mailFor   = 5 * time.Second
	noteFor   = 4 * time.Second
	notePause = 50 * time.Millisecond
	claimFor  = mailFor + noteFor + 2*time.Second
	// tries is how often a message may fail before it is parked.
	tries = 5
	// replayWindow is how many events of the log are on their way to a replay.
	replayWindow = 100
)

// Consumers returns who handles the messages of which queue. Prefetch is how many each has in
// hand at once: enough not to be idle while some of them wait, and no more. What is in one worker's
// hands is in no other's; and a worker has ten connections to a server, one of which is its eye on
// the map. Those who mail do little but wait for somebody else's server; those who plan weeks
// wait for the CPU.
func Consumers(p service.Parts) []roles.Consumer {
	e := effects{p}
	return []roles.Consumer{
		{Queue: ledgerQueue, Prefetch: 5, Handle: e.ledger},
		{Queue: emailQueue, Prefetch: 20, Handle: e.email},
		{Queue: recommendationQueue, Prefetch: 2, Handle: e.recommendation},
		{Queue: paymentQueue, Prefetch: 5, Handle: e.payment},
	}
}

// effects does what follows from events, each once, however often it is asked to.
type effects struct{ service.Parts }

// ledger books an order with its suppliers. That it is done is noted in the same transaction.
func (e effects) ledger(ctx context.Context, event bytebites.Event) (bool, error) {
	order, err := e.Orders.Order(ctx, event.User, event.Order)
	if err != nil {
		return false, err
	}
	return e.Orders.Once(ctx, event.User, event.Order, bytebites.EffectLedger, func(ctx context.Context) error {
		return e.Steps.Book(ctx, order)
	})
}

// recommendation plans a week. It plans before the transaction: that takes CPU, and a lock that
// is held meanwhile is one that others wait for.
func (e effects) recommendation(ctx context.Context, event bytebites.Event) (bool, error) {
	order, err := e.Orders.Order(ctx, event.User, event.Order)
	if err != nil || isDone(order, bytebites.EffectRecommendation) {
		return false, err
	}
	week, err := e.Steps.Plan(ctx, event.User)
	if err != nil {
		return false, err
	}
	return e.Orders.Once(ctx, event.User, event.Order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		return e.Steps.SaveWeek(ctx, event.User, week)
	})
}

// errInHand says that somebody else is at the effect, or has died at it a moment ago.
var errInHand = fmt.Errorf("in somebody else's hands: %w", bytebites.ErrBusy)

// email mails the confirmation. No transaction holds a mail: who dies between the mail server's
// yes and the note of it leaves one that is out and not known to be, and it is sent again, under
// the same Message-ID. What a claim does is to keep two from being at it at once.
func (e effects) email(ctx context.Context, event bytebites.Event) (bool, error) {
	mailing, cancel := context.WithTimeout(ctx, mailFor)
	defer cancel()
	mine, err := e.Claims.Claim(mailing, event.User, event.Order, bytebites.EffectEmail, claimFor)
	if err != nil {
		return false, err
	}
	if !mine {
		return false, errInHand
	}
	release := func(ctx context.Context) error {
		return e.Claims.Release(ctx, event.User, event.Order, bytebites.EffectEmail)
	}
	out, err := e.mail(mailing, event)
	// What took nearly all of its time needs some more, to be noted as out, or left to others.
	noting, cancel := context.WithTimeout(ctx, noteFor)
	defer cancel()
	if err != nil || !out {
		_ = release(noting) // else the claim ends by itself
		return false, err
	}
	return e.note(noting, event, release)
}

// note notes that a mail is out, and calls within in the same transaction. What is not noted is sent
// again, so a server that is busy is asked again.
func (e effects) note(ctx context.Context, event bytebites.Event, within func(context.Context) error) (bool, error) {
	for {
		first, err := e.Orders.Once(ctx, event.User, event.Order, bytebites.EffectEmail, within)
		if !errors.Is(err, bytebites.ErrBusy) {
			return first, err
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(notePause):
		}
	}
}

// mail sends the confirmation, unless it was sent before. The order is read here, when nobody else
// can be mailing: one that was read before may have been mailed since.
func (e effects) mail(ctx context.Context, event bytebites.Event) (out bool, err error) {
	order, err := e.Orders.Order(ctx, event.User, event.Order)
	if err != nil || isDone(order, bytebites.EffectEmail) {
		return false, err
	}
	return true, e.Steps.Mail(ctx, event.Email, order)
}

// payment settles a payment that was recorded. Settling again changes nothing.
func (e effects) payment(ctx context.Context, event bytebites.Event) (bool, error) {
	if event.Payment == nil {
		return false, fmt.Errorf("event of topic %s: no payment in it", event.Topic)
	}
	return true, e.Orders.SettlePayment(ctx, *event.Payment)
}

func isDone(order bytebites.Order, effect bytebites.Effect) bool {
	_, done := order.Done[effect]
	return done
}

// Serve is a roles.Serve. A message is acknowledged when what it asks for is done, or when it is
// safe in another queue. Who dies before leaves it to the broker, which delivers it again.
func Serve(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }() // what was delivered and not begun goes back
	if err := ch.Qos(c.Prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := ch.Consume(c.Queue, c.Queue, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	h := hand{Broker: b, Consumer: c, putBack: (&publisher{link: b.Link}).publishOne}
	hands, ctx := errgroup.WithContext(ctx)
	hands.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				_ = ch.Cancel(c.Queue, false) // it fails when there is nothing left to cancel
				return nil
			case d, open := <-deliveries:
				if !open {
					return errNoMore
				}
				hands.Go(func() error { return h.take(ctx, d) })
			}
		}
	})
	return hands.Wait() // for those in hand as well
}

var (
	errNoMore     = errors.New("the broker delivers no more")
	errUnreadable = errors.New("unreadable")
)

// hand handles deliveries.
type hand struct {
	roles.Broker
	roles.Consumer
	putBack func(context.Context, message) error
}

// take handles a delivery to its end, whether or not ctx ends before. An error says that a channel
// is of no use any more. What was not settled then comes again.
func (h hand) take(ctx context.Context, d amqp.Delivery) error {
	event, first, err := h.do(ctx, d)
	v := judge(first, err, rabbit.Retries(d.Headers))
	if err != nil {
		h.Logger.Log(ctx, levelOf(err), "message failed", "queue", h.Queue, "message", d.MessageId,
			"outcome", string(v.outcome), "retries", v.retries, "error", err)
	}
	if err := h.settle(ctx, d, v); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop: it goes back as it came
		}
		return fmt.Errorf("settle message: %w", err)
	}
	h.Meter.Handled(h.Queue, v.outcome)
	if v.outcome == rabbit.Done {
		h.Meter.Age(h.Queue, time.Since(event.At))
	}
	return nil
}

// levelOf says how much a failure is worth a look: of what is busy there may be a lot, and it mends
// itself.
func levelOf(err error) slog.Level {
	if errors.Is(err, bytebites.ErrBusy) {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// do does what a delivery asks for.
func (h hand) do(ctx context.Context, d amqp.Delivery) (event bytebites.Event, first bool, err error) {
	if event, err = outbox.Decode(d.Body); err != nil {
		return event, false, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleFor)
	defer cancel()
	first, err = h.Handle(ctx, event)
	return event, first, err
}

// verdict is what becomes of a message.
type verdict struct {
	outcome rabbit.Handling
	delay   time.Duration // before it comes again
	retries int           // as which it comes again
}

// judge says what becomes of a message that has come again so often. What cannot be read will not
// be readable later. What is busy (a server that is down, somebody else who is at it) tells
// nothing about the message: it waits the longest, and that is not counted. All else is.
func judge(first bool, err error, retries int) verdict {
	delays := delays()
	longest := len(delays) - 1
	switch {
	case err == nil && first:
		return verdict{outcome: rabbit.Done}
	case err == nil:
		return verdict{outcome: rabbit.Duplicate}
	case errors.Is(err, bytebites.ErrBusy):
		return verdict{rabbit.Retried, delays[longest], retries}
	case errors.Is(err, errUnreadable), retries+1 >= tries:
		return verdict{outcome: rabbit.Parked, retries: retries}
	default:
		return verdict{rabbit.Retried, delays[min(retries, longest)], retries + 1}
	}
}

// settle tells the broker what becomes of a delivery.
func (h hand) settle(ctx context.Context, d amqp.Delivery, v verdict) error {
	switch v.outcome {
	case rabbit.Parked:
		return d.Nack(false, false) // where its queue's dead letters go
	case rabbit.Retried:
		// There first, and then away from here: who dies in between leaves it in both.
		err := h.putBack(ctx, message{exchange: waiting(v.delay), key: h.Queue, Publishing: amqp.Publishing{
			Headers:   amqp.Table{rabbit.RetriesHeader: int64(v.retries)},
			MessageId: d.MessageId, Type: d.Type, Timestamp: d.Timestamp,
			ContentType: d.ContentType, DeliveryMode: amqp.Persistent, Body: d.Body,
		}})
		if err != nil {
			return fmt.Errorf("put back: %w", err)
		}
	}
	return d.Ack(false)
}

// Replay is a roles.Replay. A log has no end to read up to, so it is given one: a mark, that only
// this replay knows.
func Replay(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	end := "replay:" + rand.Text()
	mark := message{key: logQueue, Publishing: amqp.Publishing{MessageId: end, DeliveryMode: amqp.Persistent}}
	if err := (&publisher{link: b.Link}).publishOne(ctx, mark); err != nil {
		return fmt.Errorf("mark the end: %w", err)
	}
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	if err := ch.Qos(replayWindow, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := ch.Consume(logQueue, end, false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	return hand{Broker: b, Consumer: c}.replay(ctx, deliveries, end)
}

// replay does what all deliveries ask for that the consumer's queue would get, until the one with
// that id. Those that fail do not keep it from the others, and those that cannot be read never will be.
func (h hand) replay(ctx context.Context, deliveries <-chan amqp.Delivery, end string) error {
	seen, done, failed := 0, 0, 0
	for {
		var d amqp.Delivery
		var open bool
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case d, open = <-deliveries:
		}
		switch {
		case !open:
			return errNoMore
		case d.MessageId == end:
			h.Logger.InfoContext(ctx, "replayed", "queue", h.Queue, "events", seen, "done", done, "failed", failed)
			if failed > 0 {
				return fmt.Errorf("%d of %d events failed: replay again", failed, seen)
			}
			return nil
		case slices.Contains(subscriptions(), subscription{h.Queue, bytebites.Topic(d.RoutingKey)}):
			seen++
			_, first, err := h.do(ctx, d)
			if err != nil {
				h.Logger.WarnContext(ctx, "event failed", "queue", h.Queue, "message", d.MessageId, "error", err)
			}
			switch {
			case err != nil && !errors.Is(err, errUnreadable):
				failed++
			case first:
				done++
			}
		}
		if err := d.Ack(false); err != nil { // in a log it deletes nothing, and asks for more
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
}
