package spec

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/retry"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/testbed/fakebroker"
	"bytebites.example/workshop/shared/workshop/lab"
)

// retries runs the subject's worker on messages that fail, and moves the broker's clock.
func (l *trial) retries(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	return together(ctx, c.parksAfterFiveTries, c.waitsForTheBusy, c.keepsTheCount, c.countsAllOtherErrors, c.triesTheRedelivered, c.parksTheUnreadable, c.waitsInItsOwnRoom, c.waitsThroughARestart)
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
		Look:     failedLook("publish the message to a retry queue, longer each time; after five tries park it"),
	}
}

// attempt is a worker of the subject at one message, with the calls of its handler.
type attempt struct {
	*shift
	tried
	event bytebites.Event
	body  []byte
}

// attempt starts a worker on a queue, whose handler gets the number of its call, and puts an event
// into the queue.
func (c *composed) attempt(ctx context.Context, queue string, order bytebites.OrderID, handle func(n int) (bool, error)) (*attempt, error) {
	event, body, err := one(queues()[queue], order)
	if err != nil {
		return nil, err
	}
	a := &attempt{event: event, body: body}
	a.shift, err = c.shift(ctx, queue, 3, roles.Handler(func(_ context.Context, event bytebites.Event) (bool, error) {
		return handle(a.call(event.Order))
	}))
	if err != nil {
		return nil, err
	}
	if err := a.put(event); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// fails is a handler that always fails.
func fails(int) (bool, error) { return false, errDown }

// await waits for the end of try n; see awaitTry.
func (a *attempt) await(ctx context.Context, n int) (wait time.Duration, isParked bool, err error) {
	return a.awaitTry(ctx, &a.tried, a.event.Order, n, a.body)
}

// parksAfterFiveTries lets a message fail until it is parked.
func (c *composed) parksAfterFiveTries(ctx context.Context) error {
	s, err := c.attempt(ctx, mailQueue, "order-1", fails)
	if err != nil {
		return err
	}
	defer s.close()
	var waits []time.Duration
	for n := 1; ; n++ {
		wait, isParked, err := s.await(ctx, n)
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
	if n := s.of(s.event.Order); n != maxTries || len(waits) != maxTries-1 || len(parked.Ready) != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("a message that always fails to wait in a queue after each of %d tries, and to be parked after the next", maxTries-1),
			Seen:     fmt.Sprintf("%d tries, %d waits, %d parked", n, len(waits), len(parked.Ready)),
			Look:     failedLook("rabbit.Retries has the count of earlier failures: 4 at the fifth failure, which parks"),
		}
	}
	if n := s.broker.Channels(publishing); n > maxChannels {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d channels open to put messages back", maxChannels), Seen: fmt.Sprintf("%d after %d messages", n, len(s.republished())),
			Look: failedLook("call w.put, which keeps its channel, and open none for each message"),
		}
	}
	for i, p := range s.republished() {
		if slices.Contains(p.Queues, mailQueue+parkedSuffix) {
			continue
		}
		if got := rabbit.Retries(p.Headers); got != 1+i {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s %d in a message that failed %d times", rabbit.RetriesHeader, 1+i, 1+i), Seen: fmt.Sprintf("%d", got),
				Look: failedLook("publish it with rabbit.RetriesHeader one higher"),
			}
		}
	}
	if !slices.IsSorted(waits) || waits[0] <= 0 || waits[len(waits)-1] <= waits[0] {
		return &lab.Failure{
			Expected: "a message that waits longer each time", Seen: fmt.Sprintf("waits of %v", waits), Look: failedLook("take the delays of retry.Delays in turn, and the last one again"),
		}
	}
	// Waiting queues of one's own may have other delays.
	given := retry.Delays()
	inTurn := append(slices.Clone(given), given[len(given)-1])
	ofOthers := slices.ContainsFunc(waits, func(wait time.Duration) bool { return !slices.Contains(given, wait) })
	if !ofOthers && !slices.Equal(waits, inTurn) {
		return &lab.Failure{
			Expected: fmt.Sprintf("the delays of retry.Delays in turn, and the last one again: %v", inTurn), Seen: fmt.Sprintf("%v", waits),
			Look: failedLook("rabbit.Retries is 0 at the first failure, and that is the index of the first delay"),
		}
	}
	ledger, _ := s.broker.Queue(ledgerQueue)
	if n := s.settled(fakebroker.Requeued); n > 0 || len(ledger.Ready) != 1 {
		return &lab.Failure{
			Expected: "a message that comes back to the queue that failed, and to no other, and that is never requeued",
			Seen:     fmt.Sprintf("requeued %d times, and %d messages in %s", n, len(ledger.Ready), ledgerQueue),
			Look:     declareLook("keep retry.Declare in Declare, and call w.put with w.Queue: a retry queue sends its dead letters to that queue"),
		}
	}
	return nil
}

