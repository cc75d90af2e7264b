package spec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/testbed/fakebroker"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

func callLook(hint string) lab.Look {
	return lab.Look{File: "consumers.go", Func: "worker.call", Hint: hint}
}

// stops tells the subject's worker to stop while it has messages in hand.
func (l *trial) stops(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	return together(ctx, c.finishesWhatItHolds, c.bindsItsHandlers, c.stopsWhileBlocked, c.givesBackWhatItHasNotBegun)
}

// finishesWhatItHolds stops a worker that holds five messages. One of them fails.
func (c *composed) finishesWhatItHolds(ctx context.Context) error {
	const prefetch, waiting = 5, 30
	begun, finish, early := make(chan struct{}, waiting), make(chan struct{}), make(chan struct{}, 1)
	cut := make(chan error, waiting)
	s, err := c.shift(ctx, ledgerQueue, prefetch, func(ctx context.Context, event bytebites.Event) (bool, error) {
		begun <- struct{}{}
		if event.Order == "order-1" { // it fails, and is put back: it must not be the early one
			<-finish
		} else {
			select {
			case <-finish:
			case <-early:
			}
		}
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
			Look: serveLook("wait for the handlers before you return: call Wait of the errgroup"),
		}
	default:
	}
	early <- struct{}{} // the place of one message becomes free
	if _, err := until(ctx, func() bool { return s.settled(fakebroker.Acked) == 1 }); err != nil {
		return err
	}
	if err := rig.Pause(ctx, stillPause); err != nil {
		return err
	}
	if held := len(s.state().Unsettled); held >= prefetch {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d messages held by a worker that is told to stop, after one of %d is done", prefetch-1, prefetch), Seen: fmt.Sprintf("%d", held),
			Look: serveLook("stop the deliveries by ch.Cancel: other workers wait for these messages"),
		}
	}
	release()
	select {
	case err := <-s.ended:
		if err != nil {
			return &lab.Failure{Expected: "no error from a worker that was told to stop", Seen: err.Error(), Waited: lab.Late(err), Look: serveLook("return nil when ctx has ended")}
		}
	case <-time.After(settleTimeout):
		return &lab.Failure{
			Expected: fmt.Sprintf("a worker that ends within %s of the order to stop", settleTimeout), Seen: "it still runs", Look: serveLook("end the loop over the deliveries when ctx ends"),
		}
	}
	s.broker.Drop("")
	if len(cut) > 0 {
		return &lab.Failure{
			Expected: "handlers whose context goes on when the worker is told to stop", Seen: (<-cut).Error(),
			Look: callLook("give the handler a context that does not end with ctx: context.WithoutCancel"),
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

// stopsWhileBlocked stops a worker whose message has failed while the broker takes no messages.
func (c *composed) stopsWhileBlocked(ctx context.Context) error {
	s, err := c.shift(ctx, ledgerQueue, 1, func(context.Context, bytebites.Event) (bool, error) { return false, errDown })
	if err != nil {
		return err
	}
	defer s.close()
	s.broker.Block()
	event, body, err := one(bytebites.TopicOrderPlaced, "order-1")
	if err != nil {
		return err
	}
	if err := s.put(event); err != nil {
		return err
	}
	if _, err := until(ctx, func() bool { return len(s.state().Unsettled) == 1 }); err != nil {
		return err
	}
	if err := rig.Pause(ctx, stillPause); err != nil { // the worker puts the message back
		return err
	}
	s.stop()
	select {
	case err := <-s.ended:
		if err != nil {
			return &lab.Failure{Expected: "no error from a worker that was told to stop while the broker takes no messages", Seen: err.Error(), Look: takeLook("return nil when ctx has ended: the broker delivers the message again")}
		}
	case <-time.After(settleTimeout):
		return &lab.Failure{
			Expected: fmt.Sprintf("a worker that ends within %s of the order to stop, also while the broker takes no messages", settleTimeout), Seen: "it still runs",
			Look: failedLook("wait for w.put with a context that ends with ctx: the message is still in its queue"),
		}
	}
	s.broker.Unblock()
	s.broker.Drop("")
	if n, in := s.copies(body); n == 0 {
		return &lab.Failure{
			Expected: "the message in some queue", Seen: fmt.Sprintf("none, after its worker was told to stop while the broker took no messages (%v)", in),
			Look: takeLook("after an error settle nothing"),
		}
	}
	return nil
}

// givesBackWhatItHasNotBegun starts a worker that has been told to stop already. The broker delivers
// messages to it before they are called off.
func (c *composed) givesBackWhatItHasNotBegun(ctx context.Context) error {
	const prefetch, waiting = 20, 40
	begun := make(chan struct{}, waiting)
	b, err := c.bench()
	if err != nil {
		return err
	}
	s := &shift{bench: b, queue: ledgerQueue}
	defer s.close()
	all := events(bytebites.TopicOrderPlaced, waiting)
	if err := s.put(all...); err != nil {
		return err
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	err = s.serve(stopped, c.worker.Serve, prefetch, func(context.Context, bytebites.Event) (bool, error) {
		begun <- struct{}{}
		return true, nil
	})
	if err != nil {
		return err
	}
	select {
	case err := <-s.ended:
		if err != nil && !errors.Is(err, context.Canceled) { // ctx may end before the worker has a channel
			return &lab.Failure{Expected: "no error from a worker that was told to stop", Seen: err.Error(), Waited: lab.Late(err), Look: serveLook("return nil when ctx has ended")}
		}
	case <-time.After(settleTimeout):
		return &lab.Failure{
			Expected: fmt.Sprintf("a worker that ends within %s of the order to stop", settleTimeout), Seen: "it still runs",
			Look: serveLook("end the loop over the deliveries when ctx ends"),
		}
	}
	s.broker.Drop("")
	if gone := waiting - len(s.state().Ready); gone > len(begun) {
		return &lab.Failure{
			Expected: "all messages back in their queue that a stopped worker has not begun", Seen: fmt.Sprintf("%d of %d have left it, and %d were begun", gone, waiting, len(begun)),
			Look: serveLook("settle nothing that was delivered and not begun: it goes back when the channel is closed"),
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
				Look: callLook("a context that does not end with ctx, but has a limit"),
			}
		}
		return nil
	case err := <-s.ended:
		return ended(err)
	case <-time.After(2 * settleTimeout):
		return &lab.Failure{Expected: "a message that is handled", Seen: "none", Look: serveLook("")}
	}
}
