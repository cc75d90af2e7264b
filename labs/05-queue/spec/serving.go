package spec

import (
	"bytes"
	"context"
	"errors"
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
	return together(ctx, c.acksAfterTheWork, c.settlesOneByOne, c.putsBackWithConfirm, c.takesAsManyAsMayBe, c.countsOutcomes)
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
			Look: serveLook("is a message acknowledged before its work or after?"),
		}
	}
	return nil
}

// settlesOneByOne has two messages at work while one is done and one cannot be read.
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
	parked := func() int { q, _ := s.broker.Queue(ledgerQueue + parkedSuffix); return len(q.Ready) }
	if _, err := until(ctx, func() bool { return s.settled(fakebroker.Acked) > 0 && parked() > 0 }); err != nil {
		return err
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	if held := len(s.state().Unsettled); held != 2 || parked() != 1 {
		return &lab.Failure{
			Expected: "two messages that are held while they are at work, one acknowledged and one parked", Seen: fmt.Sprintf("%d held, %d acknowledged, %d parked", held, s.settled(fakebroker.Acked), parked()),
			Look: serveLook("settle each message alone: multiple settles all that came before it"),
		}
	}
	return nil
}

// ended is the failure of a worker that ended before it was told to.
func ended(err error) error {
	return &lab.Failure{
		Expected: "a worker that serves until it is told to stop", Seen: fmt.Sprintf("Serve has returned, error %v", err), Look: serveLook("what ended it?"),
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
			Look: serveLook("publish the message to a retry queue, wait for the confirm, and then acknowledge it"),
		}
	}
	if from := s.republished()[0].Connection; from != publishing {
		return &lab.Failure{
			Expected: "messages that are put back over b.Link", Seen: fmt.Sprintf("one over the connection %q", from),
			Look: serveLook("a broker that is short of memory stops reading from connections that publish"),
		}
	}
	if err := rig.Pause(ctx, 2*stillPause); err != nil {
		return err
	}
	if s.settled(fakebroker.Acked) > 0 || s.settled(fakebroker.Rejected) > 0 {
		return &lab.Failure{
			Expected: "a message that failed to stay unacknowledged while it is in no other queue", Seen: fmt.Sprintf("it is acknowledged, although the broker %s what the worker published", what),
			Look: serveLook("acknowledge when the message is safe in another queue: wait for the confirm"),
		}
	}
	if answer != fakebroker.Hold {
		s.broker.Drop("")
		if n, in := s.copies(body); n == 0 {
			return &lab.Failure{Expected: "the message in some queue", Seen: fmt.Sprintf("none, after the broker %s what the worker published (%v)", what, in), Look: serveLook("when is a message safe?")}
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
			Look:     serveLook("what does a worker do with the message that it has put back?"),
		}
	}
	return nil
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
			Look: serveLook("acknowledge each message when its work is committed"),
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
			Expected: "an error from a worker to which the broker delivers no more, so that it connects again", Seen: "none", Look: serveLook("what do you receive from deliveries that are closed?"),
		}
	}
	return nil
}

// countsOutcomes demands the metrics of messages that were done, done before, failed and unreadable.
func (c *composed) countsOutcomes(ctx context.Context) error {
	s, err := c.shift(ctx, ledgerQueue, 3, func(_ context.Context, event bytebites.Event) (bool, error) {
		switch event.Order {
		case "order-1":
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
	if err := s.put(events(bytebites.TopicOrderPlaced, 3)...); err != nil {
		return err
	}
	s.broker.Publish("", ledgerQueue, amqp.Publishing{Body: []byte("not an event")})
	want := map[rabbit.Handling]float64{rabbit.Done: 1, rabbit.Duplicate: 1, rabbit.Retried: 1, rabbit.Parked: 1}
	count := func(outcome rabbit.Handling) float64 {
		return s.counter("bytebites_messages_handled_total", map[string]string{"queue": ledgerQueue, "outcome": string(outcome)})
	}
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
				Expected: fmt.Sprintf("%.0f message counted as %s in bytebites_messages_handled_total", n, outcome), Seen: fmt.Sprintf("%.0f", got),
				Look: serveLook("count the outcome of each message by b.Meter.Handled"),
			}
		}
	}
	if _, err := within(ctx, time.Second, func() bool { return len(s.state().Unsettled) == 0 }); err != nil {
		return err
	}
	if n := len(s.state().Unsettled); n > 0 {
		return &lab.Failure{
			Expected: "each message settled, also one whose work was done before", Seen: fmt.Sprintf("%d still held", n), Look: serveLook("what does false without an error say?"),
		}
	}
	if _, err := within(ctx, time.Second, func() bool {
		return s.counter("bytebites_message_age_seconds", map[string]string{"queue": ledgerQueue}) > 0
	}); err != nil {
		return err
	}
	if n := s.counter("bytebites_message_age_seconds", map[string]string{"queue": ledgerQueue}); n < 1 || n > 2 {
		return &lab.Failure{
			Expected: "the age of a message that was done in bytebites_message_age_seconds", Seen: fmt.Sprintf("%.0f ages", n),
			Look: serveLook("after a success observe the age of the event by b.Meter.Age"),
		}
	}
	return nil
}

