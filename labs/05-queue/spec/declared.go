package spec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/testbed/fakebroker"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// logQueue is the stream of the lab.
	logQueue = "events"
	// maxReturns is after how many returns a message that kills its worker must be parked.
	maxReturns = 100
	// fewReturns is how often a message may come back because workers are restarted, and stay.
	fewReturns = 3
	// longAway is how long no worker runs.
	longAway = 72 * time.Hour
)

// declares runs the subject's Declare at a fake broker, and sends messages through what it declares.
func (l *trial) declares(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	b, err := c.bench()
	if err != nil {
		return err
	}
	defer b.close()
	// Each program declares all, again and again.
	for range 2 {
		if err := b.declare(c.relay.Declare); err != nil {
			return err
		}
	}
	if err := c.declaresAgain(b); err != nil {
		return err
	}
	kind, durable, there := b.broker.Exchange(exchange)
	if !there || kind != amqp.ExchangeTopic || !durable {
		return &lab.Failure{
			Expected: "a durable topic exchange " + exchange, Seen: fmt.Sprintf("there %t, durable %t, type %q", there, durable, kind), Look: declareLook("declare the exchange by d.exchange(Exchange, amqp.ExchangeTopic)"),
		}
	}
	b.broker.Restart()
	for _, look := range []func(*fakebroker.Broker) error{lastingQueues, routes, keeps, boundedLog, deadLettersSafely} {
		if err := look(b.broker); err != nil {
			return err
		}
	}
	if err := parks(ctx, b.broker); err != nil {
		return err
	}
	return c.declaresNothing(b)
}

// declaresNothing calls Declare on a channel that has ended, as it does when the broker refuses a call.
func (c *composed) declaresNothing(b *bench) error {
	ch, err := b.channel("declare")
	if err != nil {
		return err
	}
	if err := ch.Close(); err != nil {
		return fmt.Errorf("close channel: %w", err)
	}
	var declared error
	err = guard(declareLook(""), func() error {
		declared = c.worker.Declare(ch)
		return nil
	})
	if err == nil && declared == nil {
		err = &lab.Failure{
			Expected: "an error of Declare when the channel has ended", Seen: "none",
			Look: declareLook("return the first error: without its queues a program must not begin its work"),
		}
	}
	return err
}

// lastingQueues demands the types of the queues after a restart.
func lastingQueues(b *fakebroker.Broker) error {
	want := map[string]string{logQueue: "stream"}
	for name := range queues() {
		want[name], want[name+parkedSuffix] = "quorum", "quorum"
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		q, there := b.Queue(name)
		if !there || q.Type != want[name] {
			seen := "none"
			if there {
				seen = "a " + q.Type + " queue"
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("a queue %s that outlives the broker, of the type %s", name, want[name]), Seen: seen,
				Look: declareLook("set amqp.QueueTypeArg to amqp.QueueTypeQuorum; durable alone is not enough"),
			}
		}
	}
	return nil
}

