package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/testbed/fakebroker"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// tapQueue is a queue that the subject does not know.
	tapQueue = "check_tap"
	// batchSize is how many events the check hands to a publisher at a time, and maxChannels how many
	// channels it may have open after some batches.
	batchSize   = 4
	maxChannels = 3
	// minWindow is how many events of a batch of 200 a publisher must send before it waits for a
	// confirm.
	minWindow = 20
	// hurriedTimeout ends the context of a batch that the broker does not answer. publishBound is how
	// soon Publish must return: a publisher may use a time limit of its own, and no batch may take
	// longer than the ten seconds that the relay gives it.
	hurriedTimeout = time.Second
	publishBound   = 10 * time.Second
)

func publisherLook(hint string) lab.Look {
	return lab.Look{File: "publisher.go", Func: "NewPublisher", Hint: hint}
}

// press is a publisher of the subject at a fake broker that has only an exchange and a tap.
type press struct {
	*bench
	conn    *amqp.Connection
	link    *roles.Link
	publish roles.Publish
}

func (c *composed) press(tapped bool) (*press, error) {
	b, err := newBench()
	if err != nil {
		return nil, err
	}
	b.broker.DeclareExchange(exchange, "topic")
	if tapped {
		b.broker.Bind(tapQueue, "#", exchange)
	}
	return c.pressAt(b)
}

// pressAt starts the publisher at the broker of a bench, and closes the bench if that fails.
func (c *composed) pressAt(b *bench) (*press, error) {
	conn, err := b.connect("relay")
	if err != nil {
		b.close()
		return nil, err
	}
	p := &press{bench: b, conn: conn, link: roles.NewLink(conn, b.meter)}
	err = guard(publisherLook(""), func() error {
		p.publish = c.relay.NewPublish(p.link, b.meter)
		return nil
	})
	if err != nil {
		b.close()
		return nil, err
	}
	return p, nil
}

// sent is what a call of Publish returned.
type sent struct {
	confirmed []bytebites.EventID
	err       error
	panicked  error // what guard returned
}

// send calls Publish in the background.
func (p *press) send(ctx context.Context, events []bytebites.Event) <-chan sent {
	out := make(chan sent, 1)
	go func() {
		var s sent
		s.panicked = guardFor(publishBound, publisherLook("wait by WaitContext with the context of Publish; use ch.Confirm(false); call ch.NotifyReturn once for each channel, with room for a batch"), func() error {
			s.confirmed, s.err = p.publish(ctx, events)
			return nil
		})
		if s.panicked != nil {
			s = sent{panicked: s.panicked}
		}
		out <- s
	}()
	return out
}

func idsOfEvents(events []bytebites.Event) []bytebites.EventID {
	ids := make([]bytebites.EventID, len(events))
	for i, event := range events {
		ids[i] = event.ID
	}
	return ids
}

// same reports whether two lists have the same ids, in any order.
func same(a, b []bytebites.EventID) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// publishes runs the subject's publisher at fake brokers that store, refuse, return and lose events.
func (l *trial) publishes(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	if err := c.sendsTheBatch(ctx); err != nil { // the mistake that loses most events is reported first
		return err
	}
	return together(ctx,
		c.storesEvents, c.keepsRefused, c.keepsReturned, c.keepsUnanswered, c.keepsOfALostConnection,
		c.keepsOfAClosedChannel, c.keepsWithoutAConnection, c.waitsWhileBlocked)
}

// together runs scenarios side by side, because most of their time is waiting. It returns the first
// error, which ends the others.
func together(ctx context.Context, scenarios ...func(context.Context) error) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, scenario := range scenarios {
		all.Go(func() error { return scenario(ctx) })
	}
	return all.Wait()
}