// retries runs the subject's worker on messages that fail, and moves the broker's clock.
func (l *trial) retries(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	return together(ctx, c.parksAfterFiveTries, c.waitsForTheBusy, c.parksTheUnreadable, c.waitsInItsOwnRoom, c.waitsThroughARestart)
}

// tried notes the calls of a handler.
type tried struct {
	mu    sync.Mutex
	calls map[bytebites.OrderID]int
}

func (t *tried) call(order bytebites.OrderID) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = make(map[bytebites.OrderID]int)
	}
	t.calls[order]++
	return t.calls[order]
}

func (t *tried) of(order bytebites.OrderID) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[order]
}

// all returns how often all messages together were handled.
func (t *tried) all() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, calls := range t.calls {
		n += calls
	}
	return n
}

// awaitTry waits until a message was tried n times and waits in a queue for its next try, or is
// parked. It returns how long it has to wait there.
func (s *shift) awaitTry(ctx context.Context, t *tried, order bytebites.OrderID, n int, body []byte) (wait time.Duration, isParked bool, err error) {
	return s.awaitTryFor(ctx, stepLimit(), t, order, n, body)
}

func (s *shift) awaitTryFor(ctx context.Context, limit time.Duration, t *tried, order bytebites.OrderID, n int, body []byte) (wait time.Duration, isParked bool, err error) {
	var lost time.Time // since when the message is in no queue
	settled := func() bool {
		copies, in := s.copies(body)
		switch {
		case copies > 0:
			lost = time.Time{}
		case lost.IsZero():
			lost = time.Now()
		case time.Since(lost) > lostAfter:
			return true
		}
		if t.of(order) < n || copies != 1 || in[0] == s.queue {
			return false
		}
		isParked = in[0] == s.queue+parkedSuffix
		var ok bool
		if wait, _, ok = s.broker.NextExpiry(); !ok {
			wait = 0
		}
		return isParked || ok
	}
	came, err := within(ctx, limit, settled)
	if err != nil || came && (lost.IsZero() || time.Since(lost) <= lostAfter) {
		return wait, isParked, err
	}
	select {
	case err := <-s.ended:
		return 0, false, ended(err)
	default:
	}
	copies, in := s.copies(body)
	return 0, false, &lab.Failure{
		Expected: fmt.Sprintf("a message that has failed %d times to wait in a retry queue with a time to live, or to be parked in %s", n, s.queue+parkedSuffix),
		Seen:     fmt.Sprintf("%d tries, %d copies in %v, requeued %d times", t.of(order), copies, in, s.settled(fakebroker.Requeued)),
		Look:     serveLook("publish the message to a retry queue, longer each time; after five tries park it"),
	}
}

