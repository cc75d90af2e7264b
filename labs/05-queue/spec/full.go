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
	// waves of waveOrders orders each are placed in the long run, and something dies in each.
	waves      = 10
	waveOrders = 1_000
	wavePause  = 20 * time.Millisecond
	// faultAfter is when it dies, and deadFor how long a worker stays dead.
	faultAfter = 1500 * time.Millisecond
	deadFor    = 500 * time.Millisecond
	// piledUp orders' events wait for the relay when its rate is measured.
	piledUp = 1_000
	// bareKey is the routing key of the bare loop that the relay is compared with, and
	// bareWindow how many messages that has on their way.
	bareKey    = "check_bare"
	bareWindow = 200
)

// Full returns the long run: ten thousand orders, with workers and the broker dying all the while.
func Full(subject Subject) lab.Lab {
	l := &trial{subject: subject, crowd: largeCrowd()}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers and your service", Start: l.prepare}},
		Checks: []lab.Check{
			{Name: "ten thousand orders", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.tenThousand,
				Proves: "of 10,000 orders, placed while workers and the broker die, no effect is lost and none is doubled"},
			{Name: "publish rate", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.publishRate,
				Proves: "a backlog is published without loss; how fast, beside a bare loop with confirms, is reported"},
		},
	}
}

// tenThousand places orders in waves, has something die in each, and keeps the books of all.
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
		if err := l.wantDone(ctx, placed, fmt.Sprintf("all effects of wave %d of %d orders", 1+wave, waveOrders), "the logs in "+evidenceFolder); err != nil {
			return err
		}
		if err := l.collectMails(ctx, mails); err != nil {
			return err
		}
		run.Progress(fmt.Sprintf("%d orders, and all that comes of them", len(all)))
	}
	run.Report("orders a second, with all that comes of them, while things die", float64(len(all))/time.Since(began).Seconds(), "orders/s")
	books, err := l.read(ctx, all)
	if err != nil {
		return err
	}
	twice := rememberMails(books, all, mails)
	run.Report("workers killed", float64(len(l.kills)), "")
	run.Report("mails sent twice because a worker was killed after the mail server's yes", float64(twice), "")
	return failIf(l.meals.problems(all, books, killedBetween(l.kills, quickMail)), fmt.Sprintf("each effect of %d orders once", len(all)), "the logs in "+evidenceFolder)
}

// fault kills the worker in every other wave, and the broker in the others.
func (l *trial) fault(ctx context.Context, wave int) error {
	if err := sleep(ctx, faultAfter); err != nil {
		return err
	}
	if wave%2 == 1 {
		return errors.Join(l.broker.Kill(ctx), l.broker.Start(ctx))
	}
	if err := l.killWorker(ctx, l.worker); err != nil {
		return err
	}
	if err := sleep(ctx, deadFor); err != nil {
		return err
	}
	return l.worker.role.Start(ctx)
}

// mailKey tells a mail from all others that the mail server lists: it lists the latest only, so
// that they have to be collected.
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

// rememberMails gives each order all its mails, and returns how many have more than one.
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

// publishRate has events pile up in the outbox of the old server and measures how fast they are published, and how
// fast a bare loop publishes as many of the same size to as many queues.
func (l *trial) publishRate(ctx context.Context, run *lab.Run) (err error) {
	tap, err := l.listen(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tap.close()) }()
	if err := l.relayLink.Cut(ctx); err != nil {
		return err
	}
	placed, ordered := l.load(ctx, l.old(), piledUp, 0)
	if err := l.killWorker(ctx, l.worker); err != nil { // it would share the broker and the machine
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
				Expected: fmt.Sprintf("an event %s of each of %d orders", topic, len(placed)), Seen: fmt.Sprintf("none of %d%s", len(untold), l.words(ctx)),
				Look: lab.Look{Hint: "Relay in publisher.go"},
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
	return l.wantDone(ctx, placed, "all effects of a backlog", "consumers.go")
}

// bareRate publishes messages that go to two quorum queues and the stream, as an order's do, and waits for
// the confirms of a window at a time.
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
		if err := w.say(ctx, exchange, bareKey, amqp.Publishing{Body: body}); err != nil {
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
