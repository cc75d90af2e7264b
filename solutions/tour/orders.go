package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/03-cache"
)

// Orders and nothing else, at a mail server that takes its time: with all that follows from one
// inside the request, and then by way of a broker, which dies meanwhile.
const (
	queueTitle = "Lab 05, queue"
	queueFix   = "an order waits for no mail, no bookkeeping and no plan: a worker does them, by way of RabbitMQ"
	brokerDies = "RabbitMQ"
	// ordersRate come in a second: more than a service of that size takes which plans a week in
	// each request.
	ordersRate   = 20
	ordersLength = 3 * time.Second
	slowMail     = 500 * time.Millisecond
	// doneWithin is how soon a worker must have done what waits, and doneEvery the pause between
	// two looks.
	doneWithin = time.Minute
	doneEvery  = 50 * time.Millisecond
)

// counter is what takes orders, and who works behind it.
type counter struct {
	inside, handed *rig.Variant // without the queue and with it
	redis          *testbed.Redis
	broker         *testbed.RabbitMQ
	relay, worker  *testbed.Role
}

// queue measures what an order takes with its effects inside the request, and by way of a queue
// whose broker dies in the middle of it; and how soon all effects are done when that is back.
func (s *show) queue(ctx context.Context) (*queueing, error) {
	s.report.Note("")
	s.report.Note("%s (%s)", queueTitle, queueFix)
	starting := s.report.Step("start RabbitMQ, a relay, a worker and the service twice, sign %d people in, warm up", people)
	var c counter
	err := s.servers.AtFullSpeed(ctx, func() error { return s.openCounter(ctx, &c) })
	starting.End(err)
	if err != nil {
		return nil, err
	}
	// The broker will die, and then nothing says what its quota is.
	watch, err := rig.NewWatch(ctx, s.servers.DB.Server, c.inside.Service.Server, c.handed.Service.Server,
		c.redis.Server, c.relay.Server, c.worker.Server)
	if err != nil {
		return nil, err
	}
	if err := s.servers.Mail.SetDelay(ctx, slowMail); err != nil {
		return nil, err
	}
	told := &queueing{Title: queueTitle, Fix: queueFix, MailMS: milliseconds(slowMail)}
	inside, err := s.order(ctx, "with all that follows inside the request", watch, c.inside)
	if err != nil {
		return nil, err
	}
	told.Inside = newOrdersRush(inside)
	told.Doubts = inside.Validity.Reasons
	if told.Quotas, err = watch.Quotas(ctx); err != nil {
		return nil, err
	}
	// What its clients have given up on would weigh on the other.
	if err := c.inside.Service.Remove(ctx); err != nil {
		return nil, err
	}
	if err := s.orderWithoutBroker(ctx, &c, told); err != nil {
		return nil, err
	}
	if err := s.servers.Mail.SetDelay(ctx, mailDelay); err != nil {
		return nil, err
	}
	// The next step has the machine to itself.
	used := scene{servers: []*testbed.Server{c.handed.Service.Server, c.relay.Server, c.worker.Server, c.broker.Server, c.redis.Server}}
	return told, used.remove(ctx)
}

// openCounter starts everything, side by side as far as it can be. The service knows nothing of the
// broker, which takes as long to start as all the rest.
func (s *show) openCounter(ctx context.Context, c *counter) error {
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			c.broker, err = s.servers.Bed.RabbitMQ(ctx, testbed.RabbitMQOptions{Type: instance.Small()})
			return err
		},
		func(ctx context.Context) error { return s.openVariants(ctx, c) })
	if err != nil {
		return err
	}
	if c.relay, err = s.openRole(ctx, c, "relay", instance.Nano()); err != nil {
		return err
	}
	if c.worker, err = s.openRole(ctx, c, "worker", instance.Micro()); err != nil {
		return err
	}
	// People have ordered to warm up. When that has left the outbox, somebody is at work.
	return s.await(ctx, "events leave the outbox", `SELECT count(*) = 0 FROM outbox`)
}

// openVariants starts the service without the queue and with it, and the cache that they share.
func (s *show) openVariants(ctx context.Context, c *counter) (err error) {
	c.redis, err = s.servers.Bed.Redis(ctx, testbed.RedisOptions{Type: instance.Nano(), Conf: cache.RedisConf()})
	if err != nil {
		return err
	}
	start := func(to **rig.Variant, name, through string) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			service := s.counterService(c, through, instance.Micro())
			service.Name = name
			*to, err = rig.Start(ctx, s.servers.Bed, rig.Options{Service: service, Dataset: seed.Full(), People: people})
			return err
		}
	}
	return testbed.SideBySide(ctx, start(&c.inside, "inside", "04"), start(&c.handed, "handed", "05"))
}