// parksAfterFiveTries lets a message fail until it is parked.
func (c *composed) parksAfterFiveTries(ctx context.Context) error {
	var t tried
	event, body, err := one(bytebites.TopicOrderPlaced, "order-1")
	if err != nil {
		return err
	}
	s, err := c.shift(ctx, mailQueue, 3, func(_ context.Context, event bytebites.Event) (bool, error) {
		t.call(event.Order)
		return false, errDown
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.put(event); err != nil {
		return err
	}
	var waits []time.Duration
	for n := 1; ; n++ {
		wait, isParked, err := s.awaitTry(ctx, &t, event.Order, n, body)
		if err != nil {
			return err
		}
		if isParked || n > maxTries {
			break
		}
		waits = append(waits, wait)
		s.broker.Advance(wait)
	}
	parked, _ := s.broker.Queue(mailQueue + parkedSuffix)
	if n := t.of(event.Order); n != maxTries || len(waits) != maxTries-1 || len(parked.Ready) != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("a message that always fails to wait in a queue after each of %d tries, and to be parked after the next", maxTries-1),
			Seen:     fmt.Sprintf("%d tries, %d waits, %d parked", n, len(waits), len(parked.Ready)),
			Look:     serveLook("count the tries in rabbit.RetriesHeader"),
		}
	}
	if n := s.broker.Channels(publishing); n > maxChannels {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d channels open to put messages back", maxChannels), Seen: fmt.Sprintf("%d after %d messages", n, len(s.republished())),
			Look: serveLook("a channel is made to last; one that does not must be closed"),
		}
	}
	for i, p := range s.republished() {
		if slices.Contains(p.Queues, mailQueue+parkedSuffix) {
			continue
		}
		if got := rabbit.Retries(p.Headers); got != 1+i {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s %d in a message that failed %d times", rabbit.RetriesHeader, 1+i, 1+i), Seen: fmt.Sprintf("%d", got),
				Look: serveLook("publish it with rabbit.RetriesHeader one higher"),
			}
		}
	}
	if !slices.IsSorted(waits) || waits[0] <= 0 || waits[len(waits)-1] <= waits[0] {
		return &lab.Failure{
			Expected: "a message that waits longer each time", Seen: fmt.Sprintf("waits of %v", waits), Look: serveLook("which retry queue comes after the second try?"),
		}
	}
	ledger, _ := s.broker.Queue(ledgerQueue)
	if n := s.settled(fakebroker.Requeued); n > 0 || len(ledger.Ready) != 1 {
		return &lab.Failure{
			Expected: "a message that comes back to the queue that failed, and to no other, and that is never requeued",
			Seen:     fmt.Sprintf("requeued %d times, and %d messages in %s", n, len(ledger.Ready), ledgerQueue),
			Look:     declareLook("where do the dead letters of a retry queue go?"),
		}
	}
	return nil
}

// waitsForTheBusy lets a message find a server busy more often than it may fail, and then fail.
func (c *composed) waitsForTheBusy(ctx context.Context) error {
	var t tried
	event, body, err := one(bytebites.TopicRecommendationRequest, "order-1")
	if err != nil {
		return err
	}
	s, err := c.shift(ctx, recommendationQueue, 2, func(_ context.Context, event bytebites.Event) (bool, error) {
		switch n := t.call(event.Order); {
		case n <= busyTries:
			return false, fmt.Errorf("read order: %w", bytebites.ErrBusy)
		case n < busyTries+maxTries:
			return false, errDown
		default:
			return true, nil
		}
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.put(event); err != nil {
		return err
	}
	for n := 1; n < busyTries+maxTries; n++ {
		wait, isParked, err := s.awaitTry(ctx, &t, event.Order, n, body)
		if err != nil {
			return err
		}
		if isParked || wait <= 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("a message that waits, and is not parked, when it finds a server busy %d times and fails %d times after that", busyTries, maxTries-1),
				Seen:     fmt.Sprintf("parked %t after %d tries, wait %s", isParked, n, wait),
				Look:     serveLook("bytebites.ErrBusy is no failure of the message: do not count it"),
			}
		}
		s.broker.Advance(wait)
	}
	done, err := until(ctx, func() bool { n, _ := s.copies(body); return n == 0 && t.of(event.Order) == busyTries+maxTries })
	if err != nil {
		return err
	}
	if !done {
		return &lab.Failure{
			Expected: "a message that is done and acknowledged at last", Seen: fmt.Sprintf("%d tries", t.of(event.Order)), Look: serveLook("acknowledge what is done"),
		}
	}
	return nil
}

// parksTheUnreadable puts messages that are no events among others.
func (c *composed) parksTheUnreadable(ctx context.Context) error {
	var t tried
	s, err := c.shift(ctx, paymentQueue, 2, func(_ context.Context, event bytebites.Event) (bool, error) {
		t.call(event.Order)
		return true, nil
	})
	if err != nil {
		return err
	}
	defer s.close()
	for i, body := range unreadable() {
		s.broker.Publish("", paymentQueue, amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent})
		if err := s.put(eventOf(bytebites.TopicPaymentProcessed, bytebites.OrderID(fmt.Sprintf("order-%d", 1+i)))); err != nil {
			return err
		}
	}
	n := len(unreadable())
	parked := func() []string {
		q, _ := s.broker.Queue(paymentQueue + parkedSuffix)
		var bodies []string
		for _, m := range q.Ready {
			bodies = append(bodies, string(m.Body))
		}
		slices.Sort(bodies)
		return bodies
	}
	again := func() []fakebroker.Published {
		return slices.DeleteFunc(s.republished(), func(p fakebroker.Published) bool { return slices.Contains(p.Queues, paymentQueue+parkedSuffix) })
	}
	_, err = within(ctx, stepLimit()/2, func() bool {
		return len(parked()) == n && t.all() == n || len(again()) > 0 || s.settled(fakebroker.Requeued) > 0
	})
	if err != nil {
		return err
	}
	want := slices.Sorted(slices.Values(unreadable()))
	if !slices.Equal(parked(), want) || t.all() != n || len(again()) > 0 || s.settled(fakebroker.Requeued) > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d messages that cannot be read to be parked as they came, at once and by Nack without requeue, and %d others to be done", n, n),
			Seen: fmt.Sprintf("%d parked, %d done, %d published by the worker, %d requeued",
				len(parked()), t.all(), len(again()), s.settled(fakebroker.Requeued)),
			Look: serveLook("what cannot be read now cannot be read later"),
		}
	}
	return nil
}

