package spec

import (
	"context"
	"fmt"
	"io"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// burstStart is the rate of the first burst by which one server's limit is found, in requests
	// a second. Two bursts must agree on it and two more may raise it: a statement that was held
	// up, or a slow moment of the machine, would else pass for it, and the rush be none.
	burstStart  = 90
	burstFactor = 1.5
	burstLength = time.Second
	burstsAgain = 2
	// rushFactor is how many times one server's limit comes in: more than the common 1.5, for what
	// a tenth of a core does moves by a third from moment to moment. Four are asked for half of
	// what they can do.
	rushFactor = 2.0
	// pairs and the length of their rounds are declared here, before any run.
	pairs      = 6
	rushLength = 750 * time.Millisecond
	// busyLength is how long shards are asked for about as much as they can do, to see how much
	// that is. It is long beside what the last order takes, for which most are idle already.
	busyLength = 2 * time.Second
	// maxFailures is the share of requests in the rush that may fail on four servers.
	maxFailures = 0.01
)

// rush is what the timed part measures.
type rush struct {
	run   *lab.Run
	watch *rig.Watch

	one, four  load.Generator // one server of user data, and four
	saturation float64        // of one, in right answers a second
	seen       rig.RushResult
	// What one of the four can do with only its people, and all of them, in right answers a second.
	goodputShard, goodputFour float64
}

// rush measures the mean latency in a rush of writes, with one server of user data and with four.
func (l *trial) rush(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	r, err := l.newRush(ctx, run)
	if err != nil {
		return lab.Measured{}, err
	}
	for _, step := range []func(context.Context) error{r.findRush, r.compare, r.atMost} {
		if err := step(ctx); err != nil {
			return lab.Measured{}, err
		}
	}
	if err := r.report(); err != nil {
		return lab.Measured{}, err
	}
	if failed := load.Merge(r.seen.After...); failed.FailureShare() >= maxFailures {
		return lab.Measured{}, &lab.Failure{
			Expected: fmt.Sprintf("less than %.0f %% of requests to fail in the rush", 100*maxFailures),
			Seen:     fmt.Sprintf("%.1f %%: %v", 100*failed.FailureShare(), failed.Failures), Look: lab.Look{Hint: "rush.txt in " + evidenceFolder},
		}
	}
	return rig.Gain(r.seen.Paired)
}

// newRush warms both services up, and puts all quotas in force. The second replica has nothing
// to do.
func (l *trial) newRush(ctx context.Context, run *lab.Run) (_ *rush, err error) {
	r := &rush{run: run}
	var warmUps []func(context.Context) error
	for service, g := range map[*testbed.Service]*load.Generator{l.without: &r.one, l.replicas[0]: &r.four} {
		if *g, err = l.userWrites(ctx, service); err != nil {
			return nil, err
		}
		warmUps = append(warmUps, func(ctx context.Context) error {
			_, err := g.Hit(ctx, burstStart, time.Second)
			return err
		})
	}
	if err := testbed.SideBySide(ctx, warmUps...); err != nil {
		return nil, err
	}
	sizes := map[*testbed.Server]instance.Type{
		l.without.Server: serviceType(), l.replicas[0].Server: serviceType(),
		l.servers.DB.Server: catalogueType(), l.cache.Server: cacheType(),
	}
	for _, n := range l.nodes[:1+shards] {
		// What was written up to now is not to be written to disk in the middle of a round.
		if _, err := n.pool.ExecContext(ctx, `CHECKPOINT`); err != nil {
			return nil, fmt.Errorf("write out %s: %w", n.server.Name(), err)
		}
		sizes[n.server.Server] = userDataType()
	}
	r.watch, err = rig.InForce(ctx, sizes)
	return r, err
}

// findRush finds what one server of user data saturates at.
func (r *rush) findRush(ctx context.Context) (err error) {
	r.run.Progress("sending bursts, until one is too much for one server of user data")
	r.saturation, err = rig.Limit(ctx, r.run, "the service with one server of user data", measure.BurstConfig{
		Start: burstStart, Factor: burstFactor, Length: burstLength, Again: burstsAgain, Quotas: r.watch.Problems,
	}, r.one.Hit)
	return err
}

// compare runs the pairs, all at the rate of the rush.
func (r *rush) compare(ctx context.Context) (err error) {
	r.seen, err = rig.Rush{
		Rate: rushFactor * r.saturation, Length: rushLength, Pairs: pairs, Watch: r.watch,
	}.Compare(ctx, r.run, r.one, r.four)
	return err
}

// asked are the shares of what one server does without shards that each shard is asked for in
// the end.
func asked() []float64 { return []float64{0.65, 0.8} }

// atMost finds what one shard can do, and what four of them can.
func (r *rush) atMost(ctx context.Context) (err error) {
	r.run.Progress("what one shard can do, and what four can")
	if r.goodputShard, err = r.goodput(ctx, ofShard1(r.four), 1); err != nil {
		return err
	}
	r.goodputFour, err = r.goodput(ctx, r.four, shards)
	return err
}

// goodput is the most that so many shards do, in right answers a second. They can do more than
// they answered while they were asked, for then much is half done; and more than all that they
// answered over the time until the last of it, for then most of them are idle.
func (r *rush) goodput(ctx context.Context, g load.Generator, of float64) (most float64, err error) {
	for _, share := range asked() {
		result, err := g.Hit(ctx, share*of*r.saturation, busyLength)
		if err != nil {
			return 0, err
		}
		rig.ReportHost(r.run, result)
		most = max(most, result.Goodput(), result.SustainedGoodput())
	}
	return most, nil
}

// report tells what was measured, and keeps it for the learner.
func (r *rush) report() error {
	one, four := load.Merge(r.seen.Before...), load.Merge(r.seen.After...)
	r.run.Report("saturation goodput with one server of user data", r.saturation, "requests/s")
	r.run.Report("goodput with four shards", r.goodputFour, "requests/s")
	r.run.Report("goodput with the people of one shard alone", r.goodputShard, "requests/s")
	r.run.Report("goodput, four shards to one server without the fence", r.goodputFour/r.saturation, "")
	if r.goodputShard > 0 {
		r.run.Report("goodput, four shards to one of them", r.goodputFour/r.goodputShard, "")
	}
	r.run.Report("failed in the rush with one", 100*one.FailureShare(), "%")
	r.run.Report("failed in the rush with four", 100*four.FailureShare(), "%")
	head := fmt.Sprintf("A rush of writes: %.0f requests a second, %.1f times what one server of user data saturates at, rounds of %s.\n"+
		"Every server of user data is a %s; they share one disk here. Latencies in milliseconds, from when a request was meant to go out.\n\n",
		rushFactor*r.saturation, rushFactor, rushLength, userDataType().Name)
	return evidence.Keep(Name, "rush.txt", evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "servers\tsent\tfailed %\tmean\tp50\tp95\tp99\t")
		for _, row := range []struct {
			servers int
			result  load.Result
		}{{1, one}, {shards, four}} {
			h := row.result.Latency
			ms := func(d time.Duration) float64 { return 1000 * d.Seconds() }
			fmt.Fprintf(w, "%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", row.servers, row.result.Sent, 100*row.result.FailureShare(),
				ms(h.Mean()), ms(h.Quantile(0.5)), ms(h.Quantile(0.95)), ms(h.Quantile(0.99)))
		}
	}))
}
