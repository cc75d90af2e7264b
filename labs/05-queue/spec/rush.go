package spec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// rushMail is how long the mail server takes in the rush. Real ones that look for spam take
	// longer.
	rushMail = 100 * time.Millisecond
	// Bursts find the limit of lab 04's service. burstStart is the rate of the first, in requests
	// a second.
	burstStart  = 10
	burstFactor = 1.5
	burstLength = 1500 * time.Millisecond
	burstsAgain = 1
	// rushFactor is the rate of the rush over that limit.
	rushFactor = 1.75
	// pairs and the length of their rounds are declared here, before any run.
	pairs      = 6
	rushLength = time.Second
	// Both services are warmed up at warmUpRate, in requests a second, for warmUpLength.
	warmUpRate   = 10
	warmUpLength = time.Second
	// drainRoundTimeout is how soon the workers must have done all effects of a round.
	drainRoundTimeout = 20 * time.Second
)

// rush is the measurement of the gain.
type rush struct {
	trial *trial
	run   *lab.Run
	watch *rig.Watch

	before, after load.Generator
	saturation    float64 // of the service before, in right answers a second
	seen          rig.RushResult
}

// rush measures the mean latency of orders in a rush, with one replica of lab 04's service and one
// of the subject's.
func (l *trial) rush(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	r, err := l.newRush(ctx, run)
	if err != nil {
		return lab.Measured{}, err
	}
	for _, step := range []func(context.Context) error{r.findRush, r.compare, r.report} {
		if err := step(ctx); err != nil {
			return lab.Measured{}, err
		}
	}
	measured, err := r.seen.Gain(l.sides())
	if err != nil {
		return lab.Measured{}, err // a machine that spoils rounds makes requests fail too
	}
	return measured, r.seen.Served("orders", lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "see rush.txt in .workshop/05-queue"})
}

// sides are the servers of both services. Both have the same databases and cache.
func (l *trial) sides() rig.Sides {
	shared := []*testbed.Server{l.servers.DB.Server, l.cache.Server}
	for _, n := range l.nodes[1:] {
		shared = append(shared, n.server.Server)
	}
	return rig.Sides{
		Before: append([]*testbed.Server{l.without.Server}, shared...),
		After:  append([]*testbed.Server{l.replicas[0].Server, l.broker.Server, l.relay.role.Server, l.worker.role.Server}, shared...),
	}
}

// newRush warms both services up, and puts all quotas in force. One worker does all effects.
func (l *trial) newRush(ctx context.Context, run *lab.Run) (*rush, error) {
	r := &rush{trial: l, run: run}
	people, err := l.population(ctx)
	if err != nil {
		return nil, err
	}
	r.before = load.Generator{Target: l.without.URL(), Mix: load.OnlyOrders(), Population: people, Seed: 1}
	r.after = r.before
	r.after.Target = l.replicas[0].URL()
	if err := l.staff(ctx, 1); err != nil {
		return nil, err
	}
	if err := l.servers.Mail.SetDelay(ctx, rushMail); err != nil {
		return nil, err
	}
	if _, err := r.before.Hit(ctx, warmUpRate, warmUpLength); err != nil {
		return nil, err
	}
	warm, err := r.after.Hit(ctx, warmUpRate, warmUpLength)
	if err != nil {
		return nil, err
	}
	if err := r.drained(ctx, warm); err != nil {
		return nil, err
	}
	r.watch, err = l.inForce(ctx)
	return r, err
}

// population returns the subscribers of the old server, whose sessions are valid at both services, and
// the meals that they choose from.
func (l *trial) population(ctx context.Context) (load.Population, error) {
	people, err := load.Discover(ctx, l.without.URL())
	if err != nil {
		return load.Population{}, err
	}
	people.Meals = slices.DeleteFunc(people.Meals, func(meal bytebites.MealID) bool { return meal >= size().ScarceMeal(1) })
	for _, p := range l.old() {
		people.Sessions = append(people.Sessions, load.Session{Email: p.email, Cookie: p.cookie})
	}
	return people, nil
}

// inForce puts the quotas of everything in force, and watches them.
func (l *trial) inForce(ctx context.Context) (*rig.Watch, error) {
	sizes := map[*testbed.Server]instance.Type{
		l.without.Server: serviceType(), l.replicas[0].Server: serviceType(),
		l.worker.role.Server: workerType(), l.relay.role.Server: relayType(),
		l.servers.DB.Server: databaseType(), l.cache.Server: cacheType(), l.broker.Server: brokerType(),
	}
	for _, n := range l.nodes[1:] {
		sizes[n.server.Server] = shardType()
	}
	for _, n := range l.nodes {
		// Else PostgreSQL might write earlier changes to disk in the middle of a round.
		if _, err := n.pool.ExecContext(ctx, `CHECKPOINT`); err != nil {
			return nil, fmt.Errorf("checkpoint %s: %w", n.name, err)
		}
	}
	return rig.InForce(ctx, sizes)
}