// waitsInItsOwnRoom has a message that waits for its first retry behind one that waits for its last.
func (c *composed) waitsInItsOwnRoom(ctx context.Context) error {
	var t tried
	old, oldBody, err := one(bytebites.TopicOrderPlaced, "order-old")
	if err != nil {
		return err
	}
	fresh, freshBody, err := one(bytebites.TopicOrderPlaced, "order-new")
	if err != nil {
		return err
	}
	s, err := c.shift(ctx, ledgerQueue, 3, func(_ context.Context, event bytebites.Event) (bool, error) {
		t.call(event.Order)
		return false, errDown
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.put(old); err != nil {
		return err
	}
	var first time.Duration
	for n := 1; n < maxTries; n++ {
		wait, isParked, err := s.awaitTry(ctx, &t, old.Order, n, oldBody)
		if err != nil {
			return err
		}
		if isParked {
			return nil // the check of the tries reports it
		}
		if n == 1 {
			first = wait
		}
		if n < maxTries-1 {
			s.broker.Advance(wait)
		}
	}
	if err := s.put(fresh); err != nil {
		return err
	}
	if _, _, err := s.awaitTry(ctx, &t, fresh.Order, 1, freshBody); err != nil {
		return err
	}
	s.broker.Advance(first)
	came, err := within(ctx, 3*time.Second, func() bool { return t.of(fresh.Order) == 2 })
	if err != nil {
		return err
	}
	if !came {
		return &lab.Failure{
			Expected: fmt.Sprintf("the second try of a message after %s, while another message waits longer", first), Seen: "it waits behind the other one",
			Look: declareLook("messages expire at the head of their queue only: one queue for each delay"),
		}
	}
	return nil
}

// waitsThroughARestart restarts the broker while a message waits for its next try, and when one is
// parked.
func (c *composed) waitsThroughARestart(ctx context.Context) error {
	var t tried
	event, body, err := one(bytebites.TopicOrderPlaced, "order-1")
	if err != nil {
		return err
	}
	s, err := c.shift(ctx, mailQueue, 3, func(_ context.Context, event bytebites.Event) (bool, error) {
		t.call(event.Order)
		return false, errDown
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.put(event); err != nil {
		return err
	}
	s.broker.Publish("", mailQueue, amqp.Publishing{Body: []byte("not an event"), DeliveryMode: amqp.Persistent})
	if _, _, err := s.awaitTry(ctx, &t, event.Order, 1, body); err != nil {
		return err
	}
	if _, err := until(ctx, func() bool { q, _ := s.broker.Queue(mailQueue + parkedSuffix); return len(q.Ready) == 1 }); err != nil {
		return err
	}
	s.broker.Restart()
	waiting, in := s.copies(body)
	parked, _ := s.broker.Queue(mailQueue + parkedSuffix)
	if waiting != 1 || len(parked.Ready) != 1 {
		return &lab.Failure{
			Expected: "a message that waits for its next try, and a parked one, after the broker has restarted", Seen: fmt.Sprintf("%d waiting in %v, %d parked", waiting, in, len(parked.Ready)),
			Look: declareLook("which queues outlive the broker, and which messages in them?"),
		}
	}
	wait, _, ok := s.broker.NextExpiry()
	if !ok {
		return &lab.Failure{Expected: "a message that still expires after the broker has restarted", Seen: fmt.Sprintf("one in %v without a time to live", in), Look: declareLook("")}
	}
	s.broker.Advance(wait)
	if n, in := s.copies(body); n != 1 || in[0] != mailQueue {
		return &lab.Failure{
			Expected: "a message that is back in its queue when its time is up, after the broker has restarted", Seen: fmt.Sprintf("%d copies in %v", n, in),
			Look: declareLook("which exchanges and bindings outlive the broker?"),
		}
	}
	return nil
}

// stops tells the subject's worker to stop while it has messages in hand.
func (l *trial) stops(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	return together(ctx, c.finishesWhatItHolds, c.bindsItsHandlers)
}

// finishesWhatItHolds stops a worker with five messages in hand, of which one fails.
func (c *composed) finishesWhatItHolds(ctx context.Context) error {
	const prefetch, waiting = 5, 30
	begun, finish := make(chan struct{}, waiting), make(chan struct{})
	cut := make(chan error, waiting)
	s, err := c.shift(ctx, ledgerQueue, prefetch, func(ctx context.Context, event bytebites.Event) (bool, error) {
		begun <- struct{}{}
		<-finish
		if ctx.Err() != nil {
			cut <- context.Cause(ctx)
		}
		if event.Order == "order-1" {
			return false, errDown
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	defer s.close()
	release := sync.OnceFunc(func() { close(finish) })
	defer release()
	all := events(bytebites.TopicOrderPlaced, waiting)
	if err := s.put(all...); err != nil {
		return err
	}
	if _, err := until(ctx, func() bool { return len(begun) == prefetch }); err != nil {
		return err
	}
	s.stop()
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	select {
	case err := <-s.ended:
		return &lab.Failure{
			Expected: "a worker that is told to stop and first finishes the messages that it holds", Seen: fmt.Sprintf("Serve has returned, error %v", err),
			Look: serveLook("wait for the handlers before you return"),
		}
	default:
	}
	release()
	select {
	case err := <-s.ended:
		if err != nil {
			return &lab.Failure{Expected: "no error from a worker that was told to stop", Seen: err.Error(), Waited: lab.Late(err), Look: serveLook("what does Serve return when ctx has ended?")}
		}
	case <-time.After(settleTimeout):
		return &lab.Failure{
			Expected: fmt.Sprintf("a worker that ends within %s of the order to stop", settleTimeout), Seen: "it still runs", Look: serveLook("what ends the loop over the deliveries?"),
		}
	}
	s.broker.Drop("")
	if len(cut) > 0 {
		return &lab.Failure{
			Expected: "handlers whose context goes on when the worker is told to stop", Seen: (<-cut).Error(),
			Look: serveLook("give a handler a context that does not end with ctx"),
		}
	}
	if n := len(begun); n > 2*prefetch {
		return &lab.Failure{
			Expected: "no further message begun by a worker that is told to stop", Seen: fmt.Sprintf("%d more than the %d that it held", n-prefetch, prefetch),
			Look: serveLook("take no more messages: ch.Cancel"),
		}
	}
	lost := 0
	for _, event := range all {
		body, err := outbox.Encode(event)
		if err != nil {
			return err
		}
		if n, _ := s.copies(body); n == 0 {
			lost++
		}
	}
	if done := len(begun) - 1; lost > done || s.settled(fakebroker.Acked) < prefetch-1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("the messages that a worker finished to be acknowledged, and all others back in their queue: %d of %d", waiting-done, waiting),
			Seen:     fmt.Sprintf("%d acknowledged, and %d in no queue, one of which had failed", s.settled(fakebroker.Acked), lost),
			Look:     serveLook("what was delivered and not begun goes back when the channel is closed"),
		}
	}
	return nil
}

// bindsItsHandlers demands that the context of a handler ends some time.
func (c *composed) bindsItsHandlers(ctx context.Context) error {
	ends := make(chan error, 1)
	s, err := c.shift(ctx, ledgerQueue, 1, func(ctx context.Context, _ bytebites.Event) (bool, error) {
		deadline, ok := ctx.Deadline()
		if ok && time.Until(deadline) <= settleTimeout {
			ends <- nil
			return true, nil
		}
		select {
		case <-ctx.Done():
			ends <- nil
		case <-time.After(settleTimeout):
			ends <- errors.New("it goes on")
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.put(events(bytebites.TopicOrderPlaced, 1)...); err != nil {
		return err
	}
	select {
	case err := <-ends:
		if err != nil {
			return &lab.Failure{
				Expected: fmt.Sprintf("a handler's context that ends within %s", settleTimeout), Seen: err.Error(), Waited: lab.Late(err),
				Look: serveLook("a context that does not end with ctx, but has a limit"),
			}
		}
		return nil
	case err := <-s.ended:
		return ended(err)
	case <-time.After(2 * settleTimeout):
		return &lab.Failure{Expected: "a message that is handled", Seen: "none", Look: serveLook("")}
	}
}
