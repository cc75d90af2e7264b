package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// poisonOrders are placed while poison is in the queues.
	poisonOrders = 40
	// parkTimeout is how soon a message that always fails must be parked, with the pauses
	// between its tries.
	parkTimeout = 30 * time.Second
	// minTries is how often such a message must have been tried, because most failures are
	// short.
	minTries = 2
)

// unreadable returns the bodies of messages that are no events.
func unreadable() []string {
	return []string{"this is not an event", `{"id":"half an event","topic":"order_`, strings.Repeat("x", 2*outbox.MaxBytes)}
}

// failBookings makes every booking of a subscriber fail, and counts the tries in a sequence, which
// keeps its value when a transaction is rolled back. It has two places for the subscriber's id.
const failBookings = `
CREATE SEQUENCE check_tries;
CREATE FUNCTION check_fail_bookings() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
    IF NEW.user_id = '%s' THEN
        PERFORM nextval('check_tries');
        RAISE EXCEPTION 'the check makes bookings for %s fail';
    END IF;
    RETURN NEW;
END $body$;
CREATE TRIGGER check_fail_bookings BEFORE INSERT ON supplier_ledger FOR EACH ROW EXECUTE FUNCTION check_fail_bookings();`

const allowBookings = `
DROP TRIGGER IF EXISTS check_fail_bookings ON supplier_ledger;
DROP FUNCTION IF EXISTS check_fail_bookings;
DROP SEQUENCE IF EXISTS check_tries;`

// poison publishes messages that cannot be read, makes the booking of one order always fail, and
// places other orders meanwhile.
func (l *trial) poison(ctx context.Context, run *lab.Run) (err error) {
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for name := range queues() { // messages that are parked by now belong to another check
		_, there, err := w.find(name + parkedSuffix)
		if err != nil {
			return err
		}
		if !there {
			continue // awaitParked reports it
		}
		if _, err := w.channel.QueuePurge(name+parkedSuffix, false); err != nil {
			return fmt.Errorf("purge %s: %w", name+parkedSuffix, err)
		}
	}
	failing, err := l.placeFailing(ctx)
	// Bookings must work again after the check, whatever its verdict.
	defer func() { err = errors.Join(err, l.allowBookings(context.WithoutCancel(ctx))) }()
	if err != nil {
		return err
	}
	for _, topic := range bytebites.Topics() {
		for _, body := range unreadable() {
			if err := w.publish(ctx, exchange, string(topic), amqp.Publishing{Body: []byte(body)}); err != nil {
				return err
			}
		}
	}
	if err := w.delivered(ctx); err != nil {
		return err
	}
	if err := l.flowsMeanwhile(ctx, failing); err != nil {
		return errors.Join(err, l.clear(ctx, w))
	}
	if err := l.awaitParked(ctx, w); err != nil {
		return errors.Join(err, l.clear(ctx, w))
	}
	message, err := l.takeParked(w, failing)
	if err != nil {
		return err
	}
	tries, err := l.tries(ctx)
	if err != nil {
		return err
	}
	run.Report("tries until a message that always fails was parked", float64(tries), "")
	if tries < minTries {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d tries or more before a message is parked", minTries),
			Seen:     fmt.Sprintf("%d, and %s: %d", tries, rabbit.RetriesHeader, rabbit.Retries(message.Headers)),
			Look:     lab.Look{File: "consumers.go", Func: "Serve", Hint: "most failures are short: try a message five times"},
		}
	}
	return l.comesBack(ctx, w, failing, message)
}

// placeFailing places an order whose booking always fails.
func (l *trial) placeFailing(ctx context.Context) (*order, error) {
	subscriber := l.old()[0]
	if _, err := l.nodes[0].pool.ExecContext(ctx, fmt.Sprintf(failBookings, subscriber.user, subscriber.user)); err != nil {
		return nil, fmt.Errorf("make bookings fail: %w", err)
	}
	return l.place(ctx, subscriber)
}

func (l *trial) allowBookings(ctx context.Context) error {
	if _, err := l.nodes[0].pool.ExecContext(ctx, allowBookings); err != nil {
		return fmt.Errorf("make bookings work again: %w", err)
	}
	return nil
}

// tries returns how often the booking was tried.
func (l *trial) tries(ctx context.Context) (n int, err error) {
	err = l.nodes[0].pool.QueryRowContext(ctx, `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM check_tries`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count tries: %w", err)
	}
	return n, nil
}