func (s *show) openRole(ctx context.Context, c *counter, role string, size instance.Type) (*testbed.Role, error) {
	service := s.counterService(c, "05", size)
	service.Broker = c.broker
	return s.servers.Bed.Role(ctx, testbed.RoleOptions{Service: service, Role: role})
}

// counterService says how the program is started, with the solutions through a lab.
func (s *show) counterService(c *counter, through string, size instance.Type) testbed.ServiceOptions {
	return testbed.ServiceOptions{
		Package: solutions, Args: []string{"--through", through}, Type: size,
		Postgres: s.servers.DB, MailSink: s.servers.Mail, Redis: c.redis,
	}
}

// order sends orders to a variant, and nothing else.
func (s *show) order(ctx context.Context, how string, watch *rig.Watch, to *rig.Variant) (measure.Observation, error) {
	step := s.report.Step("%d orders/s for %s, %s, while a mail takes %s", ordersRate, ordersLength, how, slowMail)
	ordering := to.Generator
	ordering.Mix = load.OnlyOrders()
	seen, err := measure.Hit(ordering.Hit).Arm(measure.RoundConfig{
		Rate: ordersRate, Length: ordersLength, Metric: measure.MeanLatency, Quotas: watch.Problems,
	})(ctx)
	step.End(err)
	return seen, err
}

// orderWithoutBroker has the broker die while people order, and starts it again when they have
// done so.
func (s *show) orderWithoutBroker(ctx context.Context, c *counter, told *queueing) error {
	if err := s.servers.Mail.Reset(ctx); err != nil {
		return err
	}
	watch, err := rig.NewWatch(ctx, s.servers.DB.Server, c.handed.Service.Server, c.redis.Server, c.relay.Server, c.worker.Server)
	if err != nil {
		return err
	}
	var handed measure.Observation
	died, err := dying(ctx, c.broker.Server, func(ctx context.Context) (err error) {
		handed, err = s.order(ctx, "by way of a queue whose broker dies after "+lossAfter.String(), watch, c.handed)
		return err
	})
	if err != nil {
		return err
	}
	told.Handed = newOrdersRush(handed)
	told.Doubts = append(told.Doubts, handed.Validity.Reasons...)
	told.Loss = &loss{
		Dies: brokerDies, Rate: ordersRate, Seconds: ordersLength.Seconds(), AfterSeconds: lossAfter.Seconds(),
		Sent: handed.Result.Sent, Failed: handed.Result.Failed,
	}
	quotas, err := watch.Quotas(ctx)
	if err != nil {
		return err
	}
	told.Quotas = append(told.Quotas, quotas...)
	back := s.report.Step("start the broker again, and wait for all that follows from those orders")
	err = s.afterwards(ctx, c.broker, handed.Result, died, told)
	back.End(err)
	return err
}

// afterwards starts the broker, and waits until every effect of the accepted orders is done.
func (s *show) afterwards(ctx context.Context, broker *testbed.RabbitMQ, orders load.Result, died time.Time, told *queueing) error {
	if err := broker.Resize(ctx, broker.Type().FullSpeed()); err != nil { // to start, it takes all that there is
		return err
	}
	if err := broker.Start(ctx); err != nil {
		return err
	}
	back := time.Now()
	told.AwaySeconds = back.Sub(died).Seconds()
	accepted := pq.StringArray(orders.Accepted())
	told.Accepted = len(accepted)
	err := s.await(ctx, "all effects are done", `SELECT count(*) = $2 FROM order_effects WHERE order_id = ANY ($1)`,
		accepted, len(accepted)*len(bytebites.Effects()))
	if err != nil {
		return err
	}
	told.DoneSeconds = time.Since(back).Seconds()
	mails, err := s.servers.Mail.Stats(ctx)
	told.MailsTwice = int(mails.Duplicates)
	return err
}

// await asks the database until it says yes.
func (s *show) await(ctx context.Context, what, question string, args ...any) error {
	for deadline := time.Now().Add(doneWithin); ; {
		var yes bool
		if err := s.servers.Pool.QueryRowContext(ctx, question, args...).Scan(&yes); err != nil {
			return fmt.Errorf("ask whether %s: %w", what, err)
		}
		if yes {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, doneWithin)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(doneEvery):
		}
	}
}

// newOrdersRush returns what ordering felt like.
func newOrdersRush(o measure.Observation) writeRush {
	return writeRush{
		Rate: ordersRate, Seconds: ordersLength.Seconds(),
		MeanMS: milliseconds(o.Result.Latency.Mean()), P99MS: milliseconds(o.Result.Latency.Quantile(0.99)),
		FailureShare: o.Result.FailureShare(), Goodput: o.Result.Goodput(),
	}
}
