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
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The load of lab 05: orders and nothing else, at a mail server that takes its time.
const (
	// ordersRate is what a service on b1.micro answers with everything inside the request, in
	// requests a second. Below its limit, the wait for the mail rules.
	ordersRate   = 5
	ordersLength = 4 * time.Second
	slowMail     = 500 * time.Millisecond
	brokerDies   = time.Second // after the first order
	// doneWithin is how soon a worker must have done all effects when the broker is back.
	doneWithin = 40 * time.Second
	doneEvery  = 50 * time.Millisecond // from one look to the next
)

// counter is the services that take orders, and the programs behind them.
type counter struct {
	inside, handed *rig.Variant // all effects inside the request, and by way of the queue
	relay, worker  *testbed.Role
}

func (s *show) startBroker(ctx context.Context, bed *testbed.Bed) (err error) {
	s.broker, err = bed.RabbitMQ(ctx, testbed.RabbitMQOptions{Type: instance.Small()})
	return err
}

// queue measures what an order takes with a slow mail inside the request, and by way of RabbitMQ, which
// dies in the middle of it.
func (s *show) queue(ctx context.Context) ([]claims.Row, error) {
	var c counter
	err := s.doing("start the services of labs 04 and 05, a relay and a worker", func(*progress.Step) error {
		return s.servers.AtFullSpeed(ctx, func() error { return s.openCounter(ctx, &c) })
	})
	if err != nil {
		return nil, err
	}
	// RabbitMQ will die, so its quota cannot be read back.
	watch, err := s.watch(ctx, c.inside.Service.Server, c.handed.Service.Server, s.redis.Server, c.relay.Server, c.worker.Server)
	if err != nil {
		return nil, err
	}
	if err := s.servers.Mail.SetDelay(ctx, slowMail); err != nil {
		return nil, err
	}
	inside, _, err := s.send(ctx, round{
		name: "inside the request", on: "the service of lab 04", to: onlyOrders(c.inside), rate: ordersRate, length: ordersLength,
		watch: watch,
	})
	if err != nil {
		return nil, err
	}
	handed, outage, err := s.brokerDies(ctx, watch, c)
	if err != nil {
		return nil, err
	}
	rows, err := withQuotas(ctx, watch, claims.Waiting(slowMail, inside, handed), claims.Broker(handed, outage))
	if err != nil {
		return nil, err
	}
	return rows, remove(ctx, c.inside.Service.Server, c.handed.Service.Server, c.relay.Server, c.worker.Server, s.broker.Server)
}

// openCounter starts both services side by side, and then the programs behind the second.
func (s *show) openCounter(ctx context.Context, c *counter) error {
	if err := s.startRedis(ctx); err != nil {
		return err
	}
	start := func(to **rig.Variant, name, through string) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			service := s.service(name, through, instance.Micro())
			service.Redis = s.redis
			*to, err = rig.Start(ctx, s.servers.Bed, rig.Options{Service: service, Dataset: seed.Full(), People: people})
			return err
		}
	}
	if err := testbed.SideBySide(ctx, start(&c.inside, "inside", "04"), start(&c.handed, "handed", "05")); err != nil {
		return err
	}
	role := func(to **testbed.Role, name string, size instance.Type) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			service := s.service(name, "05", size)
			service.Redis, service.Broker = s.redis, s.broker
			*to, err = s.servers.Bed.Role(ctx, testbed.RoleOptions{Service: service, Role: name})
			return err
		}
	}
	if err := testbed.SideBySide(ctx, role(&c.relay, "relay", instance.Nano()), role(&c.worker, "worker", instance.Micro())); err != nil {
		return err
	}
	// The warm-up has ordered. When that has left the outbox, relay and broker work.
	for {
		left, err := s.count(ctx, `SELECT count(*) FROM outbox`)
		if err != nil || left == 0 {
			return err
		}
		if err := rig.Pause(ctx, doneEvery); err != nil {
			return err
		}
	}
}

// brokerDies has RabbitMQ die while orders come in. It then starts RabbitMQ again, and waits until
// every effect of the accepted orders is done.
func (s *show) brokerDies(ctx context.Context, watch *rig.Watch, c counter) (handed claims.Load, o claims.Outage, err error) {
	if err := s.servers.Mail.Reset(ctx); err != nil {
		return handed, o, err
	}
	const on = "the service of lab 05"
	var observed measure.Observation
	var died time.Time
	what := fmt.Sprintf("%d orders/s for %s by way of RabbitMQ, which dies after %s", ordersRate, ordersLength, brokerDies)
	err = s.doing(what, func(*progress.Step) (err error) {
		arm := measure.Hit(onlyOrders(c.handed).Hit).Arm(measure.RoundConfig{
			Rate: ordersRate, Length: ordersLength, Metric: measure.MeanLatency, Quotas: watch.Problems,
		})
		died, err = dying(ctx, s.broker.Server, brokerDies, func(ctx context.Context) (err error) {
			observed, err = arm(ctx)
			return err
		})
		return err
	})
	if err != nil {
		return handed, o, err
	}
	handed = claims.NewLoad("by way of RabbitMQ", on, observed)
	err = s.doing("start RabbitMQ again, and wait until all orders are done", func(*progress.Step) error {
		return s.afterwards(ctx, observed.Result, died, &o)
	})
	return handed, o, err
}

func (s *show) afterwards(ctx context.Context, orders load.Result, died time.Time, o *claims.Outage) error {
	if err := s.broker.Resize(ctx, s.broker.Type().FullSpeed()); err != nil { // it starts on all that there is
		return err
	}
	if err := s.broker.Start(ctx); err != nil {
		return err
	}
	back := time.Now()
	o.Away = back.Sub(died)
	accepted := orders.Accepted()
	o.Accepted = len(accepted)
	limit := hostspeed.Wait(doneWithin)
	for {
		done, err := s.count(ctx, `SELECT count(*) FROM (SELECT order_id FROM order_effects WHERE order_id = ANY ($1)
			GROUP BY order_id HAVING count(*) = $2) AS done`, pq.StringArray(accepted), len(bytebites.Effects()))
		if err != nil {
			return err
		}
		o.Done, o.DoneAfter = done, time.Since(back)
		o.GaveUp = done < o.Accepted && o.DoneAfter > limit
		if done == o.Accepted || o.GaveUp {
			break
		}
		if err := rig.Pause(ctx, doneEvery); err != nil {
			return err
		}
	}
	mails, err := s.servers.Mail.Stats(ctx)
	o.Twice = int(mails.Duplicates)
	return err
}

// count asks the shared database for a number.
func (s *show) count(ctx context.Context, question string, args ...any) (n int, err error) {
	if err := s.servers.Pool.QueryRowContext(ctx, question, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count in the database: %w", err)
	}
	return n, nil
}