// storesEvents publishes events of all topics, and restarts the broker.
func (c *composed) storesEvents(ctx context.Context) error {
	p, err := c.press(true)
	if err != nil {
		return err
	}
	defer p.close()
	var all []bytebites.Event
	for _, topic := range bytebites.Topics() {
		all = append(all, events(topic, 10)...)
	}
	for batch := range slices.Chunk(all, batchSize) { // one publisher, several batches
		s := <-p.send(ctx, batch)
		if s.panicked != nil {
			return s.panicked
		}
		if s.err != nil || !same(s.confirmed, idsOfEvents(batch)) {
			return &lab.Failure{
				Expected: fmt.Sprintf("the ids of all %d events, which the broker has confirmed", len(batch)),
				Seen:     fmt.Sprintf("%d ids, error %v", len(s.confirmed), s.err),
				Look:     publisherLook("return the ids that the broker has confirmed"),
			}
		}
	}
	q, _ := p.broker.Queue(tapQueue)
	got := make(map[bytebites.EventID]bool)
	for _, m := range q.Ready {
		event, err := outbox.Decode(m.Body)
		if err != nil || m.Key != string(event.Topic) {
			return &lab.Failure{
				Expected: "messages with a body of outbox.Encode, under the topic as routing key",
				Seen:     fmt.Sprintf("routing key %q, body %.60q", m.Key, m.Body), Look: publisherLook("publish what messageOf returns, under the topic of the event"),
			}
		}
		got[event.ID] = true
	}
	if len(got) != len(all) || len(q.Ready) != len(all) {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d events in a queue that is bound to #, when Publish has returned their ids", len(all)), Seen: fmt.Sprintf("%d messages, of %d events", len(q.Ready), len(got)),
			Look: publisherLook("publish each event once, and return its id only when it is confirmed and not returned"),
		}
	}
	if n := p.broker.Channels("relay"); n > maxChannels {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d channels open after %d batches", maxChannels, (len(all)+batchSize-1)/batchSize), Seen: fmt.Sprintf("%d", n),
			Look: publisherLook("open the channel once and keep it between calls"),
		}
	}
	p.broker.Restart()
	p.broker.Advance(longAway)
	if q, _ = p.broker.Queue(tapQueue); len(q.Ready) != len(all) {
		return &lab.Failure{
			Expected: "confirmed events in a durable queue after the broker has restarted", Seen: fmt.Sprintf("%d of %d", len(q.Ready), len(all)),
			Look: lab.Look{File: "publisher.go", Func: "messageOf", Hint: "set DeliveryMode to amqp.Persistent: by default a message dies with the broker"},
		}
	}
	return wantCounted(p.bench, map[rabbit.Delivery]int{rabbit.Confirmed: len(all), rabbit.Nacked: 0, rabbit.Returned: 0})
}

// wantCounted demands the numbers of events in the metrics.
func wantCounted(b *bench, want map[rabbit.Delivery]int) error {
	for outcome, n := range want {
		if got := b.counter("bytebites_events_published_total", map[string]string{"outcome": string(outcome)}); got != float64(n) {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d events counted as %s in bytebites_events_published_total", n, outcome), Seen: fmt.Sprintf("%.0f", got),
				Look: publisherLook("count the outcome of each event by meter.Published"),
			}
		}
	}
	return nil
}

