package spec

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/testbed/fakebroker"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// stepTimeout bounds the wait for one step of code that runs in the check's own process. A
	// right answer needs milliseconds; see stepLimit.
	stepTimeout = 6 * time.Second
	// stillPause is how long a check watches that something does not happen.
	stillPause = 150 * time.Millisecond
	// lookInterval is the pause between two looks at the state of the fake broker.
	lookInterval = 2 * time.Millisecond
)

// stepLimit returns the step timeout on this machine.
func stepLimit() time.Duration { return hostspeed.Wait(stepTimeout) }

// composed is the subject's part of the service, to be run without servers.
type composed struct {
	service.Composition
	relay  roles.RelayRole
	worker roles.WorkerRole
	replay roles.ReplayRole
}

// compose applies the subject to a service without the other labs.
func (l *trial) compose() (*composed, error) {
	c := &composed{Composition: service.Baseline()}
	l.subject.Apply(&c.Composition)
	var relay, worker, replay bool
	c.relay, relay = c.Roles["relay"].(roles.RelayRole)
	c.worker, worker = c.Roles["worker"].(roles.WorkerRole)
	c.replay, replay = c.Roles["replay"].(roles.ReplayRole)
	if !relay || !worker || !replay {
		return nil, &lab.Failure{
			Expected: "roles that are made by roles.Relay, roles.Worker and roles.Replaying", Seen: "other roles",
			Look: lab.Look{File: "topology.go", Func: "Declare", Hint: "compare lab.go with the one that the lab came with"},
		}
	}
	return c, nil
}

// resources returns what the subject's parts are built from, without servers. No broker is at the
// address that they name. The returned function ends what the parts have started.
func resources() (service.Resources, func()) {
	var ends []func() error
	r := service.Resources{
		Config:  service.Config{BrokerURL: "amqp://guest:guest@127.0.0.1:1/", Instance: "check"},
		Metrics: prometheus.NewRegistry(), Logger: discard(),
		OnClose: func(end func() error) { ends = append(ends, end) },
	}
	return r, func() {
		for _, end := range ends {
			_ = end() // the check has its verdict
		}
	}
}

// bench is a fake broker with a client's connections to it.
type bench struct {
	broker  *fakebroker.Broker
	closers []func()
	metrics *prometheus.Registry
	meter   *rabbit.Meter
}

func newBench() (*bench, error) {
	broker, err := fakebroker.Start()
	if err != nil {
		return nil, err
	}
	b := &bench{broker: broker, metrics: prometheus.NewRegistry()}
	if b.meter, err = rabbit.NewMeter(b.metrics); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) close() {
	for _, end := range b.closers {
		end()
	}
	_ = b.broker.Close() // its clients have gone, or are cut off
}

// connect opens a connection with a name.
func (b *bench) connect(name string) (*amqp.Connection, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(b.broker.URL(), amqp.Config{Properties: properties, Heartbeat: 10 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("connect to the fake broker: %w", err)
	}
	b.closers = append(b.closers, func() { _ = conn.CloseDeadline(time.Now().Add(time.Second)) })
	return conn, nil
}

// channel opens a channel on a connection of its own.
func (b *bench) channel(name string) (*amqp.Channel, error) {
	conn, err := b.connect(name)
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	return ch, nil
}

// declare calls the subject's Declare on a channel of its own.
func (b *bench) declare(declare roles.Declare) error {
	ch, err := b.channel("declare")
	if err != nil {
		return err
	}
	look := lab.Look{File: "topology.go", Func: "Declare", Hint: "see the error of the call above"}
	if err := guard(look, func() error { return declare(ch) }); err != nil {
		return failed(err, "queues that are declared without an error", look)
	}
	return nil
}

// failed turns an error of the subject's code into a failure. A failure stays what it is.
func failed(err error, expected string, look lab.Look) error {
	if err == nil || lab.Classify(err) == lab.NotYet {
		return err
	}
	return &lab.Failure{Expected: expected, Seen: err.Error(), Waited: lab.Late(err), Look: look}
}

// guard calls the subject's code in the check's own process. A panic, and a call that does not
// return, are failures.
func guard(look lab.Look, work func() error) error { return guardFor(stepLimit(), look, work) }

func guardFor(limit time.Duration, look lab.Look, work func() error) error {
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- &lab.Failure{Expected: "no panic", Seen: fmt.Sprintf("panic: %v\n%s", p, rig.Tail(string(debug.Stack()))), Look: look}
			}
		}()
		ended <- work()
	}()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		return &lab.Failure{Expected: fmt.Sprintf("a call that returns within %s", limit), Seen: "it still runs", Look: look}
	}
}

// until waits until so returns true. It reports false when that takes longer than the step limit.
func until(ctx context.Context, so func() bool) (bool, error) { return within(ctx, stepLimit(), so) }

// discard is a logger that keeps nothing.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// events returns n events of a topic, of an order each.
func events(topic bytebites.Topic, n int) []bytebites.Event {
	all := make([]bytebites.Event, n)
	for i := range all {
		all[i] = eventOf(topic, bytebites.OrderID(fmt.Sprintf("order-%d", 1+i)))
	}
	return all
}

// eventOf returns an event of an order of the subscriber ada.
func eventOf(topic bytebites.Topic, order bytebites.OrderID) bytebites.Event {
	event := bytebites.Event{ID: outbox.NewID(topic, order), Topic: topic, User: "ada", Order: order, At: time.Now().UTC().Add(-time.Second)}
	switch topic {
	case bytebites.TopicOrderPlaced:
		event.Email = "ada@bytebites.example"
	case bytebites.TopicPaymentProcessed:
		event.Payment = &bytebites.PaymentEvent{ID: "pay-" + string(order), User: "ada", Order: order, Amount: 250, Succeeded: true}
	}
	return event
}

// messageOf returns the message of an event.
func messageOf(event bytebites.Event) (amqp.Publishing, error) {
	body, err := outbox.Encode(event)
	if err != nil {
		return amqp.Publishing{}, err
	}
	return amqp.Publishing{
		MessageId: string(event.ID), Type: string(event.Topic), Timestamp: event.At,
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
	}, nil
}

// put publishes events to the exchange of the lab.
func (b *bench) put(events ...bytebites.Event) error {
	for _, event := range events {
		message, err := messageOf(event)
		if err != nil {
			return err
		}
		b.broker.Publish(exchange, string(event.Topic), message)
	}
	return nil
}

// counter returns the value of a counter with a label, or 0.
func (b *bench) counter(name string, labels map[string]string) float64 {
	families, err := b.metrics.Gather()
	if err != nil {
		return 0
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if !labelled(metric, labels) {
				continue
			}
			if metric.GetHistogram() != nil {
				return float64(metric.GetHistogram().GetSampleCount())
			}
			return metric.GetCounter().GetValue()
		}
	}
	return 0
}

func labelled(metric *dto.Metric, labels map[string]string) bool {
	for _, label := range metric.GetLabel() {
		if want, ok := labels[label.GetName()]; ok && want != label.GetValue() {
			return false
		}
	}
	return true
}
