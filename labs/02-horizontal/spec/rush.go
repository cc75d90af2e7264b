package spec

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// burstStart is the rate of the first burst, in requests a second. It is near the limit of one
	// replica on most machines.
	burstStart  = 12
	burstLength = 1500 * time.Millisecond
	// burstsAgain is the number of further bursts at that limit. A limit from a slow moment of the
	// machine would make a rush that is no overload in a quick moment.
	burstsAgain = 2
	// rushFactor is the rate of the rush, in multiples of one replica's limit. On a shared machine
	// the limit varies by a third, so 1.5 times a limit from a slow moment is hardly an overload.
	// With 1.75, three replicas get less than six tenths of their limit.
	rushFactor = 1.75
	// pairs and the length of their rounds are declared here, before any run. The queue of one
	// replica grows with the length of a round, so the rounds are short.
	pairs      = 6
	rushLength = 1200 * time.Millisecond
	// These figures are shown and not judged, so each is measured once. The bursts for all replicas
	// begin at nearlyAll times their number times the limit of one. The calm evening has belowKnee
	// times the limit of one.
	nearlyAll  = 0.75
	belowKnee  = 0.6
	sideLength = 1500 * time.Millisecond
)

//go:embed before.conf
var beforeConf []byte

// before is one replica of lab 01's service behind an nginx of its own.
type before struct {
	service   *testbed.Service
	generator load.Generator
}

func (l *trial) startBefore(ctx context.Context) error {
	const name = "lab-01-replica" // as the report names it beside its quota
	variant, err := rig.Start(ctx, l.servers.Bed, rig.Options{
		Service: testbed.ServiceOptions{
			Name: name, Package: solutions, Args: []string{"--through", "01"}, Type: size(),
			Postgres: l.servers.DB, MailSink: l.servers.Mail,
		},
		Dataset: l.servers.Dataset, People: people,
	})
	if err != nil {
		return err
	}
	nginx, err := l.servers.Bed.Nginx(ctx, testbed.NginxOptions{Name: "lab-01-nginx", Conf: beforeConf})
	if err != nil {
		return err
	}
	l.before = &before{service: variant.Service, generator: variant.Generator}
	l.before.generator.Target = nginx.URL()
	return nil
}

// rush is what the timed part measures.
type rush struct {
	run   *lab.Run
	watch *rig.Watch

	one, all   load.Generator // a replica, and all of them
	saturation float64        // of one, in right answers a second
	seen       rig.RushResult
	// goodputAll is all replicas' under overload, in right answers a second, and calm the
	// two below the knee.
	goodputAll       float64
	calmOne, calmAll load.Result
}

// rush measures the mean latency in a rush, of one replica and of all.
func (l *trial) rush(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	r, err := l.newRush(ctx, run)
	if err != nil {
		return lab.Measured{}, err
	}
	for _, step := range []func(context.Context) error{r.findRush, r.compare, r.calm, r.atMost} {
		if err := step(ctx); err != nil {
			return lab.Measured{}, err
		}
	}
	if err := r.report(); err != nil {
		return lab.Measured{}, err
	}
	measured, err := r.seen.Gain(rig.Sides{
		Before: []*testbed.Server{l.before.service.Server, l.servers.DB.Server},
		After:  append(l.fleet.Servers(), l.servers.DB.Server),
	})
	if err != nil {
		return lab.Measured{}, err // a machine that spoils rounds makes requests fail too
	}
	return measured, r.seen.Served("requests", lab.Look{File: "nginx.conf", Hint: "see rush.txt in " + evidenceFolder})
}

func (l *trial) newRush(ctx context.Context, run *lab.Run) (*rush, error) {
	// The load is orders only, as in lab 01. An order computes recommendations, so the service's CPU
	// is the bottleneck. With reads of the menu the database would be (fault 5, and lab 03).
	l.fleet.Generator.Mix = load.OnlyOrders()
	run.Progress("warming the replicas up again, at full speed")
	if err := l.fleet.WarmUp(ctx); err != nil {
		return nil, err
	}
	// Busy replicas answer the controller late. The effect of that is not measured here.
	if err := l.fleet.StopAsking(); err != nil {
		return nil, err
	}
	if err := l.fleet.Resize(ctx, size()); err != nil {
		return nil, err
	}
	if err := l.servers.DB.Resize(ctx, database()); err != nil {
		return nil, err
	}
	watch, err := rig.NewWatch(ctx, append(l.fleet.Servers(), l.servers.DB.Server, l.before.service.Server)...)
	if err != nil {
		return nil, err
	}
	r := &rush{run: run, watch: watch, one: l.before.generator, all: l.fleet.Generator}
	r.one.Mix = r.all.Mix
	return r, nil
}

// findRush finds the rate at which one replica saturates.
func (r *rush) findRush(ctx context.Context) (err error) {
	r.run.Progress("sending bursts of orders at rising rates, until the replica of lab 01 saturates")
	r.saturation, err = rig.Limit(ctx, r.run, "one replica",
		measure.BurstConfig{Start: burstStart, Length: burstLength, Again: burstsAgain, Quotas: r.watch.Problems}, r.one.Hit)
	return err
}

func (r *rush) see(result load.Result) { rig.ReportHost(r.run, result) }

// compare runs the pairs, all at the rate of the rush.
func (r *rush) compare(ctx context.Context) (err error) {
	r.seen, err = rig.Rush{
		Rate: rushFactor * r.saturation, Length: rushLength, Pairs: pairs, Watch: r.watch,
	}.Compare(ctx, r.run, r.one, r.all)
	return err
}

// atMost finds the goodput of all replicas. It does not begin with a burst far above it, because
// replicas that work on all requests at once would then be late with all of them.
func (r *rush) atMost(ctx context.Context) error {
	rate := nearlyAll * replicas * r.saturation
	r.run.Progress(fmt.Sprintf("sending bursts of orders at rising rates, until %d replicas saturate, from %.1f orders/s", replicas, rate))
	var bursts []load.Result
	found, err := measure.Bursts(ctx, measure.BurstConfig{
		Start: rate, Length: burstLength, Quotas: r.watch.Problems,
		OnBurst: func(result load.Result) {
			r.see(result)
			bursts = append(bursts, result)
		},
	}, r.all.Hit)
	r.goodputAll = found.Goodput
	rig.ChartRates(r.run, fmt.Sprintf("%d replicas", replicas), bursts, load.Result.SustainedGoodput)
	return err
}

// calm sends a rate below the limit of one replica to one and to all.
func (r *rush) calm(ctx context.Context) (err error) {
	rate := belowKnee * r.saturation
	r.run.Progress(fmt.Sprintf("a calm evening: %.1f requests/s", rate))
	if r.calmAll, err = r.all.Hit(ctx, rate, sideLength); err != nil {
		return err
	}
	r.calmOne, err = r.one.Hit(ctx, rate, sideLength)
	return err
}
