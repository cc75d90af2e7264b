package spec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// replayedEvents are in the log for the queue that is replayed. They are more than any prefetch.
	replayedEvents = 300
	// quietPause is how long the log delivers nothing in the middle of a replay.
	quietPause = 2 * time.Second
	// writeInterval is how often other programs write to the log during a replay.
	writeInterval = 3 * time.Millisecond
)

func replayLook(hint string) lab.Look {
	return lab.Look{File: "stretch_replay.go", Func: "Replay", Hint: hint}
}

// replayed is a replay of the subject at a fake broker.
type replayed struct {
	*bench
	run  func(context.Context, roles.Handler) <-chan error
	mu   sync.Mutex
	seen map[bytebites.EventID]int
}

// library returns a fake broker with the subject's topology and a log of all topics.
func (c *composed) library() (*replayed, error) {
	b, err := c.bench()
	if err != nil {
		return nil, err
	}
	r := &replayed{bench: b, seen: make(map[bytebites.EventID]int)}
	if err := r.fill(c); err != nil {
		b.close()
		return nil, err
	}
	return r, nil
}

func (r *replayed) fill(c *composed) error {
	for i := range replayedEvents {
		order := bytebites.OrderID(fmt.Sprintf("order-%d", i))
		if err := r.put(eventOf(bytebites.TopicOrderPlaced, order), eventOf(bytebites.TopicRecommendationRequest, order)); err != nil {
			return err
		}
		if i%50 == 0 { // of programs of old, of other replays, and of nobody
			r.broker.Publish(exchange, string(bytebites.TopicOrderPlaced), amqp.Publishing{Body: []byte("not an event")})
			r.broker.Publish("", logQueue, amqp.Publishing{MessageId: fmt.Sprintf("replay:%d", i)})
		}
	}
	conn, err := r.connect("replay")
	if err != nil {
		return err
	}
	other, err := r.connect("replay, publishing")
	if err != nil {
		return err
	}
	broker := roles.Broker{Conn: conn, Link: roles.NewLink(other, r.meter), Meter: r.meter, Logger: discard()}
	r.run = func(ctx context.Context, handle roles.Handler) <-chan error {
		ended := make(chan error, 1)
		go func() {
			ended <- c.replay.Replay(ctx, broker, roles.Consumer{Queue: ledgerQueue, Prefetch: 5, Handle: func(ctx context.Context, event bytebites.Event) (bool, error) {
				first, err := handle(ctx, event)
				r.mu.Lock()
				defer r.mu.Unlock()
				r.seen[event.ID]++ // when it is done, because a replay must wait for that
				return first, err
			}})
		}()
		return ended
	}
	return nil
}

// count returns how many events of the topic were handled, and how many were handled twice or are of
// another topic.
func (r *replayed) count() (right, twice, wrong int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make(map[bytebites.EventID]bool)
	for i := range replayedEvents {
		known[eventOf(bytebites.TopicOrderPlaced, bytebites.OrderID(fmt.Sprintf("order-%d", i))).ID] = true
	}
	for id, n := range r.seen {
		switch {
		case known[id]:
			right++
		case len(id) > 5 && string(id[len(id)-5:]) == "later":
		default:
			wrong++
		}
		if n > 1 {
			twice++
		}
	}
	return right, twice, wrong
}

// errStuck says that a replay neither ends nor handles another event that was in the log.
var errStuck = errors.New("it still runs")

// goesOn waits for the end of a replay, and returns what the replay has returned. The error is errStuck
// when the replay has handled none of the events that were in the log for a time.
func (r *replayed) goesOn(ctx context.Context, ended <-chan error, quiet time.Duration) (result, err error) {
	last, since := -1, time.Now()
	for {
		select {
		case result := <-ended:
			return result, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lookInterval):
		}
		if right, _, _ := r.count(); right != last {
			last, since = right, time.Now()
		}
		if time.Since(since) > quiet {
			return nil, errStuck
		}
	}
}

// replaysTheLog runs the subject's replay at fake brokers.
func (l *trial) replaysTheLog(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	return together(ctx, c.replaysAll, c.replaysPastFailures, c.stopsAReplay)
}

