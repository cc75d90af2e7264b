package wrong

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/labs/05-queue/retry"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
)

// worker serves in another way than the solution does. A fixed number of goroutines take the
// deliveries, and a message that fails is published to a queue by its name. Its fields are mistakes.
type worker struct {
	rooms topology

	unlimited      bool // no prefetch
	oneAtATime     bool // one message at a time
	ackThenPutBack bool // acknowledges what failed before it is elsewhere
	noConfirm      bool // takes what it published for stored
	notMandatory   bool // takes what no queue took for stored
	overConn       bool // publishes over the connection that it consumes from
	countsBusy     bool // a busy server counts as a failure of the message
	inMemory       bool // counts the failures itself, and not in the header
	tries          int  // 5 unless set
	sameWait       bool // waits equally long each time
	triesUnread    bool // tries what it cannot read again
	dropsUnread    bool // acknowledges what it cannot read
	dropsFailed    bool // acknowledges what has failed too often
	endsWithStop   bool // handlers end with the order to stop
	noDeadline     bool // handlers may go on for ever
	leaves         bool // does not wait for its handlers
	drains         bool // empties the queue before it stops
	countsNothing  bool // no metrics
	acksAll        bool // acknowledges all that came before a message, too
	spins          bool // takes closed deliveries for messages
	opensAgain     bool // opens a channel for each message that it puts back
	deadlineFails  bool // a deadline is a failure of the message
	keepsDuplicate bool // does not acknowledge what was done before
	busyResets     bool // a busy server sets the count of failures to 0
	busyAtLast     bool // parks a message that has failed too often before it looks for a busy server
	misreadsFirst  bool // takes the first time for a duplicate, and a duplicate for the first time
	busyIsQuick    bool // tries a busy server again as soon as it may
	parksReturned  bool // parks a message that failed after the broker delivered it again
	sharedPrefetch bool // the prefetch of all consumers of the channel
	goesOn         bool // serves on after a message could not be put back
	waitsForNone   bool // ignores the error of Consume
	neverCancels   bool // lets the broker deliver until the worker has stopped
	exclusive      bool // no other worker may consume the queue
	requeuesUnput  bool // requeues what could not be put back, and goes on
	putsForEver    bool // puts back for as long as the broker takes no messages
	rejectsRest    bool // gives up what was delivered and not begun when it stops
	busyByCount    bool // a busy server is waited for as long as a failure
	deadlineIsBusy bool // a deadline is a busy server
	parksNotFound  bool // parks at once what the store does not find
	countsReturns  bool // counts the deliveries that the broker counts
	givenRooms     bool // puts back by the given package retry, and begins with the second delay

	mu       *sync.Mutex
	failures map[string]int
}

// handleFor bounds the work for one message.
const handleFor = 8 * time.Second

// bench is a worker at its queue.
type bench struct {
	worker
	roles.Broker
	roles.Consumer
	publishing sync.Mutex
	ch         *amqp.Channel
	returns    chan amqp.Return
	given      *retry.Queues
}

