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
)

const (
	// meanwhile orders are placed while some messages are poison.
	meanwhile = 40
	// parkedWithin is how soon messages must be parked that always fail, with pauses between
	// the tries.
	parkedWithin = 30 * time.Second
	// leastTries is how often such a message must have been tried: most of what fails goes
	// well a moment later.
	leastTries = 2
)

// unreadable are bodies that are no events.
func unreadable() []string {
	return []string{"this is not an event", `{"id":"half an event","topic":"order_`, strings.Repeat("x", 2*outbox.MaxBytes)}
}

// curse makes the bookings of a subscriber fail for good, and counts the tries: a sequence does
// not go back when a transaction does. The subscriber is put in by the check itself.
const curse = `
CREATE SEQUENCE check_tries;
CREATE FUNCTION check_curse() RETURNS trigger LANGUAGE plpgsql AS $curse$ BEGIN
    IF NEW.user_id = '%s' THEN
        PERFORM nextval('check_tries');
        RAISE EXCEPTION 'the check has it that nothing can be booked for %s';
    END IF;
    RETURN NEW;
END $curse$;
CREATE TRIGGER check_curse BEFORE INSERT ON supplier_ledger FOR EACH ROW EXECUTE FUNCTION check_curse();`

const lift = `
DROP TRIGGER IF EXISTS check_curse ON supplier_ledger;
DROP FUNCTION IF EXISTS check_curse;
DROP SEQUENCE IF EXISTS check_tries;`

// poison puts messages into the queues that nobody can read, has an order's booking fail for good, and
// others order meanwhile.
func (l *trial) poison(ctx context.Context, run *lab.Run) (err error) {
	if err := l.needsQueue(); err != nil {
		return err
	}
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for name := range queues() { // what is parked by now is another check's
		_, there, err := w.find(name + parkedSuffix)
		if err != nil {
			return err
		}
		if !there {
			continue // that there is none will be said with what it should have
		}
		if _, err := w.channel.QueuePurge(name+parkedSuffix, false); err != nil {
			return fmt.Errorf("purge %s: %w", name+parkedSuffix, err)
		}
	}
	cursed, err := l.placeCursed(ctx)
	// The curse has to be lifted whatever is seen.
	defer func() { err = errors.Join(err, l.lift(context.WithoutCancel(ctx))) }()
	if err != nil {
		return err
	}
	for _, topic := range bytebites.Topics() {
		for _, body := range unreadable() {
			if err := w.say(ctx, exchange, string(topic), amqp.Publishing{Body: []byte(body)}); err != nil {
				return err
			}
		}
	}
	if err := w.delivered(ctx); err != nil {
		return err
	}
	if err := l.flowsMeanwhile(ctx, cursed); err != nil {
		return errors.Join(err, l.clear(ctx, w))
	}
	if err := l.awaitParked(ctx, w); err != nil {
		return errors.Join(err, l.clear(ctx, w))
	}
	message, err := l.takeParked(w, cursed)
	if err != nil {
		return err
	}
	tries, err := l.tries(ctx)
	if err != nil {
		return err
	}
	run.Report("tries until a message that always fails was parked", float64(tries), "")
	if tries < leastTries {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d tries or more before a message is parked", leastTries),
			Seen:     fmt.Sprintf("%d, and %s: %d", tries, rabbit.RetriesHeader, rabbit.Retries(message.Headers)), Look: lab.Look{Hint: "consumers.go: most of what fails goes well a moment later"},
		}
	}
	return l.comesBack(ctx, w, cursed, message)
}

// placeCursed has somebody order whose bookings fail.
func (l *trial) placeCursed(ctx context.Context) (*order, error) {
	victim := l.old()[0]
	if _, err := l.nodes[0].pool.ExecContext(ctx, fmt.Sprintf(curse, victim.user, victim.user)); err != nil {
		return nil, fmt.Errorf("have bookings fail: %w", err)
	}
	return l.place(ctx, victim)
}

func (l *trial) lift(ctx context.Context) error {
	if _, err := l.nodes[0].pool.ExecContext(ctx, lift); err != nil {
		return fmt.Errorf("have bookings go well again: %w", err)
	}
	return nil
}

