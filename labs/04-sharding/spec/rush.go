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
	// burstStart is the rate of the first burst, in requests a second. Bursts find the limit of
	// one server. A slow moment of the machine looks like a limit too. So two bursts must agree,
	// and two more may raise the limit.
	burstStart  = 130
	burstFactor = 1.5
	burstLength = 750 * time.Millisecond
	burstsAgain = 2
	// rushFactor is the rate of the rush, as a multiple of one server's limit. It is more than the
	// common 1.5, because the limit of a tenth of a core varies by a third from moment to moment.
	// It is half the limit of four servers.
	rushFactor = 2.0
	// pairs is the number of pairs of rounds, and rushLength the length of a round. Both are
	// declared before any run.
	pairs      = 6
	rushLength = 500 * time.Millisecond
	// rushPause is short, because a round ends with its last answer, and none takes so long that it times out.
	rushPause = 150 * time.Millisecond
	// busyLength is the length of the load that measures the limit of shards. It is long beside the
	// time of the last order, when most shards are idle.
	busyLength = time.Second
	// busyShare is the rate at which each shard is loaded in the end, as a share of the saturation goodput of one
	// server without the fence. A shard with the fence answers two thirds of that.
	busyShare = 0.8
)

// rush is the timed part of the lab.
type rush struct {
	run   *lab.Run
	watch *rig.Watch

	one, four  load.Generator // one server of user data, and four
	saturation float64        // of one, in right answers a second
	seen       rig.RushResult
	// The limits of one of the four with only its subscribers, and of all four, in right answers
	// a second.
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
	measured, err := r.seen.Gain(l.sides())
	if err != nil {
		return lab.Measured{}, err // a machine that spoils rounds makes requests fail too
	}
	return measured, r.seen.Served("requests", lab.Look{File: "stores.go", Func: "stores.Write", Hint: "see rush.txt in .workshop/04-sharding"})
}

// sides are the servers of both services. The server of user data that the shards replace has no
// price after.
func (l *trial) sides() rig.Sides {
	sides := rig.Sides{
		Before: []*testbed.Server{l.without.Server, l.servers.DB.Server, l.cache.Server, l.nodes[0].server.Server},
		After:  []*testbed.Server{l.replicas[0].Server, l.servers.DB.Server, l.cache.Server},
	}
	for _, n := range l.nodes[1 : 1+shards] {
		sides.After = append(sides.After, n.server.Server)
	}
	return sides
}

// newRush warms both services up, and sets all quotas. The second replica stays idle.
func (l *trial) newRush(ctx context.Context, run *lab.Run) (_ *rush, err error) {
	r := &rush{run: run}
	var warmUps []func(context.Context) error
	for service, g := range map[*testbed.Service]*load.Generator{l.without: &r.one, l.replicas[0]: &r.four} {
		if *g, err = l.userWrites(ctx, service); err != nil {
			return nil, err
		}
		warmUps = append(warmUps, func(ctx context.Context) error {
			_, err := g.Hit(ctx, burstStart, time.Second/2)
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
		// Otherwise the rows written so far would be flushed to disk in the middle of a round.
		if _, err := n.pool.ExecContext(ctx, `CHECKPOINT`); err != nil {
			return nil, fmt.Errorf("write out %s: %w", n.server.Name(), err)
		}
		sizes[n.server.Server] = userDataType()
	}
	r.watch, err = rig.InForce(ctx, sizes)
	return r, err
}

// findRush finds the saturation goodput of one server of user data.
func (r *rush) findRush(ctx context.Context) (err error) {
	r.run.Progress("send bursts, until one overloads one server of user data")
	r.saturation, err = rig.Limit(ctx, r.run, "the service with one server of user data", measure.BurstConfig{
		Start: burstStart, Factor: burstFactor, Length: burstLength, Again: burstsAgain, Quotas: r.watch.Problems,
	}, r.one.Hit)
	return err
}

// compare runs the pairs of rounds, all at the rate of the rush.
func (r *rush) compare(ctx context.Context) (err error) {
	r.seen, err = rig.Rush{
		Rate: rushFactor * r.saturation, Length: rushLength, Pairs: pairs, Pause: rushPause, Watch: r.watch,
	}.Compare(ctx, r.run, r.one, r.four)
	return err
}

// atMost finds the limits of one shard and of four.
func (r *rush) atMost(ctx context.Context) (err error) {
	r.run.Progress("find the limits of one shard and of four")
	if r.goodputShard, err = r.goodput(ctx, ofShard1(r.four), 1); err != nil {
		return err
	}
	r.goodputFour, err = r.goodput(ctx, r.four, shards)
	return err
}

// goodput returns the limit of so many shards, in right answers a second. Two figures are both a
// little too low. The answers while the load lasts leave out requests under way at its end. All
// answers, over the time until the last one, include a time in which most shards are idle. The
// larger one counts.
func (r *rush) goodput(ctx context.Context, g load.Generator, of float64) (float64, error) {
	result, err := g.Hit(ctx, busyShare*of*r.saturation, busyLength)
	if err != nil {
		return 0, err
	}
	rig.ReportHost(r.run, result)
	return max(result.Goodput(), result.SustainedGoodput()), nil
}

// report reports the figures, and writes them to the evidence.
func (r *rush) report() error {
	one, four := load.Merge(r.seen.Before...), load.Merge(r.seen.After...)
	r.run.Report("saturation goodput with one server of user data", r.saturation, "requests/s")
	r.run.Report("goodput with four shards", r.goodputFour, "requests/s")
	r.run.Report("goodput with the subscribers of one shard alone", r.goodputShard, "requests/s")
	r.run.Report("goodput, four shards to one server without the fence", r.goodputFour/r.saturation, "")
	if r.goodputShard > 0 {
		r.run.Report("goodput, four shards to one of them", r.goodputFour/r.goodputShard, "")
	}
	r.run.Report("failed in the rush with one", 100*one.FailureShare(), "%")
	r.run.Report("failed in the rush with four", 100*four.FailureShare(), "%")
	head := fmt.Sprintf("A rush of writes: %.0f requests a second, %.1f times the saturation goodput of one server of user data, rounds of %s.\n"+
		"Every server of user data is a %s; they share one disk here. Latencies in milliseconds, from the scheduled time of each request.\n\n",
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
