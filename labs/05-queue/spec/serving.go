package spec

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/testbed/fakebroker"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// maxTries is how often the lesson lets a message fail before it is parked.
	maxTries = 5
	// busyTries is how often a message finds a server busy. It is far more than maxTries.
	busyTries = 12
	// settleTimeout is how soon a worker that is told to stop must have settled its messages.
	settleTimeout = 15 * time.Second
	// lostAfter is after how long a message that is in no queue counts as lost.
	lostAfter = 2 * time.Second
	// The names of a worker's connections.
	consuming  = "worker"
	publishing = "worker, publishing"
)

func serveLook(hint string) lab.Look {
	return lab.Look{File: "consumers.go", Func: "Serve", Hint: hint}
}

func takeLook(hint string) lab.Look {
	return lab.Look{File: "consumers.go", Func: "worker.take", Hint: hint}
}

func failedLook(hint string) lab.Look {
	return lab.Look{File: "consumers.go", Func: "worker.failed", Hint: hint}
}

func declareLook(hint string) lab.Look {
	return lab.Look{File: "topology.go", Func: "Declare", Hint: hint}
}

// shift is a worker of the subject at a fake broker, with a handler of the check.
type shift struct {
	*bench
	queue string
	stop  context.CancelFunc
	ended chan error // has the result of Serve
}

// bench returns a fake broker with the subject's topology.
func (c *composed) bench() (*bench, error) {
	b, err := newBench()
	if err != nil {
		return nil, err
	}
	if err := b.declare(c.worker.Declare); err != nil {
		b.close()
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(queues())) {
		if _, there := b.broker.Queue(name); !there {
			b.close()
			return nil, &lab.Failure{Expected: "a queue " + name, Seen: "none", Look: declareLook("each consumer has a queue of its own")}
		}
	}
	return b, nil
}

