package wrong

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/solutions/05-queue"
)

// replay reads the log in another way than the solution does: its mark goes by the exchange, under a
// key that only the log is bound to. Its fields are mistakes.
type replay struct {
	untilQuiet    bool // takes a quiet log for the end of it
	anyMark       bool // takes the mark of another replay for its own
	allTopics     bool // hands the events of all topics to the handler
	neverAcks     bool // gets no more than the prefetch
	fromNow       bool // reads what comes, and not what was
	hidesFailures bool // ends without an error when events failed
	endsAtFailure bool // leaves all events behind one that failed
	endsAtPoison  bool // ends at a message that it cannot read
	neverStops    bool // goes on when it is told to stop
	leaves        bool // does not wait for its handlers
}

func (r replay) role() roles.ReplayRole {
	return roles.Replaying(queue.Declare, queue.Consumers, r.run)
}

func (r replay) run(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	ch, err := b.Conn.Channel()
	if err != nil {
		return err
	}
	defer ch.Close() //nolint:errcheck // nothing is left to settle
	mark := fmt.Sprintf("replay:%d", time.Now().UnixNano())
	marks, err := b.Link.Channel(ctx)
	if err != nil {
		return err
	}
	defer marks.Close() //nolint:errcheck // the mark is confirmed
	if err := marks.Confirm(false); err != nil {
		return err
	}
	promise, err := marks.PublishWithDeferredConfirm(queue.Exchange, "replay_mark", true, false, amqp.Publishing{MessageId: mark, DeliveryMode: amqp.Persistent})
	if err != nil {
		return err
	}
	if ok, err := promise.WaitContext(ctx); err != nil || !ok {
		return fmt.Errorf("mark the end: %t, %w", ok, err)
	}
	if err := ch.Qos(40, 0, false); err != nil {
		return err
	}
	offset := "first"
	if r.fromNow {
		offset = "last"
	}
	deliveries, err := ch.Consume("events", "", false, false, false, false, amqp.Table{"x-stream-offset": offset})
	if err != nil {
		return err
	}
	failed := 0
	for {
		stop, quiet := ctx.Done(), (<-chan time.Time)(nil)
		if r.neverStops {
			stop = nil
		}
		if r.untilQuiet {
			quiet = time.After(500 * time.Millisecond)
		}
		select {
		case <-stop:
			return context.Cause(ctx)
		case <-quiet:
			return nil
		case d, open := <-deliveries:
			switch {
			case !open:
				return errors.New("no more deliveries")
			case d.MessageId == mark, r.anyMark && strings.HasPrefix(d.MessageId, "replay:"):
				if failed > 0 && !r.hidesFailures {
					return fmt.Errorf("%d events failed", failed)
				}
				return nil
			}
			if r.leaves {
				go func() { _ = r.handle(ctx, c, d) }()
				if err := d.Ack(false); err != nil {
					return err
				}
				continue
			}
			err := r.handle(ctx, c, d)
			if err != nil {
				failed++
				if r.endsAtFailure {
					return err
				}
			}
			if !r.neverAcks {
				if err := d.Ack(false); err != nil {
					return err
				}
			}
		}
	}
}

func (r replay) handle(ctx context.Context, c roles.Consumer, d amqp.Delivery) error {
	if !r.allTopics && d.RoutingKey != string(topics()[c.Queue]) {
		return nil
	}
	event, err := outbox.Decode(d.Body)
	if err != nil {
		if r.endsAtPoison {
			return err
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleFor)
	defer cancel()
	_, err = c.Handle(ctx, event)
	return err
}
