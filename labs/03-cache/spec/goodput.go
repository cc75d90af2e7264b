package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// overload is how many times its saturation goodput the service without a cache is asked
	// for: enough to be sure that it is never idle.
	overload = 1.2
	// ask is how many times that saturation goodput the service with the cache is asked for:
	// more than it can do, too. Of a service at ease the answers take milliseconds, and the
	// load generator would have to be more exact than a busy machine lets it be.
	ask = 5 * goodputFloor
	// A ramp is short: it only finds out what overload is.
	rampStart  = 12 // requests a second
	rampFactor = 1.6
	rampLevel  = 1500 * time.Millisecond
	rampLevels = 6
	// pairs is declared here, before any run.
	pairs = 6
	// roundLength is short, for there are many rounds.
	roundLength = 2 * time.Second
)

// timing is what the timed part measures.
type timing struct {
	run     *lab.Run
	watch   *rig.Watch
	without *rig.Variant
	with    *rig.Variant
}

// goodput compares browsing without and with the cache, the database on its quota.
func (l *trial) goodput(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	t, err := l.newTiming(ctx, run)
	if err != nil {
		return lab.Measured{}, err
	}
	saturation, err := t.saturation(ctx)
	if err != nil {
		return lab.Measured{}, err
	}
	run.Progress(fmt.Sprintf("a pair to warm up and %d that count, without and with the cache", pairs))
	paired, err := measure.Paired(ctx, measure.PairedConfig{
		Pairs:  pairs,
		OnPair: func(p measure.Pair) { run.Progress(p.Describe(1, "requests/s")) },
	}, t.arm(t.without, overload*saturation), t.arm(t.with, ask*saturation))
	if err != nil {
		return lab.Measured{}, err
	}
	quotas, err := t.watch.Quotas(ctx)
	if err != nil {
		return lab.Measured{}, err
	}
	run.ReportQuotas(quotas...)
	return rig.Gain(paired)
}

// newTiming puts all quotas in force. The second replica has nothing to do.
func (l *trial) newTiming(ctx context.Context, run *lab.Run) (*timing, error) {
	if err := l.servers.DB.Resize(ctx, database()); err != nil {
		return nil, err
	}
	if err := l.server.Resize(ctx, cacheType()); err != nil {
		return nil, err
	}
	for _, v := range []*rig.Variant{l.without, l.one} {
		if err := v.Service.Resize(ctx, serviceType()); err != nil {
			return nil, err
		}
	}
	watch, err := rig.NewWatch(ctx, l.servers.DB.Server, l.server.Server, l.without.Service.Server, l.one.Service.Server)
	if err != nil {
		return nil, err
	}
	return &timing{run: run, watch: watch, without: l.without, with: l.one}, nil
}

// saturation finds the saturation goodput without a cache by a short ramp.
func (t *timing) saturation(ctx context.Context) (float64, error) {
	t.run.Progress("raising the rate until the service without a cache is overloaded")
	return rig.Saturation(ctx, t.run, "the service without a cache", measure.RampConfig{
		Start: rampStart, Factor: rampFactor, Level: rampLevel, MaxLevels: rampLevels, Quotas: t.watch.Problems,
	}, browsing(t.without, 1).Hit)
}

// arm browses, in each round as other people: were they the same, the cache would have
// seen each of their requests before.
func (t *timing) arm(v *rig.Variant, rate float64) measure.Arm {
	seed := uint64(0)
	var hit measure.Hit = func(ctx context.Context, rate float64, length time.Duration) (load.Result, error) {
		seed++
		return browsing(v, seed).Hit(ctx, rate, length)
	}
	return hit.Arm(measure.RoundConfig{
		Rate: rate, Length: roundLength, Metric: measure.Goodput, Quotas: t.watch.Problems, OnResult: t.see,
	})
}

func (t *timing) see(r load.Result) { rig.ReportHost(t.run, r) }