// tries is how often the booking was tried.
func (l *trial) tries(ctx context.Context) (n int, err error) {
	err = l.nodes[0].pool.QueryRowContext(ctx, `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM check_tries`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count tries: %w", err)
	}
	return n, nil
}

// flowsMeanwhile has others order, and demands that all comes of it that must, and of the cursed
// order what can.
func (l *trial) flowsMeanwhile(ctx context.Context, cursed *order) error {
	placed, err := l.load(ctx, l.people[1:], meanwhile, 0)
	if err != nil {
		return err
	}
	const lookAt = "consumers.go: what does a message that fails keep from whom?"
	if err := l.wantDone(ctx, placed, "all effects of orders that are placed while other messages are poison", lookAt); err != nil {
		return err
	}
	if err := l.wantKept(ctx, placed, lookAt); err != nil {
		return err
	}
	return l.wantDone(ctx, []*order{cursed}, "mail and week of an order that cannot be booked", lookAt,
		bytebites.EffectEmail, bytebites.EffectRecommendation)
}

// awaitParked waits until all poison is parked: what nobody can read, in each queue, and the booking.
func (l *trial) awaitParked(ctx context.Context, w *wire) error {
	for deadline := time.Now().Add(parkedWithin); ; {
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
				Expected: "messages that nobody can read, and one that always fails, to be parked",
				Seen:     fmt.Sprintf("%s after %s; the one that fails was tried %d times", strings.Join(bad, ", "), parkedWithin, tries),
				Look:     lab.Look{Hint: "consumers.go: which messages are tried again, and how often? And the dead-letter exchange in topology.go"},
			}
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// takeParked takes everything that is parked away, and returns the message of the cursed order.
func (l *trial) takeParked(w *wire, cursed *order) (found amqp.Delivery, err error) {
	known := false
	for name := range queues() {
		messages, err := w.take(name+parkedSuffix, 2*len(unreadable())+2)
		if err != nil {
			return amqp.Delivery{}, err
		}
		for _, m := range messages {
			event, err := outbox.Decode(m.Body)
			switch {
			case err != nil: // one of those that nobody can read
			case name == ledgerQueue && event.Order == cursed.id:
				found, known = m, true
			default:
				return amqp.Delivery{}, &lab.Failure{
					Expected: "nothing parked but poison", Seen: fmt.Sprintf("event %s in %s", event.ID, name+parkedSuffix), Look: lab.Look{Hint: "consumers.go"},
				}
			}
		}
	}
	if !known {
		return amqp.Delivery{}, &lab.Failure{
			Expected: "the message of an order that cannot be booked in " + ledgerQueue + parkedSuffix, Seen: "others", Look: lab.Look{Hint: "consumers.go"},
		}
	}
	return found, nil
}

// comesBack puts the message back when the reason for its failing is mended, as whoever looks after
// the queues would.
func (l *trial) comesBack(ctx context.Context, w *wire, cursed *order, message amqp.Delivery) error {
	if err := l.lift(ctx); err != nil {
		return err
	}
	if err := w.say(ctx, "", ledgerQueue, amqp.Publishing{ContentType: message.ContentType, MessageId: message.MessageId, Body: message.Body}); err != nil {
		return err
	}
	if err := w.delivered(ctx); err != nil {
		return err
	}
	const lookAt = "consumers.go: what is parked must be what was published"
	if err := l.wantDone(ctx, []*order{cursed}, "the booking of a message that was parked and put back when it could be booked", lookAt); err != nil {
		return err
	}
	return l.wantKept(ctx, []*order{cursed}, lookAt)
}

// clear takes poison that was not parked out of the way of the checks that follow: from queues whose
// workers are dead.
func (l *trial) clear(ctx context.Context, w *wire) error {
	workers := []*job{l.worker}
	if l.second != nil {
		workers = append(workers, l.second)
	}
	var failures []error
	for _, worker := range workers {
		failures = append(failures, l.killWorker(ctx, worker))
	}
	failures = append(failures, sleep(ctx, aftermath)) // the broker puts back what they had
	for name := range queues() {
		_, err := w.channel.QueuePurge(name, false)
		failures = append(failures, err)
	}
	for _, worker := range workers {
		failures = append(failures, worker.role.Start(ctx))
	}
	return errors.Join(failures...)
}