// sendsTheBatch holds all confirms back until enough of a batch has come.
func (c *composed) sendsTheBatch(ctx context.Context) error {
	p, err := c.press(true)
	if err != nil {
		return err
	}
	defer p.close()
	p.broker.OnPublish(func(fakebroker.Published) fakebroker.Answer { return fakebroker.Hold })
	batch := events(bytebites.TopicOrderPlaced, roles.Batch)
	out := p.send(ctx, batch)
	came := func() int { return len(p.broker.Published()) }
	last, since := 0, time.Now()
	quiet := func() bool { // no more has come for a while
		if n := came(); n != last {
			last, since = n, time.Now()
		}
		return last == roles.Batch || time.Since(since) > 2*stillPause && (last >= minWindow || time.Since(since) > 10*stillPause)
	}
	if _, err := until(ctx, quiet); err != nil {
		return err
	}
	if n := came(); n < minWindow {
		seen, look := fmt.Sprintf("%d of them, while no confirm came", n), publisherLook("send the whole batch, then wait")
		select {
		case s := <-out:
			if s.panicked != nil {
				return s.panicked
			}
			if s.err != nil {
				seen, look = fmt.Sprintf("%s, error %v", seen, s.err), publisherLook("does the broker know the options of the publish? RabbitMQ has no immediate messages")
			}
		default:
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("a batch of %d events that is sent before the first confirm is waited for", roles.Batch), Seen: seen, Look: look,
		}
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	select {
	case s := <-out:
		if s.panicked != nil {
			return s.panicked
		}
		if s.err == nil || len(s.confirmed) > 0 {
			return unconfirmedReturned(s, "the broker had confirmed none")
		}
		return &lab.Failure{
			Expected: "a publisher that waits for the broker's confirms", Seen: "error " + s.err.Error(), Look: publisherLook("wait for each confirm by WaitContext(ctx) and set no shorter limit"),
		}
	default:
	}
	p.broker.OnPublish(nil)
	p.broker.Release()
	s := <-out
	if s.panicked != nil {
		return s.panicked
	}
	if s.err != nil || !same(s.confirmed, idsOfEvents(batch)) {
		return &lab.Failure{
			Expected: fmt.Sprintf("the ids of all %d events, when the broker has confirmed them", len(batch)),
			Seen:     fmt.Sprintf("%d ids, error %v", len(s.confirmed), s.err), Look: publisherLook("call WaitContext of every confirmation of the batch"),
		}
	}
	return nil
}

func unconfirmedReturned(s sent, because string) error {
	return &lab.Failure{
		Expected: "only ids of events that the broker has confirmed", Seen: fmt.Sprintf("%d more ids, and %s", len(s.confirmed), because),
		Look: publisherLook("a publish without an error is not a confirm: return an id when WaitContext says true"),
	}
}

// within waits at most d until so returns true.
func within(ctx context.Context, d time.Duration, so func() bool) (bool, error) {
	for deadline := time.Now().Add(d); !so(); {
		if time.Now().After(deadline) {
			return false, nil
		}
		if err := rig.Pause(ctx, lookInterval); err != nil {
			return false, err
		}
	}
	return true, nil
}

// keepsRefused has the broker refuse some events, in two batches.
func (c *composed) keepsRefused(ctx context.Context) error {
	p, err := c.press(true)
	if err != nil {
		return err
	}
	defer p.close()
	n := 0
	p.broker.OnPublish(func(fakebroker.Published) fakebroker.Answer {
		if n++; n%3 == 0 {
			return fakebroker.Refuse
		}
		return fakebroker.Store
	})
	batch := events(bytebites.TopicOrderPlaced, 30)
	for range 2 {
		s := <-p.send(ctx, batch)
		if s.panicked != nil {
			return s.panicked
		}
		var want []bytebites.EventID
		for i, event := range batch {
			if (i+1)%3 != 0 {
				want = append(want, event.ID)
			}
		}
		if !same(s.confirmed, want) {
			return &lab.Failure{
				Expected: fmt.Sprintf("the ids of the %d events that the broker has stored", len(want)),
				Seen:     fmt.Sprintf("%d ids, error %v, when it refused every third event", len(s.confirmed), s.err),
				Look:     publisherLook("a nack is no error: leave out the ids of refused events, return the others, and keep the channel"),
			}
		}
		if s.err != nil {
			return &lab.Failure{
				Expected: "no error when the broker refuses an event: the connection can still be used", Seen: s.err.Error(),
				Look: publisherLook("a nack is no error: its event stays in the outbox. If WaitContext returns false, only ch.IsClosed() tells a nack from a closed channel"),
			}
		}
	}
	return wantCounted(p.bench, map[rabbit.Delivery]int{rabbit.Confirmed: 40, rabbit.Nacked: 20})
}

// keepsReturned publishes whole batches that no queue takes, and one batch that is taken in part. At last
// a queue takes what was returned before.
func (c *composed) keepsReturned(ctx context.Context) error {
	p, err := c.press(false)
	if err != nil {
		return err
	}
	defer p.close()
	p.broker.Bind(tapQueue, string(bytebites.TopicOrderPlaced), exchange)
	nowhere := events(bytebites.TopicRecommendationRequest, roles.Batch)
	some := slices.Concat(nowhere[:10], events(bytebites.TopicOrderPlaced, 20), nowhere[10:20])
	taken := []bytebites.Topic{bytebites.TopicOrderPlaced}
	batches := [][]bytebites.Event{nowhere, some, nowhere, nowhere}
	for i, batch := range batches {
		if i == len(batches)-1 {
			p.broker.Bind(tapQueue, string(bytebites.TopicRecommendationRequest), exchange)
			taken = append(taken, bytebites.TopicRecommendationRequest)
		}
		s := <-p.send(ctx, batch)
		if s.panicked != nil {
			return s.panicked
		}
		var want []bytebites.EventID
		for _, event := range batch {
			if slices.Contains(taken, event.Topic) {
				want = append(want, event.ID)
			}
		}
		if s.err != nil || !same(s.confirmed, want) {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d ids and no error for a batch of %d events, of which %d have a queue", len(want), len(batch), len(want)),
				Seen:     fmt.Sprintf("%d ids, error %v", len(s.confirmed), s.err),
				Look:     publisherLook("publish as mandatory, and leave out the ids of returned messages: the broker returns a message that no queue takes, and then confirms it"),
			}
		}
	}
	return wantCounted(p.bench, map[rabbit.Delivery]int{rabbit.Confirmed: 20 + roles.Batch, rabbit.Returned: 2*roles.Batch + 20})
}