// waitsForTheBusy lets a message find a server busy more often than it may fail, and then fail.
func (c *composed) waitsForTheBusy(ctx context.Context) error {
	s, err := c.attempt(ctx, recommendationQueue, "order-1", func(n int) (bool, error) {
		switch {
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
	var busy time.Duration // how long it waits for a busy server, before it has failed
	for n := 1; n < busyTries+maxTries; n++ {
		wait, isParked, err := s.await(ctx, n)
		if err != nil {
			return err
		}
		if isParked || wait <= 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("a message that waits, and is not parked, when it finds a server busy %d times and fails %d times after that", busyTries, maxTries-1),
				Seen:     fmt.Sprintf("parked %t after %d tries, wait %s", isParked, n, wait),
				Look:     failedLook("bytebites.ErrBusy is no failure of the message: do not count it"),
			}
		}
		if n == 1 {
			busy = wait
		}
		if wait > busy {
			return &lab.Failure{
				Expected: "the longest delay for a message that finds a server busy, also at its first try", Seen: fmt.Sprintf("%s, and %s after failure %d", busy, wait, n-busyTries),
				Look: failedLook("a busy server: wait for the longest delay, whatever the count is"),
			}
		}
		s.broker.Advance(wait)
	}
	done, err := until(ctx, func() bool { n, _ := s.copies(s.body); return n == 0 && s.of(s.event.Order) == busyTries+maxTries })
	if err != nil {
		return err
	}
	if !done {
		return &lab.Failure{
			Expected: "a message that is done and acknowledged at last", Seen: fmt.Sprintf("%d tries", s.of(s.event.Order)), Look: takeLook("acknowledge what is done"),
		}
	}
	return nil
}

// keepsTheCount lets a message fail as often as it may, then find a server busy, and then fail once more.
func (c *composed) keepsTheCount(ctx context.Context) error {
	const failures = maxTries - 1
	s, err := c.attempt(ctx, ledgerQueue, "order-1", func(n int) (bool, error) {
		if n > failures && n <= failures+busyTries {
			return false, fmt.Errorf("read order: %w", bytebites.ErrBusy)
		}
		return false, errDown
	})
	if err != nil {
		return err
	}
	defer s.close()
	var longest time.Duration
	for n := 1; n <= failures+busyTries; n++ {
		wait, isParked, err := s.await(ctx, n)
		if err != nil {
			return err
		}
		if isParked {
			hint := "look for bytebites.ErrBusy before you compare the count"
			if n <= failures {
				hint = "rabbit.Retries has the count of earlier failures: 4 at the fifth failure, which parks"
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("a message that waits, and is not parked, when it failed %d times and then finds a server busy", failures), Seen: fmt.Sprintf("parked after try %d", n),
				Look: failedLook(hint),
			}
		}
		if n > failures && wait < longest {
			return &lab.Failure{
				Expected: fmt.Sprintf("the longest delay, %s, for a message that finds a server busy", longest), Seen: wait.String(),
				Look: failedLook("wait for the longest delay after bytebites.ErrBusy"),
			}
		}
		longest = max(longest, wait)
		s.broker.Advance(wait)
	}
	_, isParked, err := s.await(ctx, failures+busyTries+1)
	if err == nil && !isParked {
		err = &lab.Failure{
			Expected: fmt.Sprintf("a message that failed %d times, found a server busy %d times and failed once more to be parked", failures, busyTries), Seen: "it is to be tried again",
			Look: failedLook("a busy server leaves the count as it is, and does not set it to 0"),
		}
	}
	return err
}

// countsAllOtherErrors lets messages fail with errors that are not ErrBusy.
func (c *composed) countsAllOtherErrors(ctx context.Context) error {
	var all []func(context.Context) error
	for _, fails := range []error{context.DeadlineExceeded, bytebites.ErrNotFound, bytebites.ErrConflict} {
		all = append(all, func(ctx context.Context) error { return c.countsTheError(ctx, fails) })
	}
	return together(ctx, all...)
}

func (c *composed) countsTheError(ctx context.Context, fails error) error {
	s, err := c.attempt(ctx, paymentQueue, "order-1", func(int) (bool, error) { return false, fmt.Errorf("handle event: %w", fails) })
	if err != nil {
		return err
	}
	defer s.close()
	_, isParked, err := s.await(ctx, 1)
	if err != nil {
		return err
	}
	counted := 0
	if put := s.republished(); len(put) > 0 {
		counted = rabbit.Retries(put[len(put)-1].Headers)
	}
	if isParked || counted != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("a first try that is counted, and tried again, when it fails with %q: %s 1", fails, rabbit.RetriesHeader), Seen: fmt.Sprintf("%d, parked %t", counted, isParked),
			Look: failedLook("three sorts of errors: bytebites.ErrBusy, errUnreadable, and all others, which count"),
		}
	}
	return nil
}

