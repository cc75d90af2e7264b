package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/solutions/05-queue"
)

const (
	relayFigure = "relay of lab 05, against a loop of confirms"
	relayRounds = 5
	// relayEvents is the number of events of a round: the events of half as many orders.
	relayEvents = 20_000
	// roundTimeout bounds a round of any section.
	roundTimeout = 30 * time.Second
)

// relays measures the relay of lab 05 against a loop that publishes the same messages with
// confirms and reads no database. Both send batches of roles.Batch messages.
func relays(ctx context.Context, s stand, b *block) (err error) {
	bed, err := testbed.Start(ctx, testbed.Options{Progress: s.report})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bed.Close()) }()
	y := &yard{events: dinners(relayEvents), profiles: s.profiles}
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			y.broker, err = bed.RabbitMQ(ctx, testbed.RabbitMQOptions{})
			return err
		},
		func(ctx context.Context) (err error) {
			server, err := bed.Postgres(ctx, testbed.PostgresOptions{})
			if err != nil {
				return err
			}
			y.db, err = postgres.Open(ctx, server.URL(), postgres.PoolConfig{MaxOpen: 8, MaxIdle: 8})
			return err
		})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.db.Close()) }()
	if _, err := y.db.ExecContext(ctx, outbox.Schema); err != nil {
		return fmt.Errorf("create outbox: %w", err)
	}
	var ours, bare []float64
	for round := range relayRounds + 1 { // the first of each is a warm-up
		for _, side := range inTurn(round, side{&bare, y.loop}, side{&ours, y.relay}) {
			rate, err := y.round(ctx, side.run)
			if err != nil {
				return err
			}
			if round > 0 {
				*side.rates = append(*side.rates, rate)
			}
		}
	}
	b.ratios = append(b.ratios, compare(relayFigure, "events/s", ours, bare, "at least 0.70"))
	return nil
}

// side is one of two programs that are compared, and what it reached in each round.
type side struct {
	rates *[]float64
	run   func(context.Context) (time.Duration, error)
}

// inTurn returns two sides in the order of a round. The order changes from round to round, so a
// machine that becomes slower or faster favours none.
func inTurn[T any](round int, a, b T) []T {
	if round%2 == 1 {
		return []T{b, a}
	}
	return []T{a, b}
}

// yard holds the two servers and the events of a round.
type yard struct {
	broker   *testbed.RabbitMQ
	db       *sql.DB
	events   []bytebites.Event
	queues   map[string]testbed.Queue
	profiles string
}

// round returns the events per second of a run over empty queues.
func (y *yard) round(ctx context.Context, run func(context.Context) (time.Duration, error)) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	if err := y.purge(ctx); err != nil {
		return 0, err
	}
	took, err := run(ctx)
	if err != nil {
		return 0, err
	}
	return float64(len(y.events)) / took.Seconds(), nil
}

// purge deletes all queues and declares them again. A listing of the queues may be seconds old, so
// it is asked for once.
func (y *yard) purge(ctx context.Context) (err error) {
	conn, err := amqp.Dial(y.broker.URL())
	if err != nil {
		return fmt.Errorf("connect to broker: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	for name := range y.queues {
		if _, err := ch.QueueDelete(name, false, false, false); err != nil {
			return fmt.Errorf("delete queue %s: %w", name, err)
		}
	}
	if err := queue.Declare(ch); err != nil || y.queues != nil {
		return err
	}
	y.queues, err = y.broker.Queues(ctx)
	return err
}

// loop is the plainest publisher of the same messages. They are encoded before the clock starts. Each
// batch is confirmed before the next one is sent.
func (y *yard) loop(ctx context.Context) (took time.Duration, err error) {
	conn, err := amqp.Dial(y.broker.URL())
	if err != nil {
		return 0, fmt.Errorf("connect to broker: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return 0, fmt.Errorf("open channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return 0, fmt.Errorf("ask for confirms: %w", err)
	}
	messages := make([]amqp.Publishing, len(y.events))
	for i, event := range y.events {
		body, err := outbox.Encode(event)
		if err != nil {
			return 0, err
		}
		messages[i] = amqp.Publishing{
			MessageId: string(event.ID), Type: string(event.Topic), Timestamp: event.At,
			ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
		}
	}
	began := time.Now()
	for batch := range slices.Chunk(messages, roles.Batch) {
		promises := make([]*amqp.DeferredConfirmation, len(batch))
		for i, m := range batch {
			if promises[i], err = ch.PublishWithDeferredConfirm(queue.Exchange, m.Type, true, false, m); err != nil {
				return 0, fmt.Errorf("publish: %w", err)
			}
		}
		for _, promise := range promises {
			if stored, err := promise.WaitContext(ctx); err != nil || !stored {
				return 0, errors.Join(errors.New("message not confirmed"), err)
			}
		}
	}
	return time.Since(began), nil
}

// relay fills the outbox and runs the relay until the outbox is empty. The clock runs from the first
// batch that the relay has read until it has stopped, so it includes every deletion.
func (y *yard) relay(ctx context.Context) (time.Duration, error) {
	if err := y.fill(ctx); err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var began time.Time
	left := len(y.events)
	counting := func(link *roles.Link, meter *rabbit.Meter) roles.Publish {
		publish := queue.NewPublisher(link, meter)
		return func(ctx context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
			if began.IsZero() {
				began = time.Now()
			}
			confirmed, err := publish(ctx, events)
			if left -= len(confirmed); left == 0 {
				stop()
			}
			return confirmed, err
		}
	}
	end, err := y.profile("relay")
	if err != nil {
		return 0, err
	}
	err = roles.Relay(queue.Declare, counting).Job(running, service.Resources{
		Config: service.Config{BrokerURL: y.broker.URL(), Instance: "performance"}, UserData: y.db,
		Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	}, nil)
	took := time.Since(began)
	if err := errors.Join(err, end()); err != nil {
		return 0, err
	}
	backlog, err := outbox.New(y.db).Backlog(ctx)
	if err != nil {
		return 0, err
	}
	if left != 0 || backlog.Events != 0 {
		return 0, fmt.Errorf("relay stopped early: %d events not confirmed, %d in the outbox", left, backlog.Events)
	}
	return took, nil
}

// profile records a CPU profile of this process until end is called.
func (y *yard) profile(name string) (end func() error, err error) {
	if y.profiles == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(filepath.Join(y.profiles, name+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

// fill stores the events in an empty outbox.
func (y *yard) fill(ctx context.Context) error {
	if _, err := y.db.ExecContext(ctx, `TRUNCATE outbox`); err != nil {
		return fmt.Errorf("empty outbox: %w", err)
	}
	store := outbox.New(y.db)
	for batch := range slices.Chunk(y.events, roles.Batch) {
		if err := store.Add(ctx, batch[0].User, batch...); err != nil {
			return err
		}
	}
	return nil
}

// dinners returns n events, two of each order.
func dinners(n int) []bytebites.Event {
	events := make([]bytebites.Event, 0, n)
	at := time.Date(2026, 3, 1, 18, 30, 0, 0, time.UTC)
	for i := 0; len(events) < n; i++ {
		order := bytebites.OrderID(fmt.Sprintf("ord_%016d", i))
		for _, topic := range []bytebites.Topic{bytebites.TopicOrderPlaced, bytebites.TopicRecommendationRequest} {
			event := bytebites.Event{ID: outbox.NewID(topic, order), Topic: topic, User: "u1", Order: order, At: at}
			if topic == bytebites.TopicOrderPlaced {
				event.Email = "subscriber1@bytebites.example"
			}
			events = append(events, event)
		}
	}
	return events[:n]
}