func (w worker) serve(ctx context.Context, b roles.Broker, c roles.Consumer) error {
	if w.tries == 0 {
		w.tries = 5
	}
	w.mu, w.failures = &sync.Mutex{}, make(map[string]int)
	at := &bench{worker: w, Broker: b, Consumer: c, given: retry.New(b.Link)}
	ch, err := b.Conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer ch.Close() //nolint:errcheck // what is not settled goes back
	if !w.unlimited {
		if err := ch.Qos(c.Prefetch, 0, w.sharedPrefetch); err != nil {
			return fmt.Errorf("set prefetch: %w", err)
		}
	}
	deliveries, err := ch.Consume(c.Queue, "hands", false, w.exclusive, false, false, nil)
	if err != nil && !w.waitsForNone {
		return fmt.Errorf("consume: %w", err)
	}
	n := c.Prefetch
	if w.oneAtATime {
		n = 1
	}
	failed := make(chan error, n)
	var hands sync.WaitGroup
	for range n {
		hands.Go(func() {
			if err := at.take(ctx, deliveries); err != nil {
				failed <- err
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		hands.Wait()
		close(ended)
	}()
	select {
	case err = <-failed:
		return err
	case <-ended:
		select {
		case err = <-failed: // all hands have ended with it
			return err
		default:
		}
		if ctx.Err() == nil || !w.rejectsRest {
			return nil
		}
	case <-ctx.Done():
	}
	if !w.neverCancels && !w.drains {
		_ = ch.Cancel("hands", false) // it fails when the channel has ended
	}
	if w.leaves {
		return nil
	}
	<-ended
	if w.rejectsRest {
		for d := range deliveries {
			_ = d.Nack(false, false)
		}
	}
	return nil
}

// take handles deliveries until ctx ends.
func (b *bench) take(ctx context.Context, deliveries <-chan amqp.Delivery) error {
	for {
		if ctx.Err() != nil && !b.drains {
			return nil
		}
		stop := ctx.Done()
		if b.drains && ctx.Err() != nil {
			over := make(chan struct{})
			time.AfterFunc(50*time.Millisecond, func() { close(over) })
			stop = over
		}
		select {
		case <-stop:
			if !b.drains || stop != ctx.Done() {
				return nil
			}
		case d, open := <-deliveries:
			if !open && b.spins {
				time.Sleep(time.Millisecond)
				continue
			}
			if !open {
				return errors.New("no more deliveries")
			}
			if err := b.settle(ctx, d); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

var errUnread = errors.New("unreadable")

// do does what a delivery asks for.
func (b *bench) do(ctx context.Context, d amqp.Delivery) (bytebites.Event, bool, error) {
	event, err := outbox.Decode(d.Body)
	if err != nil {
		return event, false, fmt.Errorf("%w: %w", errUnread, err)
	}
	if !b.endsWithStop {
		ctx = context.WithoutCancel(ctx)
	}
	if !b.noDeadline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, handleFor)
		defer cancel()
	}
	first, err := b.Handle(ctx, event)
	return event, first, err
}

func (b *bench) settle(ctx context.Context, d amqp.Delivery) error {
	event, first, err := b.do(ctx, d)
	if err != nil {
		b.Logger.WarnContext(ctx, "message failed", "queue", b.Queue, "message", d.MessageId, "error", err)
	}
	failures := rabbit.Retries(d.Headers)
	if b.inMemory {
		b.mu.Lock()
		failures = b.failures[d.MessageId]
		b.failures[d.MessageId]++
		b.mu.Unlock()
	}
	outcome := rabbit.Done
	first = first != b.misreadsFirst
	busy := errors.Is(err, bytebites.ErrBusy) && !b.countsBusy
	if b.deadlineFails && errors.Is(err, context.DeadlineExceeded) {
		busy = false
	}
	if b.deadlineIsBusy && errors.Is(err, context.DeadlineExceeded) {
		busy = true
	}
	if n, _ := d.Headers["x-delivery-count"].(int64); b.countsReturns {
		failures = max(failures, int(n))
	}
	switch {
	case err == nil && !first:
		outcome = rabbit.Duplicate
		if !b.keepsDuplicate {
			err = d.Ack(b.acksAll)
		}
	case err == nil:
		err = d.Ack(b.acksAll)
	case errors.Is(err, errUnread) && b.dropsUnread:
		outcome, err = rabbit.Parked, d.Ack(false)
	case errors.Is(err, errUnread) && !b.triesUnread:
		outcome, err = rabbit.Parked, d.Nack(false, false)
	case err != nil && b.parksReturned && d.Redelivered, b.parksNotFound && errors.Is(err, bytebites.ErrNotFound), busy && b.busyAtLast && failures+1 >= b.tries:
		outcome, err = rabbit.Parked, d.Nack(false, false)
	case busy && b.busyIsQuick:
		outcome, err = rabbit.Retried, b.putBack(ctx, d, 1, failures)
	case busy && b.busyByCount:
		outcome, err = rabbit.Retried, b.putBack(ctx, d, min(failures+1, len(waits())), failures)
	case busy && b.busyResets:
		outcome, err = rabbit.Retried, b.putBack(ctx, d, len(waits()), 0)
	case busy:
		outcome, err = rabbit.Retried, b.putBack(ctx, d, len(waits()), failures)
	case failures+1 >= b.tries && b.dropsFailed:
		outcome, err = rabbit.Parked, d.Ack(false)
	case failures+1 >= b.tries:
		outcome, err = rabbit.Parked, d.Nack(false, false)
	default:
		outcome, err = rabbit.Retried, b.putBack(ctx, d, min(failures+1, len(waits())), failures+1)
	}
	if err != nil && b.goesOn {
		return nil
	}
	if err != nil && b.requeuesUnput && ctx.Err() == nil {
		return d.Nack(false, true)
	}
	if err != nil {
		return err
	}
	if !b.countsNothing {
		b.Meter.Handled(b.Queue, outcome)
		if outcome == rabbit.Done {
			b.Meter.Age(b.Queue, time.Since(event.At))
		}
	}
	return nil
}

// putBack publishes a message to a waiting queue, and acknowledges it.
func (b *bench) putBack(ctx context.Context, d amqp.Delivery, room, failures int) error {
	if b.sameWait {
		room = 1
	}
	if b.ackThenPutBack {
		if err := d.Ack(false); err != nil {
			return err
		}
	}
	m := amqp.Publishing{
		Headers:   amqp.Table{rabbit.RetriesHeader: int32(failures)}, //nolint:gosec // at most 5
		MessageId: d.MessageId, Type: d.Type, Timestamp: d.Timestamp, ContentType: d.ContentType, DeliveryMode: amqp.Persistent, Body: d.Body,
	}
	if b.inMemory {
		m.Headers = nil
	}
	if b.rooms.oneRoom {
		m.Expiration = strconv.FormatInt(waits()[room-1].Milliseconds(), 10)
	}
	var err error
	if delays := retry.Delays(); b.givenRooms {
		err = b.given.Put(ctx, d, b.Queue, delays[min(room, len(delays)-1)], failures)
	} else {
		err = b.publish(ctx, b.rooms.room(b.Queue, room), m)
	}
	if err != nil {
		return err
	}
	if b.ackThenPutBack {
		return nil
	}
	return d.Ack(false)
}

// publish publishes a message to a queue, and waits until the broker has it.
func (b *bench) publish(ctx context.Context, to string, m amqp.Publishing) error {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	if err := b.open(ctx); err != nil {
		return err
	}
	confirmation, err := b.ch.PublishWithDeferredConfirm("", to, !b.notMandatory, false, m)
	if err != nil || b.noConfirm {
		return err
	}
	limit := 4 * time.Second
	if b.putsForEver {
		ctx, limit = context.WithoutCancel(ctx), time.Hour
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	confirmed, err := confirmation.WaitContext(ctx)
	switch {
	case err != nil:
		return err
	case !confirmed:
		return errors.New("the broker has refused the message")
	}
	select {
	case <-b.returns:
		return errors.New("no queue took the message")
	default:
		return nil
	}
}

func (b *bench) open(ctx context.Context) (err error) {
	if err := b.Link.Ready(ctx); err != nil || b.ch != nil && !b.opensAgain {
		return err
	}
	if b.overConn {
		b.ch, err = b.Conn.Channel()
	} else {
		b.ch, err = b.Link.Channel(ctx)
	}
	if err != nil {
		return err
	}
	b.returns = b.ch.NotifyReturn(make(chan amqp.Return, 1))
	if b.noConfirm {
		return nil
	}
	return b.ch.Confirm(false)
}