// keepsUnanswered has the broker lose all events after the first few.
func (c *composed) keepsUnanswered(ctx context.Context) error {
	p, err := c.press(true)
	if err != nil {
		return err
	}
	defer p.close()
	n := 0
	p.broker.OnPublish(func(fakebroker.Published) fakebroker.Answer {
		if n++; n > 5 {
			return fakebroker.Lose
		}
		return fakebroker.Store
	})
	hurried, cancel := context.WithTimeout(ctx, hurriedTimeout)
	defer cancel()
	batch := events(bytebites.TopicOrderPlaced, 20)
	return wantKept(<-p.send(hurried, batch), batch[5:], "the broker has answered nothing")
}

// wantKept demands an error, and none of the ids of events that were lost.
func wantKept(s sent, lost []bytebites.Event, because string) error {
	if s.panicked != nil {
		return s.panicked
	}
	for _, event := range lost {
		if slices.Contains(s.confirmed, event.ID) {
			return unconfirmedReturned(s, because)
		}
	}
	if s.err == nil {
		return &lab.Failure{
			Expected: "an error from Publish, so that the relay connects again", Seen: "no error, although " + because,
			Look: publisherLook("return the error of WaitContext. If it returns false and no error, ask ch.IsClosed(): then the channel has ended, and that is no nack"),
		}
	}
	return nil
}

// keepsOfALostConnection cuts the connection while the confirms of a batch are on their way.
func (c *composed) keepsOfALostConnection(ctx context.Context) error {
	p, err := c.press(true)
	if err != nil {
		return err
	}
	defer p.close()
	p.broker.OnPublish(func(fakebroker.Published) fakebroker.Answer { return fakebroker.Hold })
	batch := events(bytebites.TopicOrderPlaced, 20)
	out := p.send(ctx, batch)
	if _, err := within(ctx, 3*time.Second, func() bool { return len(p.broker.Published()) == len(batch) }); err != nil {
		return err
	}
	p.broker.Drop("relay")
	return wantKept(<-out, batch, "the connection was lost before the broker confirmed")
}

