package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/load"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/spec"
	"bytebites.example/workshop/shared/stage"
)

const (
	// overload is how many times its saturation goodput the service without a cache is asked
	// for: enough to be sure that it is never idle.
	overload = 1.2
	// ask is how many times that saturation goodput the service with the cache is asked for:
	// more than it can do, too. Of a service at ease the answers take milliseconds, and the
	// load generator would have to be more exact than a busy machine lets it be.
	ask = 5 * goodputFloor
	// burstStart is the rate of the first burst by which the limit without a cache is found, in
	// requests a second. Two bursts must agree on it, and one more may raise it: taken in a slow
	// moment, or from one answer that was held up, it would make an overload that is none.
	burstStart  = 16
	burstFactor = 1.5
	burstLength = 1500 * time.Millisecond
	burstsAgain = 1
	// pairs is declared here, before any run.
	pairs = 6
	// roundLength is short, for there are many rounds.
	roundLength = 1500 * time.Millisecond
)

// timing is what the timed part measures.
type timing struct {
	run     *spec.Run
	watch   *stage.Watch
	without *stage.Variant
	with    *stage.Variant
}

// goodput compares browsing without and with the cache, the database on its quota.
func (l *lab) goodput(ctx context.Context, run *spec.Run) (spec.Measured, error) {
	t, err := l.newTiming(ctx, run)
	if err != nil {
		return spec.Measured{}, err
	}
	saturation, err := t.saturation(ctx)
	if err != nil {
		return spec.Measured{}, err
	}
	run.Progress(fmt.Sprintf("a pair to warm up and %d that count, without and with the cache", pairs))
	paired, err := measure.Paired(ctx, measure.PairedConfig{
		Pairs:  pairs,
		OnPair: func(p measure.Pair) { run.Progress(p.Describe(1, "requests/s")) },
	}, t.arm(t.without, overload*saturation), t.arm(t.with, ask*saturation))
	if err != nil {
		return spec.Measured{}, err
	}
	quotas, err := t.watch.Quotas(ctx)
	if err != nil {
		return spec.Measured{}, err
	}
	run.ReportQuotas(quotas...)
	return stage.Gain(paired)
}

// newTiming puts all quotas in force. The second replica has nothing to do.
func (l *lab) newTiming(ctx context.Context, run *spec.Run) (*timing, error) {
	if err := l.servers.DB.Resize(ctx, database()); err != nil {
		return nil, err
	}
	if err := l.server.Resize(ctx, cacheType()); err != nil {
		return nil, err
	}
	for _, v := range []*stage.Variant{l.without, l.one} {
		if err := v.Service.Resize(ctx, serviceType()); err != nil {
			return nil, err
		}
	}
	watch, err := stage.NewWatch(ctx, l.servers.DB.Server, l.server.Server, l.without.Service.Server, l.one.Service.Server)
	if err != nil {
		return nil, err
	}
	return &timing{run: run, watch: watch, without: l.without, with: l.one}, nil
}

// saturation finds the saturation goodput without a cache.
func (t *timing) saturation(ctx context.Context) (float64, error) {
	t.run.Progress("sending bursts, until one is too much for the service without a cache")
	return stage.Limit(ctx, t.run, "the service without a cache", measure.BurstConfig{
		Start: burstStart, Factor: burstFactor, Length: burstLength, Again: burstsAgain, Quotas: t.watch.Problems,
	}, browsing(t.without, 1).Hit)
}

// arm browses, in each round as other people: were they the same, the cache would have
// seen each of their requests before.
func (t *timing) arm(v *stage.Variant, rate float64) measure.Arm {
	seed := uint64(0)
	var hit measure.Hit = func(ctx context.Context, rate float64, length time.Duration) (load.Result, error) {
		seed++
		return browsing(v, seed).Hit(ctx, rate, length)
	}
	return hit.Arm(measure.RoundConfig{
		Rate: rate, Length: roundLength, Metric: measure.Goodput, Quotas: t.watch.Problems, OnResult: t.see,
	})
}

func (t *timing) see(r load.Result) { stage.ReportHost(t.run, r) }