// declaresAgain has messages in all queues, and declares all again, as each program does that connects.
func (c *composed) declaresAgain(b *bench) error {
	var names []string
	for name := range queues() {
		for _, name := range []string{name, name + parkedSuffix} {
			if _, there := b.broker.Queue(name); there {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		b.broker.Publish("", name, amqp.Publishing{Body: []byte("waits"), DeliveryMode: amqp.Persistent})
	}
	if err := b.declare(c.worker.Declare); err != nil {
		return err
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if q, _ := b.broker.Queue(name); len(q.Ready) != 1 {
			return &lab.Failure{
				Expected: fmt.Sprintf("a message that stays in %s when a program connects and declares all again", name), Seen: fmt.Sprintf("%d messages", len(q.Ready)),
				Look: declareLook("each process declares: delete and purge nothing. After a change run: go tool workshop down"),
			}
		}
		b.broker.Purge(name)
	}
	return nil
}

// routes publishes an event of each topic, after the restart.
func routes(b *fakebroker.Broker) error {
	for _, topic := range bytebites.Topics() {
		m, err := messageOf(eventOf(topic, "order-1"))
		if err != nil {
			return err
		}
		routed := b.Publish(exchange, string(topic), m)
		want := []string{logQueue}
		for name, of := range queues() {
			if of == topic {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		got := slices.DeleteFunc(slices.Clone(routed), func(name string) bool {
			_, theirs := queues()[name]
			return !theirs && name != logQueue
		})
		if !slices.Equal(got, want) {
			return &lab.Failure{
				Expected: fmt.Sprintf("events %s in the queues %v, also after the broker has restarted", topic, want), Seen: fmt.Sprintf("in %v", routed),
				Look: declareLook("bind each queue to the topic of its subscription"),
			}
		}
	}
	return nil
}

// keeps lets days pass, and demands that no message has left the queues of consumers.
func keeps(b *fakebroker.Broker) error {
	b.Advance(longAway)
	for _, name := range slices.Sorted(maps.Keys(queues())) {
		for _, name := range []string{name, name + parkedSuffix} {
			q, _ := b.Queue(name)
			_, ends := q.Arguments["x-expires"]
			_, expire := q.Arguments[amqp.QueueMessageTTLArg]
			_, few := q.Arguments["x-max-length"]
			_, small := q.Arguments["x-max-length-bytes"]
			drops := ends || expire || (few || small) && q.Arguments[amqp.QueueOverflowArg] != amqp.QueueOverflowRejectPublish
			if drops || len(q.Ready) == 0 && name == q.Name && queues()[name] != "" {
				return &lab.Failure{
					Expected: fmt.Sprintf("messages that wait in %s for as long as no worker runs", name),
					Seen:     fmt.Sprintf("%d messages after %s, arguments %v", len(q.Ready), longAway, q.Arguments),
					Look:     declareLook("only retry queues have a time to live; no queue drops what is too much"),
				}
			}
		}
	}
	return nil
}

// boundedLog demands that the stream ends somewhere.
func boundedLog(b *fakebroker.Broker) error {
	q, _ := b.Queue(logQueue)
	_, bytes := q.Arguments[amqp.StreamMaxLenBytesArg]
	_, age := q.Arguments[amqp.StreamMaxAgeArg]
	if !bytes && !age {
		return &lab.Failure{
			Expected: "a stream with a greatest size or age", Seen: fmt.Sprintf("arguments %v", q.Arguments),
			Look: declareLook("limit the log by amqp.StreamMaxLenBytesArg and amqp.StreamMaxAgeArg, else it fills the disk"),
		}
	}
	return nil
}

// parks gives up a message of each queue, and returns another until its queue gives it up.
func parks(ctx context.Context, b *fakebroker.Broker) error {
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		return fmt.Errorf("connect to the fake broker: %w", err)
	}
	defer conn.Close() //nolint:errcheck // the broker ends after it
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(queues())) {
		for other := range queues() {
			b.Purge(other)
			b.Purge(other + parkedSuffix)
		}
		log, _ := b.Queue(logQueue)
		logged := len(log.Ready)
		for _, body := range []string{"given up", "returned too often"} {
			// By its topic, as a publisher does: a dead letter keeps this key unless its queue has another.
			b.Publish(exchange, string(queues()[name]), amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent})
		}
		if err := errors.Join(settleFirst(ch, name, false, 1), settleFirst(ch, name, true, fewReturns)); err != nil {
			return err
		}
		stays, err := within(ctx, stepLimit(), func() bool { q, _ := b.Queue(name); return len(q.Ready) == 1 })
		if err != nil {
			return err
		}
		if !stays {
			return &lab.Failure{
				Expected: fmt.Sprintf("a message that came back %d times, because its workers were restarted, in %s", fewReturns, name), Seen: "none",
				Look: declareLook("set x-delivery-limit higher than a few restarts of workers"),
			}
		}
		if err := settleFirst(ch, name, true, maxReturns); err != nil {
			return err
		}
		q, _ := b.Queue(name + parkedSuffix)
		var bodies []string
		for _, m := range q.Ready {
			bodies = append(bodies, string(m.Body))
		}
		for other := range queues() {
			if q, _ := b.Queue(other + parkedSuffix); other != name && len(q.Ready) > 0 {
				return &lab.Failure{
					Expected: fmt.Sprintf("a message of %s that is given up in %s, and in no other queue", name, name+parkedSuffix),
					Seen:     fmt.Sprintf("%d messages in %s", len(q.Ready), q.Name), Look: declareLook("use an exchange of the type direct, and bind each parked queue under its queue's name"),
				}
			}
		}
		if log, _ = b.Queue(logQueue); len(log.Ready) > logged+2 { // the two events themselves are in it
			return &lab.Failure{
				Expected: fmt.Sprintf("a message of %s that is given up in %s, and in no other queue", name, name+parkedSuffix),
				Seen:     fmt.Sprintf("%d dead letters in %s", len(log.Ready)-logged-2, logQueue), Look: declareLook("give the dead letters an exchange of their own: the log and new queues get all that goes through " + exchange),
			}
		}
		slices.Sort(bodies)
		if !slices.Equal(bodies, []string{"given up", "returned too often"}) {
			return &lab.Failure{
				Expected: fmt.Sprintf("a message that is given up by Nack, and one that came back %d times, in %s", maxReturns, name+parkedSuffix),
				Seen:     parkedSeen(bodies), Look: declareLook("x-dead-letter-exchange, x-dead-letter-routing-key or x-delivery-limit is missing, or NAME.parked is bound under another key than that routing key"),
			}
		}
	}
	return nil
}

// parkedSeen names the messages in a parked queue.
func parkedSeen(bodies []string) string {
	if len(bodies) == 0 {
		return "no message there"
	}
	return fmt.Sprintf("there: %q", bodies)
}

// settleFirst fetches the first message of a queue and rejects it, up to n times.
func settleFirst(ch *amqp.Channel, name string, requeue bool, n int) error {
	for range n {
		d, ok, err := ch.Get(name, false)
		if err != nil {
			return fmt.Errorf("fetch from %s: %w", name, err)
		}
		if !ok {
			return nil
		}
		if err := d.Nack(false, requeue); err != nil {
			return fmt.Errorf("reject a message of %s: %w", name, err)
		}
	}
	return nil
}

// deadLettersSafely demands that dead letters are moved at least once.
func deadLettersSafely(b *fakebroker.Broker) error {
	for _, q := range b.Queues() {
		if _, moves := q.Arguments["x-dead-letter-exchange"]; !moves {
			continue
		}
		strategy, overflow := q.Arguments["x-dead-letter-strategy"], q.Arguments[amqp.QueueOverflowArg]
		if q.Type != "quorum" || strategy != "at-least-once" || overflow != amqp.QueueOverflowRejectPublish {
			return &lab.Failure{
				Expected: "a quorum queue with x-dead-letter-strategy at-least-once and x-overflow reject-publish, for " + q.Name,
				Seen:     fmt.Sprintf("a %s queue with strategy %v and overflow %v", q.Type, strategy, overflow),
				Look:     declareLook("set both arguments: by default a broker that dies while it moves a dead letter loses it"),
			}
		}
	}
	return nil
}
