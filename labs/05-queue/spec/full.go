package spec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/mailsink"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// The long run places waves of waveOrders orders each, with wavePause after each of a client's
	// orders. A worker or the broker is killed in each wave.
	waves      = 10
	waveOrders = 1_000
	wavePause  = 20 * time.Millisecond
	// faultDelay is when it is killed, and downTime how long a worker stays dead.
	faultDelay = 1500 * time.Millisecond
	downTime   = 500 * time.Millisecond
	// relayBacklog is how many orders' events wait for the relay when its rate is measured.
	relayBacklog = 1_000
	// The relay is compared with a bare loop. bareKey is the loop's routing key, and bareWindow
	// how many of its messages wait for a confirm at a time.
	bareKey    = "check_bare"
	bareWindow = 200
)

// tenThousand places orders in waves, kills a worker or the broker in each, and checks all effects.
func (l *trial) tenThousand(ctx context.Context, run *lab.Run) error {
	var all []*order
	mails := make(map[mailKey]mailsink.Message)
	began := time.Now()
	for wave := range waves {
		var placed []*order
		var ordered error
		err := testbed.SideBySide(ctx,
			func(ctx context.Context) error {
				placed, ordered = l.load(ctx, l.people, waveOrders, wavePause)
				return nil
			},
			func(ctx context.Context) error { return l.fault(ctx, wave) })
		if err := errors.Join(err, ordered); err != nil {
			return err
		}
		all = append(all, placed...)
		if err := l.wantDone(ctx, placed, fmt.Sprintf("all effects of wave %d of %d orders", 1+wave, waveOrders), lab.Look{File: "consumers.go", Func: "Serve", Hint: "see the logs in .workshop/05-queue"}); err != nil {
			return err
		}
		if err := l.collectMails(ctx, mails); err != nil {
			return err
		}
		run.Progress(fmt.Sprintf("%d orders with all their effects", len(all)))
	}
	run.Report("orders a second, with all their effects, while workers and the broker are killed", float64(len(all))/time.Since(began).Seconds(), "orders/s")
	books, err := l.read(ctx, all)
	if err != nil {
		return err
	}
	twice := rememberMails(books, all, mails)
	run.Report("workers killed", float64(len(l.kills)), "")
	run.Report("mails sent twice because a worker was killed after the mail server accepted them", float64(twice), "")
	bad, rests := l.meals.problems(all, books, killedBetween(l.kills, quickMail))
	return failLate(bad, rests, fmt.Sprintf("each effect of %d orders once", len(all)),
		lab.Look{File: "consumers.go", Func: "Consumers", Hint: "see the logs in .workshop/05-queue"})
}

// fault kills the worker in waves with an even number, and the broker in the others.
func (l *trial) fault(ctx context.Context, wave int) error {
	if err := rig.Pause(ctx, faultDelay); err != nil {
		return err
	}
	if wave%2 == 1 {
		return errors.Join(l.broker.Kill(ctx), l.broker.Start(ctx))
	}
	if err := l.killWorker(ctx, l.worker); err != nil {
		return err
	}
	if err := rig.Pause(ctx, downTime); err != nil {
		return err
	}
	return l.worker.role.Start(ctx)
}

// mailKey identifies a mail. The mail server lists the latest mails only, so they are collected
// after each wave.
type mailKey struct {
	id string
	at time.Time
}

func (l *trial) collectMails(ctx context.Context, all map[mailKey]mailsink.Message) error {
	latest, err := l.servers.Mail.Messages(ctx, "")
	if err != nil {
		return err
	}
	for _, m := range latest {
		all[mailKey{m.MessageID, m.ReceivedAt}] = m
	}
	return nil
}

// rememberMails gives each order its collected mails, and returns how many have more than one.
func rememberMails(books map[bytebites.OrderID]*book, orders []*order, mails map[mailKey]mailsink.Message) (twice int) {
	for _, b := range books {
		b.mails = nil
	}
	sortMails(books, orders, slices.SortedFunc(maps.Values(mails), func(a, b mailsink.Message) int { return a.ReceivedAt.Compare(b.ReceivedAt) }))
	for _, b := range books {
		if len(b.mails) > 1 {
			twice++
		}
	}
	return twice
}

// publishRate builds up a backlog in the outbox of the old server and measures how fast the relay
// publishes it. It compares that with a bare loop that publishes as many messages of the same size.
func (l *trial) publishRate(ctx context.Context, run *lab.Run) (err error) {
	tap, err := l.listen(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tap.close()) }()
	if err := l.relayLink.Cut(ctx); err != nil {
		return err
	}
	placed, ordered := l.load(ctx, l.old(), relayBacklog, 0)
	if err := l.killWorker(ctx, l.worker); err != nil { // it would use the broker and the machine too
		return err
	}
	if err := errors.Join(l.relayLink.Restore(context.WithoutCancel(ctx)), ordered); err != nil {
		return err
	}
	for _, topic := range []bytebites.Topic{bytebites.TopicOrderPlaced, bytebites.TopicRecommendationRequest} {
		untold, err := tap.await(ctx, topic, placed)
		if err != nil {
			return err
		}
		if len(untold) > 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("an event %s of each of %d orders", topic, len(placed)), Seen: fmt.Sprintf("none of %d%s", len(untold), l.warnings(ctx)), Waited: lab.Last(stallTimeout),
				Look: lab.Look{File: "publisher.go", Func: "NewPublisher", Hint: "see relay.log in .workshop/05-queue"},
			}
		}
	}
	heard := tap.sofar()
	reportPublishing(run, heard)
	bare, err := l.bareRate(ctx, len(heard), heard[0].message.Body)
	if err != nil {
		return err
	}
	run.Report("events published by a bare loop with confirms", bare, "events/s")
	if err := l.worker.role.Start(ctx); err != nil {
		return err
	}
	return l.wantDone(ctx, placed, "all effects of a backlog", lab.Look{File: "consumers.go", Func: "Serve", Hint: "see worker.log in .workshop/05-queue"})
}

// bareRate publishes messages that go to two quorum queues and the stream, as those of an order do. It
// waits for the confirms of a window at a time.
func (l *trial) bareRate(ctx context.Context, n int, body []byte) (perSecond float64, err error) {
	w, err := l.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for _, name := range []string{bareKey + "_1", bareKey + "_2"} {
		if _, err := w.channel.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}); err != nil {
			return 0, fmt.Errorf("declare %s: %w", name, err)
		}
		if err := w.channel.QueueBind(name, bareKey, exchange, false, nil); err != nil {
			return 0, fmt.Errorf("bind %s: %w", name, err)
		}
		defer func() {
			_, gone := w.channel.QueueDelete(name, false, false, false)
			err = errors.Join(err, gone)
		}()
	}
	began := time.Now()
	for i := range n {
		if err := w.publish(ctx, exchange, bareKey, amqp.Publishing{Body: body}); err != nil {
			return 0, err
		}
		if (i+1)%bareWindow == 0 || i+1 == n {
			if err := w.delivered(ctx); err != nil {
				return 0, err
			}
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