// triesTheRedelivered drops the connections of a worker at its first try, and lets the next one fail.
func (c *composed) triesTheRedelivered(ctx context.Context) error {
	begun, finish := make(chan struct{}, 1), make(chan struct{})
	s, err := c.attempt(ctx, ledgerQueue, "order-1", func(int) (bool, error) {
		begun <- struct{}{}
		<-finish
		return fails(1)
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer sync.OnceFunc(func() { close(finish) })()
	if _, err := until(ctx, func() bool { return len(begun) == 1 }); err != nil {
		return err
	}
	s.broker.Drop("")
	next := func(_ context.Context, event bytebites.Event) (bool, error) { return fails(s.call(event.Order)) }
	if err := s.serve(ctx, c.worker.Serve, 1, next); err != nil {
		return err
	}
	_, isParked, err := s.await(ctx, 2)
	if err == nil && isParked {
		err = &lab.Failure{
			Expected: "a message that failed once to be tried again, also when its first worker died at work", Seen: "it is parked",
			Look: failedLook("the broker sets Redelivered when a worker dies: the message has not failed"),
		}
	}
	if err != nil {
		return err
	}
	put := s.republished()
	if n := rabbit.Retries(put[len(put)-1].Headers); n != 1 {
		return &lab.Failure{
			Expected: rabbit.RetriesHeader + " 1 in a message that failed once, after its first worker died at work", Seen: fmt.Sprintf("%d", n),
			Look: failedLook("count by rabbit.Retries alone: the broker's x-delivery-count also counts workers that died"),
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
			Look: failedLook("return rabbit.Parked at once for errUnreadable: it cannot be read later either"),
		}
	}
	if _, err := within(ctx, time.Second, func() bool { return s.handled(rabbit.Parked) == float64(n) }); err != nil {
		return err
	}
	if counted := s.handled(rabbit.Parked); counted != float64(n) {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d messages counted as parked in bytebites_messages_handled_total", n), Seen: fmt.Sprintf("%.0f", counted),
			Look: failedLook("return rabbit.Parked"),
		}
	}
	return nil
}

// waitsInItsOwnRoom has a message that waits for its first retry behind one that waits for its last.
func (c *composed) waitsInItsOwnRoom(ctx context.Context) error {
	s, err := c.attempt(ctx, ledgerQueue, "order-old", fails)
	if err != nil {
		return err
	}
	defer s.close()
	fresh, freshBody, err := one(bytebites.TopicOrderPlaced, "order-new")
	if err != nil {
		return err
	}
	var first time.Duration
	for n := 1; n < maxTries; n++ {
		wait, isParked, err := s.await(ctx, n)
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
	if _, _, err := s.awaitTry(ctx, &s.tried, fresh.Order, 1, freshBody); err != nil {
		return err
	}
	s.broker.Advance(first)
	came, err := within(ctx, 3*time.Second, func() bool { return s.of(fresh.Order) == 2 })
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
	s, err := c.attempt(ctx, mailQueue, "order-1", fails)
	if err != nil {
		return err
	}
	defer s.close()
	s.broker.Publish("", mailQueue, amqp.Publishing{Body: []byte("not an event"), DeliveryMode: amqp.Persistent})
	if _, _, err := s.await(ctx, 1); err != nil {
		return err
	}
	if _, err := until(ctx, func() bool { q, _ := s.broker.Queue(mailQueue + parkedSuffix); return len(q.Ready) == 1 }); err != nil {
		return err
	}
	look := declareLook("which exchanges and bindings outlive the broker?")
	if put := s.republished(); len(put) > 0 && put[0].Key == string(s.event.Topic) {
		look = failedLook("put the message back for w.Queue: d.RoutingKey is the topic, and no queue's name")
	}
	s.broker.Restart()
	waiting, in := s.copies(s.body)
	parked, _ := s.broker.Queue(mailQueue + parkedSuffix)
	if waiting != 1 || len(parked.Ready) != 1 {
		return &lab.Failure{
			Expected: "a message that waits for its next try, and a parked one, after the broker has restarted", Seen: fmt.Sprintf("%d waiting in %v, %d parked", waiting, in, len(parked.Ready)),
			Look: declareLook("declare durable quorum queues, and publish persistent messages"),
		}
	}
	wait, _, ok := s.broker.NextExpiry()
	if !ok {
		return &lab.Failure{Expected: "a message that still expires after the broker has restarted", Seen: fmt.Sprintf("one in %v without a time to live", in), Look: declareLook("")}
	}
	s.broker.Advance(wait)
	if n, in := s.copies(s.body); n != 1 || in[0] != mailQueue {
		return &lab.Failure{
			Expected: "a message that is back in its queue when its time is up, after the broker has restarted", Seen: fmt.Sprintf("%d copies in %v", n, in),
			Look: look,
		}
	}
	return nil
}