// findRush finds the rate at which lab 04's service saturates.
func (r *rush) findRush(ctx context.Context) (err error) {
	r.run.Progress("sending bursts of orders, until one is too much for the service of lab 04")
	r.saturation, err = rig.Limit(ctx, r.run, "the service of lab 04", measure.BurstConfig{
		Start: burstStart, Factor: burstFactor, Length: burstLength, Again: burstsAgain, Quotas: r.watch.Problems,
	}, r.before.Hit)
	return err
}

// compare runs the pairs, all at the rate of the rush. The workers finish all effects of a round
// before the next round begins.
func (r *rush) compare(ctx context.Context) (err error) {
	r.seen, err = rig.Rush{
		Rate: rushFactor * r.saturation, Length: rushLength, Pairs: pairs, Watch: r.watch, Drained: r.drained,
	}.Compare(ctx, r.run, r.before, r.after)
	return err
}

// drained waits until every order that the subject accepted in a round has all its effects.
func (r *rush) drained(ctx context.Context, round load.Result) error {
	for deadline := time.Now().Add(drainRoundTimeout); ; {
		var missing int
		err := r.trial.nodes[0].pool.QueryRowContext(ctx, `
SELECT count(*) FROM unnest($1::text[]) AS placed
WHERE (SELECT count(*) FROM order_effects WHERE order_id = placed) < $2`,
			pq.StringArray(round.Accepted()), len(bytebites.Effects())).Scan(&missing)
		if err != nil {
			return fmt.Errorf("count missing effects: %w", err)
		}
		if missing == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("a worker that does all effects of a round within %s", drainRoundTimeout),
				Seen:     fmt.Sprintf("%d orders with missing effects%s", missing, r.trial.warnings(ctx)), Waited: lab.Last(drainRoundTimeout),
				Look: lab.Look{File: "consumers.go", Func: "Consumers", Hint: "choose a larger prefetch for the mails, and at most 10 for the others"},
			}
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// completion is the time from an order to the last of its effects.
type completion struct{ Mean, P99 time.Duration }

// completionOf returns the completion of the orders that were accepted in a load.
func (l *trial) completionOf(ctx context.Context, r load.Result) (completion, error) {
	var mean, p99 float64
	err := l.nodes[0].pool.QueryRowContext(ctx, `
SELECT coalesce(avg(seconds), 0), coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds), 0)
FROM (SELECT extract(epoch FROM max(e.done_at) - min(o.placed_at))::float8 AS seconds
      FROM orders AS o JOIN order_effects AS e ON e.order_id = o.id WHERE o.id = ANY ($1) GROUP BY o.id) AS done`, pq.StringArray(r.Accepted())).Scan(&mean, &p99)
	if err != nil {
		return completion{}, fmt.Errorf("read completion of orders: %w", err)
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return completion{seconds(mean), seconds(p99)}, nil
}

// report adds the measured figures to the result, and keeps a table for the learner.
func (r *rush) report(ctx context.Context) error {
	rows := []struct {
		name   string
		result load.Result
		completion
	}{{name: "inside the request", result: load.Merge(r.seen.Before...)}, {name: "by way of the queue", result: load.Merge(r.seen.After...)}}
	var failures []error
	for i := range rows {
		var err error
		rows[i].completion, err = r.trial.completionOf(ctx, rows[i].result)
		failures = append(failures, err)
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	r.run.Report("rush of orders", rushFactor*r.saturation, "orders/s")
	r.run.Report("saturation goodput of the service before", r.saturation, "orders/s")
	for _, row := range rows {
		r.run.Report("order goodput in the rush, effects "+row.name, row.result.Goodput(), "orders/s")
		r.run.Report("failed in the rush, effects "+row.name, 100*row.result.FailureShare(), "%")
		r.run.Report("accepted after, on average, effects "+row.name, milliseconds(row.result.Latency.Mean()), "ms")
		r.run.Report("accepted after, 99th percentile, effects "+row.name, milliseconds(row.result.Latency.Quantile(0.99)), "ms")
		r.run.Report("complete after, on average, effects "+row.name, milliseconds(row.Mean), "ms")
		r.run.Report("complete after, 99th percentile, effects "+row.name, milliseconds(row.P99), "ms")
	}
	head := fmt.Sprintf("A rush of orders: %.1f a second, %.2f times what the service of lab %s saturates at, in rounds of %s.\n"+
		"One %s each; a mail takes %s. Accepted: from the time at which an order should go out to its answer, failed ones too.\n"+
		"Complete: from the placing of an order to the last of its effects; the worker is one more %s. Milliseconds.\n\n",
		rushFactor*r.saturation, rushFactor, before, rushLength, serviceType().Name, rushMail, workerType().Name)
	return evidence.Keep(Name, "rush.txt", evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "effects\torders/s\tfailed %\taccepted\tp99\tcomplete\tp99\t")
		for _, row := range rows {
			fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", row.name, row.result.Goodput(), 100*row.result.FailureShare(),
				milliseconds(row.result.Latency.Mean()), milliseconds(row.result.Latency.Quantile(0.99)), milliseconds(row.Mean), milliseconds(row.P99))
		}
	}))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