// flowsMeanwhile places other orders, and demands all their effects, and those effects of the
// failing order that can be done.
func (l *trial) flowsMeanwhile(ctx context.Context, failing *order) error {
	placed, err := l.load(ctx, l.people[1:], poisonOrders, 0)
	if err != nil {
		return err
	}
	err = l.wantDone(ctx, placed, "all effects of orders that are placed while other messages are poison",
		lab.Look{File: "consumers.go", Func: "Serve", Hint: "put a failed message into a retry queue by w.put, so that the next one is handled meanwhile"})
	if err != nil {
		return err
	}
	err = l.wantOnce(ctx, placed, lab.Look{File: "consumers.go", Func: "Serve", Hint: "settle each message alone: a failure must not bring back messages that are done"})
	if err != nil {
		return err
	}
	return l.wantDone(ctx, []*order{failing}, "mail and week of an order that cannot be booked",
		lab.Look{File: "topology.go", Func: "Declare", Hint: "each effect has a queue of its own"},
		bytebites.EffectEmail, bytebites.EffectRecommendation)
}

// awaitParked waits until all poison is parked: the unreadable messages of each queue, and the booking.
func (l *trial) awaitParked(ctx context.Context, w *wire) error {
	for deadline := time.Now().Add(parkTimeout); ; {
		var bad []string
		for name := range queues() {
			want := len(unreadable())
			if name == ledgerQueue {
				want++
			}
			q, there, err := w.find(name + parkedSuffix)
			switch {
			case err != nil:
				return err
			case !there:
				bad = append(bad, "no queue "+name+parkedSuffix)
			case q.Messages != want:
				bad = append(bad, fmt.Sprintf("%d of %d in %s", q.Messages, want, q.Name))
			}
		}
		if len(bad) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			slices.Sort(bad)
			tries, err := l.tries(ctx)
			if err != nil {
				return err
			}
			return &lab.Failure{
				Expected: "messages that cannot be read, and one that always fails, to be parked",
				Seen:     fmt.Sprintf("%s after %s; the one that fails was tried %d times", strings.Join(bad, ", "), parkTimeout, tries), Waited: lab.Last(parkTimeout),
				Look: lab.Look{File: "consumers.go", Func: "Serve", Hint: "return rabbit.Parked at the fifth failure, and at once for errUnreadable. If that is done, see the dead-letter exchange in topology.go"},
			}
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// takeParked takes all messages out of the parked queues, and returns that of the failing order.
func (l *trial) takeParked(w *wire, failing *order) (found amqp.Delivery, err error) {
	known := false
	for name := range queues() {
		messages, err := w.take(name+parkedSuffix, 2*len(unreadable())+2)
		if err != nil {
			return amqp.Delivery{}, err
		}
		for _, m := range messages {
			event, err := outbox.Decode(m.Body)
			switch {
			case err != nil: // an unreadable one
			case name == ledgerQueue && event.Order == failing.id:
				found, known = m, true
			default:
				return amqp.Delivery{}, &lab.Failure{
					Expected: "nothing parked but poison", Seen: fmt.Sprintf("event %s in %s", event.ID, name+parkedSuffix),
					Look: lab.Look{File: "consumers.go", Func: "Serve", Hint: "park only a message that cannot be read or has failed five times"},
				}
			}
		}
	}
	if !known {
		return amqp.Delivery{}, &lab.Failure{
			Expected: "the message of an order that cannot be booked in " + ledgerQueue + parkedSuffix, Seen: "other messages",
			Look: lab.Look{File: "topology.go", Func: "Declare", Hint: "set x-dead-letter-routing-key to the queue's name, and bind NAME.parked under NAME"},
		}
	}
	return found, nil
}

// comesBack makes bookings work again and puts the message back into its queue, as an operator
// would.
func (l *trial) comesBack(ctx context.Context, w *wire, failing *order, message amqp.Delivery) error {
	if err := l.allowBookings(ctx); err != nil {
		return err
	}
	if err := w.publish(ctx, "", ledgerQueue, amqp.Publishing{ContentType: message.ContentType, MessageId: message.MessageId, Body: message.Body}); err != nil {
		return err
	}
	if err := w.delivered(ctx); err != nil {
		return err
	}
	err := l.wantDone(ctx, []*order{failing}, "the booking of a message that was parked and put back when it could be booked",
		lab.Look{File: "consumers.go", Func: "Serve", Hint: "a parked message must have the body that was published"})
	if err != nil {
		return err
	}
	return l.wantOnce(ctx, []*order{failing}, lab.Look{File: "consumers.go", Func: "effects.ledger", Hint: "book inside Orders.Once, with the context that Once gives, so that entries and note commit together"})
}

// clear removes poison that was not parked, so that the checks that follow start clean. The workers
// are killed before and started again after it.
func (l *trial) clear(ctx context.Context, w *wire) error {
	workers := []*job{l.worker, l.second}[:l.workers]
	var failures []error
	for _, worker := range workers {
		failures = append(failures, l.killWorker(ctx, worker))
	}
	failures = append(failures, rig.Pause(ctx, settleDelay)) // the broker puts back the messages that they had
	for name := range queues() {
		_, err := w.channel.QueuePurge(name, false)
		failures = append(failures, err)
	}
	for _, worker := range workers {
		failures = append(failures, worker.role.Start(ctx))
	}
	return errors.Join(failures...)
}