// keepsOfAClosedChannel has the broker close the channel, because the exchange is gone.
func (c *composed) keepsOfAClosedChannel(ctx context.Context) error {
	b, err := newBench()
	if err != nil {
		return err
	}
	p, err := c.pressAt(b)
	if err != nil {
		return err
	}
	defer p.close()
	batch := events(bytebites.TopicOrderPlaced, 20)
	return wantKept(<-p.send(ctx, batch), batch, "the broker closed the channel")
}

// keepsWithoutAConnection cuts the connection before the first batch, and before the second.
func (c *composed) keepsWithoutAConnection(ctx context.Context) error {
	for earlier := range 2 {
		if err := c.keepsAfter(ctx, earlier); err != nil {
			return err
		}
	}
	return nil
}

// keepsAfter publishes some batches, and then one over the connection that was cut.
func (c *composed) keepsAfter(ctx context.Context, earlier int) error {
	p, err := c.press(true)
	if err != nil {
		return err
	}
	defer p.close()
	batch := events(bytebites.TopicOrderPlaced, 20)
	for range earlier {
		if s := <-p.send(ctx, batch); s.panicked != nil || s.err != nil {
			return errors.Join(s.panicked, failed(s.err, "events that are published", publisherLook("see the error of the call above")))
		}
	}
	p.broker.Drop("relay")
	if _, err := until(ctx, p.conn.IsClosed); err != nil {
		return err
	}
	return wantKept(<-p.send(ctx, batch), batch, "the connection was lost before the batch")
}

// waitsWhileBlocked has the broker block the link while one batch is under way, and before another.
func (c *composed) waitsWhileBlocked(ctx context.Context) error {
	p, err := c.press(true)
	if err != nil {
		return err
	}
	defer p.close()
	other := &press{bench: p.bench, link: p.link, publish: c.relay.NewPublish(p.link, p.meter)}
	for i, each := range []*press{p, other} { // both have published before
		if s := <-each.send(ctx, events(bytebites.TopicPaymentProcessed, 1+i)); s.panicked != nil || s.err != nil {
			return errors.Join(s.panicked, failed(s.err, "an event that is published", publisherLook("see the error of the call above")))
		}
	}
	p.broker.Block()
	first := events(bytebites.TopicRecommendationRequest, 10)
	out := p.send(ctx, first)
	told, err := until(ctx, p.link.Blocked)
	if err != nil {
		return err
	}
	if !told {
		return &lab.Failure{Expected: "a batch that is sent to the broker", Seen: "nothing sent", Look: publisherLook("publish each event of the batch")}
	}
	// The broker reads nothing from this connection now.
	hurried, cancel := context.WithTimeout(ctx, hurriedTimeout)
	defer cancel()
	s := <-other.send(hurried, events(bytebites.TopicOrderPlaced, 10))
	if s.panicked != nil {
		return s.panicked
	}
	if len(s.confirmed) > 0 {
		return unconfirmedReturned(s, "the broker took no messages")
	}
	p.broker.Unblock()
	s = <-out
	if s.panicked != nil {
		return s.panicked
	}
	if s.err != nil || !same(s.confirmed, idsOfEvents(first)) {
		return &lab.Failure{
			Expected: "events that were under way when the broker blocked the link, confirmed when it takes messages again",
			Seen:     fmt.Sprintf("%d of %d ids, error %v", len(s.confirmed), len(first), s.err),
			Look:     publisherLook("a broker that blocks the link slows its publishers down, and loses nothing: go on waiting by WaitContext(ctx)"),
		}
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	for _, m := range p.broker.Published() {
		if m.Key == string(bytebites.TopicOrderPlaced) {
			return &lab.Failure{
				Expected: "no message that is sent to a broker that has blocked the link", Seen: "messages of a batch that began while the link was blocked",
				Look: publisherLook("wait by link.Ready before each batch"),
			}
		}
	}
	return nil
}