// replaysAll replays while others write to the log, and while the log is quiet for a while.
func (c *composed) replaysAll(ctx context.Context) error {
	r, err := c.library()
	if err != nil {
		return err
	}
	defer r.close()
	depth := func() int { q, _ := r.broker.Queue(recommendationQueue); return len(q.Ready) }
	before := depth()
	r.broker.Pause(logQueue, replayedEvents/2)
	writing, stop := context.WithCancel(ctx)
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	writers.Go(func() {
		for i := 0; writing.Err() == nil; i++ {
			event := eventOf(bytebites.TopicOrderPlaced, bytebites.OrderID(fmt.Sprintf("order-%d-later", i)))
			if err := r.put(event); err != nil {
				return
			}
			select {
			case <-writing.Done():
			case <-time.After(writeInterval):
			}
		}
	})
	ended := r.run(ctx, func(ctx context.Context, _ bytebites.Event) (bool, error) { return true, rig.Pause(ctx, lookInterval) })
	ends, err := r.goesOn(ctx, ended, quietPause)
	switch {
	case err == nil:
		right, _, _ := r.count()
		return &lab.Failure{
			Expected: fmt.Sprintf("a replay that waits while the log delivers nothing for %s", quietPause), Seen: fmt.Sprintf("it has ended after %d of %d events, error %v", right, replayedEvents, ends),
			Look: replayLook("a quiet log is not the end of it: how do you know that you have caught up?"),
		}
	case !errors.Is(err, errStuck):
		return err
	}
	r.broker.Resume(logQueue)
	ends, err = r.goesOn(ctx, ended, stepLimit())
	if errors.Is(err, errStuck) {
		right, _, _ := r.count()
		return &lab.Failure{
			Expected: "a replay that ends at the event that was the last when it began, while others write to the log", Seen: fmt.Sprintf("it still runs, %d of %d events handled", right, replayedEvents),
			Look: replayLook("publish a mark to the stream first, and end when you meet it"),
		}
	}
	if err != nil {
		return err
	}
	err = ends
	stop()
	writers.Wait()
	right, twice, wrong := r.count()
	if err != nil || right != replayedEvents || twice > 0 || wrong > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d events of the queue's topic, each once, and no error for messages that cannot be read", replayedEvents),
			Seen:     fmt.Sprintf("%d events, %d of them twice, %d of other topics, error %v", right, twice, wrong, err),
			Look:     replayLook("read from the first event, and handle those that the consumer's queue would get"),
		}
	}
	if n := depth(); n != before {
		return &lab.Failure{
			Expected: "no message in another queue", Seen: fmt.Sprintf("%d more in %s", n-before, recommendationQueue), Look: replayLook("publish the mark by the default exchange under the key events, so that only the stream gets it"),
		}
	}
	return nil
}

// replaysPastFailures lets some events fail.
func (c *composed) replaysPastFailures(ctx context.Context) error {
	r, err := c.library()
	if err != nil {
		return err
	}
	defer r.close()
	n := 0
	ended := r.run(ctx, func(context.Context, bytebites.Event) (bool, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if n++; n == 10 {
			return false, errDown
		}
		return n%2 == 0, nil
	})
	select {
	case err = <-ended:
	case <-time.After(stepLimit()):
		err = errors.New("it still runs")
		return &lab.Failure{Expected: "a replay that ends", Seen: err.Error(), Waited: lab.Late(err), Look: replayLook("go on after an event that fails, and return its error at the end")}
	}
	if right, _, _ := r.count(); err == nil || right != replayedEvents {
		return &lab.Failure{
			Expected: "an error from a replay of which one event failed, when all others are handled", Seen: fmt.Sprintf("error %v, %d of %d events handled", err, right, replayedEvents),
			Look: replayLook("an event that fails must not be lost a second time, and must not keep the others from being replayed"),
		}
	}
	return nil
}

// stopsAReplay tells a replay to stop.
func (c *composed) stopsAReplay(ctx context.Context) error {
	r, err := c.library()
	if err != nil {
		return err
	}
	defer r.close()
	r.broker.Pause(logQueue, replayedEvents/2)
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	ended := r.run(stopping, func(context.Context, bytebites.Event) (bool, error) { return true, nil })
	if _, err := until(ctx, func() bool { right, _, _ := r.count(); return right > 0 }); err != nil {
		return err
	}
	stop()
	select {
	case <-ended: //nolint:errcheck // it was told to stop, so its error does not matter
		return nil
	case <-time.After(settleTimeout):
		return &lab.Failure{
			Expected: fmt.Sprintf("a replay that ends within %s when it is told to stop", settleTimeout), Seen: "it still runs", Look: replayLook("wait for ctx too"),
		}
	}
}