// shift starts a worker on a queue.
func (c *composed) shift(ctx context.Context, queue string, prefetch int, handle roles.Handler) (*shift, error) {
	b, err := c.bench()
	if err != nil {
		return nil, err
	}
	s := &shift{bench: b, queue: queue}
	if err := s.serve(ctx, c.worker.Serve, prefetch, handle); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *shift) serve(ctx context.Context, serve roles.Serve, prefetch int, handle roles.Handler) error {
	conn, err := s.connect(consuming)
	if err != nil {
		return err
	}
	other, err := s.connect(publishing)
	if err != nil {
		return err
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.closers = append(s.closers, s.stop)
	s.ended = make(chan error, 1)
	broker := roles.Broker{Conn: conn, Link: roles.NewLink(other, s.meter), Meter: s.meter, Logger: discard()}
	go func() {
		s.ended <- serve(ctx, broker, roles.Consumer{Queue: s.queue, Prefetch: prefetch, Handle: handle})
	}()
	return nil
}

// state returns the state of the worker's queue.
func (s *shift) state() fakebroker.QueueState {
	q, _ := s.broker.Queue(s.queue)
	return q
}

// settled returns how many deliveries of the worker's queue were settled in a way.
func (s *shift) settled(how fakebroker.Settlement) int {
	n := 0
	for _, d := range s.broker.Settled() {
		if d.Queue == s.queue && d.How == how {
			n++
		}
	}
	return n
}

// handled returns how many messages of the worker's queue the metrics count with an outcome.
func (s *shift) handled(outcome rabbit.Handling) float64 {
	return s.counter("bytebites_messages_handled_total", map[string]string{"queue": s.queue, "outcome": string(outcome)})
}

// republished returns the messages that the worker has published.
func (s *shift) republished() []fakebroker.Published {
	return slices.DeleteFunc(s.broker.Published(), func(p fakebroker.Published) bool { return p.Connection == "declare" })
}

// copies returns how many messages with that body are in queues. It leaves out the log and the other
// workers' queues, which have a copy of their own.
func (s *shift) copies(body []byte) (n int, in []string) {
	for _, q := range s.broker.Queues() {
		if _, theirs := queues()[q.Name]; q.Type == "stream" || theirs && q.Name != s.queue {
			continue
		}
		for _, m := range append(q.Ready, q.Unsettled...) {
			if bytes.Equal(m.Body, body) {
				n++
				in = append(in, q.Name)
			}
		}
	}
	return n, in
}

// one is an order's event and its message.
func one(topic bytebites.Topic, order bytebites.OrderID) (bytebites.Event, []byte, error) {
	event := eventOf(topic, order)
	body, err := outbox.Encode(event)
	return event, body, err
}

// acknowledges runs the subject's worker at a fake broker, and looks when it acknowledges.
func (l *trial) acknowledges(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	if err := c.acksAfterTheWork(ctx); err != nil { // the mistake that loses messages is reported first
		return err
	}
	if err := together(ctx, c.settlesOneByOne, c.putsBackWithConfirm, c.takesAsManyAsMayBe, c.sharesItsQueue, c.countsOutcomes, c.cannotBegin); err != nil {
		return err
	}
	return c.holdsFew()
}

// acksAfterTheWork kills a worker while it handles a message.
func (c *composed) acksAfterTheWork(ctx context.Context) error {
	begun, finish := make(chan struct{}, 10), make(chan struct{})
	s, err := c.shift(ctx, ledgerQueue, 3, func(context.Context, bytebites.Event) (bool, error) {
		begun <- struct{}{}
		<-finish
		return true, nil
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer sync.OnceFunc(func() { close(finish) })()
	if err := s.put(events(bytebites.TopicOrderPlaced, 3)...); err != nil {
		return err
	}
	for n := range 3 {
		select {
		case <-begun:
		case err := <-s.ended:
			return ended(err)
		case <-time.After(stepLimit()):
			if held := len(s.state().Ready) + len(s.state().Unsettled); held < 3 {
				return &lab.Failure{
					Expected: "three messages that the broker keeps until their work is done",
					Seen:     fmt.Sprintf("%d kept, while the worker is at the first", held),
					Look:     serveLook("consume without autoack: with it the broker forgets a message when it has sent it"),
				}
			}
			return &lab.Failure{
				Expected: "a worker that handles three messages at once with a prefetch of 3", Seen: fmt.Sprintf("%d begun", n),
				Look: serveLook("handle c.Prefetch messages at once"),
			}
		}
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	early := s.settled(fakebroker.Acked) + s.settled(fakebroker.Rejected)
	s.broker.Drop("")
	if n := len(s.state().Ready); early > 0 || n != 3 {
		return &lab.Failure{
			Expected: "three messages that are back in their queue when their worker dies at work", Seen: fmt.Sprintf("%d, of which it had settled %d before the work was done", n, early),
			Look: serveLook("consume without autoack: with it the broker forgets a message when it has sent it"),
		}
	}
	return nil
}

// settlesOneByOne has two messages at work while another is done and a fourth cannot be read.
func (c *composed) settlesOneByOne(ctx context.Context) error {
	finish := make(chan struct{})
	s, err := c.shift(ctx, ledgerQueue, 4, func(_ context.Context, event bytebites.Event) (bool, error) {
		if event.Order != "order-3" {
			<-finish
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer close(finish)
	if err := s.put(events(bytebites.TopicOrderPlaced, 3)...); err != nil {
		return err
	}
	s.broker.Publish("", ledgerQueue, amqp.Publishing{Body: []byte("not an event"), DeliveryMode: amqp.Persistent})
	over := func() int { return s.settled(fakebroker.Acked) + s.settled(fakebroker.Rejected) }
	if _, err := until(ctx, func() bool { return over() >= 2 }); err != nil {
		return err
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	select {
	case err := <-s.ended:
		return ended(err)
	default:
	}
	if n := s.settled(fakebroker.Requeued); n > 0 {
		return &lab.Failure{
			Expected: "a message that cannot be read to be given up", Seen: fmt.Sprintf("it was requeued %d times", n),
			Look: takeLook("d.Nack(false, false): the second argument puts the message back into its queue, at once"),
		}
	}
	if held := len(s.state().Unsettled); held != 2 || over() != 2 {
		look := takeLook("settle each message alone: with multiple, d.Ack(true) settles all that came before it")
		if over() < 2 {
			look = failedLook("settle also what cannot be read: return rabbit.Parked, and no error")
		}
		return &lab.Failure{
			Expected: "two messages that are held while they are at work, and two that are settled", Seen: fmt.Sprintf("%d held, %d settled", held, over()),
			Look: look,
		}
	}
	return nil
}

// ended is the failure of a worker that ended before it was told to.
func ended(err error) error {
	return &lab.Failure{
		Expected: "a worker that serves until it is told to stop", Seen: fmt.Sprintf("Serve has returned, error %v", err), Look: serveLook("Serve returns when ctx ends or the broker delivers no more"),
	}
}

// putsBackWithConfirm lets a message fail, and the broker hold, refuse, lose or return what the worker
// publishes of it.
func (c *composed) putsBackWithConfirm(ctx context.Context) error {
	type answered struct {
		what    string
		answer  fakebroker.Answer
		deleted bool
	}
	var all []func(context.Context) error
	for _, a := range []answered{
		{what: "has not confirmed", answer: fakebroker.Hold},
		{what: "has refused", answer: fakebroker.Refuse},
		{what: "has lost", answer: fakebroker.Lose},
		{what: "has no queue for", deleted: true},
	} {
		all = append(all, func(ctx context.Context) error { return c.putsBack(ctx, a.what, a.answer, a.deleted) })
	}
	return together(ctx, all...)
}

func (c *composed) putsBack(ctx context.Context, what string, answer fakebroker.Answer, deleted bool) error {
	event, body, err := one(bytebites.TopicOrderPlaced, "order-1")
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	s, err := c.shift(ctx, mailQueue, 2, func(context.Context, bytebites.Event) (bool, error) {
		<-ready
		return false, errDown
	})
	if err != nil {
		return err
	}
	defer s.close()
	s.broker.OnPublish(func(fakebroker.Published) fakebroker.Answer { return answer })
	if err := s.put(event); err != nil {
		return err
	}
	if deleted {
		for _, q := range s.broker.Queues() {
			if q.Name != mailQueue && q.Name != mailQueue+parkedSuffix {
				s.broker.DeleteQueue(q.Name) // the retry queues among them
			}
		}
	}
	close(ready)
	came, err := until(ctx, func() bool { return len(s.republished()) > 0 })
	if err != nil {
		return err
	}
	if !came {
		return &lab.Failure{
			Expected: "a message that failed to be published to a retry queue", Seen: fmt.Sprintf("nothing published; acknowledged %d, requeued %d, rejected %d",
				s.settled(fakebroker.Acked), s.settled(fakebroker.Requeued), s.settled(fakebroker.Rejected)),
			Look: failedLook("publish the message to a retry queue by w.put, which waits for the confirm"),
		}
	}
	if from := s.republished()[0].Connection; from != publishing {
		return &lab.Failure{
			Expected: "messages that are put back over b.Link", Seen: fmt.Sprintf("one over the connection %q", from),
			Look: failedLook("a broker that is short of memory stops reading from connections that publish"),
		}
	}
	if err := rig.Pause(ctx, 2*stillPause); err != nil {
		return err
	}
	if s.settled(fakebroker.Acked) > 0 || s.settled(fakebroker.Rejected) > 0 {
		return &lab.Failure{
			Expected: "a message that failed to stay unacknowledged while it is in no other queue", Seen: fmt.Sprintf("it is acknowledged, although the broker %s what the worker published", what),
			Look: takeLook("acknowledge when the message is safe in another queue: after an error of w.put settle nothing"),
		}
	}
	if answer == fakebroker.Refuse || deleted { // the worker knows at once that the message is not stored
		if err := s.givesUp(ctx); err != nil {
			return err
		}
	}
	if answer != fakebroker.Hold {
		s.broker.Drop("")
		if n, in := s.copies(body); n == 0 {
			return &lab.Failure{Expected: "the message in some queue", Seen: fmt.Sprintf("none, after the broker %s what the worker published (%v)", what, in), Look: serveLook("settle a message only when its work is done or w.put has returned nil")}
		}
		return nil
	}
	s.broker.OnPublish(nil)
	s.broker.Release()
	done, err := until(ctx, func() bool { return s.settled(fakebroker.Acked) == 1 })
	if err != nil {
		return err
	}
	if n, in := s.copies(body); !done || n != 1 {
		return &lab.Failure{
			Expected: "a message that failed to be acknowledged, and once in a retry queue, when the broker has confirmed it there",
			Seen:     fmt.Sprintf("acknowledged %d times, %d copies in %v", s.settled(fakebroker.Acked), n, in),
			Look:     takeLook("acknowledge the message that is stored in a retry queue"),
		}
	}
	return nil
}

// givesUp waits until the worker ends with an error, or stores the message in another queue after all. A
// worker that does neither keeps the message, and its place in the prefetch, for ever. A worker that
// requeues the message and goes on has it come back at once, until the broker gives it up.
func (s *shift) givesUp(ctx context.Context) error {
	s.broker.OnPublish(nil)
	var ended bool
	var err error
	_, waiting := until(ctx, func() bool {
		select {
		case err = <-s.ended:
			ended = true
		default:
		}
		return ended || s.settled(fakebroker.Acked)+s.settled(fakebroker.Rejected) > 0 || s.settled(fakebroker.Requeued) > fewReturns
	})
	requeued := s.settled(fakebroker.Requeued)
	if waiting != nil || err != nil || !ended && requeued <= fewReturns && len(s.state().Unsettled) == 0 {
		return waiting
	}
	if !ended && requeued > fewReturns {
		return &lab.Failure{
			Expected: "an error of Serve when a failed message could not be put back, so that the worker connects again",
			Seen:     fmt.Sprintf("the message was requeued %d times, as often as it came", requeued),
			Look:     takeLook("after an error of w.handle settle nothing, and return the error: w.put cannot be used any more"),
		}
	}
	return &lab.Failure{
		Expected: "an error of Serve when a failed message could not be put back, so that the worker connects again",
		Seen:     fmt.Sprintf("Serve has ended %t, error %v, and %d messages are held", ended, err, len(s.state().Unsettled)),
		Look:     takeLook("return the error of w.handle, unless ctx has ended"),
	}
}

// takesAsManyAsMayBe counts how many messages a worker handles at once.
func (c *composed) takesAsManyAsMayBe(ctx context.Context) error {
	const prefetch = 5
	var mu sync.Mutex
	now, most := 0, 0
	finish := make(chan struct{})
	s, err := c.shift(ctx, ledgerQueue, prefetch, func(context.Context, bytebites.Event) (bool, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-finish
		mu.Lock()
		defer mu.Unlock()
		now--
		return true, nil
	})
	if err != nil {
		return err
	}
	defer s.close()
	release := sync.OnceFunc(func() { close(finish) })
	defer release()
	if err := s.put(events(bytebites.TopicOrderPlaced, 4*prefetch)...); err != nil {
		return err
	}
	busy := func() int {
		mu.Lock()
		defer mu.Unlock()
		return most
	}
	if _, err := within(ctx, 3*time.Second, func() bool { return busy() >= prefetch }); err != nil {
		return err
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	state := s.state()
	if busy() != prefetch || len(state.Unsettled) > prefetch {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d messages at work with a prefetch of %d, and no more held", prefetch, prefetch),
			Seen:     fmt.Sprintf("%d at work, %d held, %d left to other workers", busy(), len(state.Unsettled), len(state.Ready)),
			Look:     serveLook("set the prefetch by ch.Qos, and handle the messages at once"),
		}
	}
	release()
	done, err := until(ctx, func() bool { return s.settled(fakebroker.Acked) == 4*prefetch })
	if err != nil {
		return err
	}
	if !done {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d messages acknowledged when they are done", 4*prefetch), Seen: fmt.Sprintf("%d", s.settled(fakebroker.Acked)),
			Look: takeLook("acknowledge each message when its work is committed"),
		}
	}
	// The broker cancels the consumers of a queue that is deleted, and closes their deliveries.
	s.broker.DeleteQueue(s.queue)
	select {
	case err = <-s.ended:
	case <-time.After(stepLimit()):
		err = nil
	}
	if err == nil {
		return &lab.Failure{
			Expected: "an error from a worker to which the broker delivers no more, so that it connects again", Seen: "none", Look: serveLook("return an error when the deliveries are closed"),
		}
	}
	if n := s.handled(rabbit.Parked); n > 0 {
		return &lab.Failure{
			Expected: "no message counted as parked when the deliveries are closed", Seen: fmt.Sprintf("%.0f", n),
			Look: serveLook("a closed channel gives an empty amqp.Delivery, which is no message: d, open := <-deliveries"),
		}
	}
	return nil
}

// sharesItsQueue has two workers at one queue, each at a message that waits for the other.
func (c *composed) sharesItsQueue(ctx context.Context) error {
	begun, finish := make(chan struct{}, 10), make(chan struct{})
	handle := func(context.Context, bytebites.Event) (bool, error) {
		begun <- struct{}{}
		<-finish
		return true, nil
	}
	s, err := c.shift(ctx, ledgerQueue, 1, handle)
	if err != nil {
		return err
	}
	defer s.close()
	defer close(finish)
	other := &shift{bench: s.bench, queue: s.queue}
	if err := other.serve(ctx, c.worker.Serve, 1, handle); err != nil {
		return err
	}
	if err := s.put(events(bytebites.TopicOrderPlaced, 4)...); err != nil {
		return err
	}
	both, err := until(ctx, func() bool { return len(begun) == 2 || len(s.ended)+len(other.ended) > 0 })
	if err != nil || both && len(begun) == 2 {
		return err
	}
	seen := fmt.Sprintf("%d at work", len(begun))
	look := declareLook("consumers of a queue share its messages: neither a single active consumer nor an exclusive one")
	for _, w := range []*shift{s, other} {
		select {
		case err := <-w.ended:
			seen, look = fmt.Sprintf("Serve has returned, error %v", err), serveLook("several workers consume a queue: not exclusive")
		default:
		}
	}
	return &lab.Failure{Expected: "two workers at work at once, with a prefetch of 1 and 4 messages in their queue", Seen: seen, Look: look}
}

// cannotBegin starts a worker whose queue is missing, and one whose connection has ended.
func (c *composed) cannotBegin(ctx context.Context) error {
	for _, missing := range []string{"queue", "connection"} {
		if err := c.beginsWithout(ctx, missing); err != nil {
			return err
		}
	}
	return nil
}

func (c *composed) beginsWithout(ctx context.Context, missing string) error {
	b, err := c.bench()
	if err != nil {
		return err
	}
	defer b.close()
	conn, err := b.connect(consuming)
	if err != nil {
		return err
	}
	other, err := b.connect(publishing)
	if err != nil {
		return err
	}
	if missing == "queue" {
		b.broker.DeleteQueue(ledgerQueue)
	} else if err := conn.Close(); err != nil {
		return fmt.Errorf("close the worker's connection: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	broker := roles.Broker{Conn: conn, Link: roles.NewLink(other, b.meter), Meter: b.meter, Logger: discard()}
	consumer := roles.Consumer{Queue: ledgerQueue, Prefetch: 2, Handle: func(context.Context, bytebites.Event) (bool, error) { return true, nil }}
	var served error
	err = guard(serveLook("return the errors of b.Conn.Channel and ch.Consume, so that the worker connects again"), func() error {
		served = c.worker.Serve(ctx, broker, consumer)
		return nil
	})
	if err == nil && served == nil {
		err = &lab.Failure{
			Expected: fmt.Sprintf("an error of Serve without a %s, so that the worker connects again", missing), Seen: "none",
			Look: serveLook("return the errors of b.Conn.Channel and ch.Consume"),
		}
	}
	return err
}

// countsOutcomes demands the metrics of messages that were done, done before, and retried.
func (c *composed) countsOutcomes(ctx context.Context) error {
	s, err := c.shift(ctx, ledgerQueue, 3, func(_ context.Context, event bytebites.Event) (bool, error) {
		switch event.Order {
		case "order-1", "order-4":
			return true, nil
		case "order-2":
			return false, nil
		default:
			return false, errDown
		}
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.put(events(bytebites.TopicOrderPlaced, 4)...); err != nil {
		return err
	}
	want := map[rabbit.Handling]float64{rabbit.Done: 2, rabbit.Duplicate: 1, rabbit.Retried: 1}
	count := s.handled
	_, err = within(ctx, 3*time.Second, func() bool {
		for outcome, n := range want {
			if count(outcome) != n {
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	for outcome, n := range want {
		if got := count(outcome); got != n {
			return &lab.Failure{
				Expected: fmt.Sprintf("%.0f messages counted as %s in bytebites_messages_handled_total", n, outcome), Seen: fmt.Sprintf("%.0f", got),
				Look: serveLook("count the outcome of each message by b.Meter.Handled"),
			}
		}
	}
	if _, err := within(ctx, time.Second, func() bool { return len(s.state().Unsettled) == 0 }); err != nil {
		return err
	}
	if n := len(s.state().Unsettled); n > 0 {
		return &lab.Failure{
			Expected: "each message settled, also one whose work was done before", Seen: fmt.Sprintf("%d still held", n), Look: takeLook("acknowledge a message whose handler returned false without an error"),
		}
	}
	if _, err := within(ctx, time.Second, func() bool {
		return s.counter("bytebites_message_age_seconds", map[string]string{"queue": ledgerQueue}) >= 2
	}); err != nil {
		return err
	}
	if n := s.counter("bytebites_message_age_seconds", map[string]string{"queue": ledgerQueue}); n < 2 || n > 3 {
		return &lab.Failure{
			Expected: "the ages of two messages that were done in bytebites_message_age_seconds", Seen: fmt.Sprintf("%.0f ages", n),
			Look: serveLook("after a success observe the age of the event by b.Meter.Age"),
		}
	}
	return nil
}
