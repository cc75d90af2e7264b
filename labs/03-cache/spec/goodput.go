package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// Rates are multiples of the saturation goodput of the service without a cache. At
	// overWithout that service is never idle.
	overWithout = 1.2
	// overWith overloads the service with the cache too. A service that is not overloaded
	// answers in milliseconds, and a busy machine cannot send load that exactly.
	overWith = 5 * goodputFloor
	// The ramp is short, because it only finds the saturation goodput.
	rampStart  = 12 // requests per second
	rampFactor = 1.6
	rampLevel  = 1500 * time.Millisecond
	rampLevels = 6
	// pairs is the number of pairs of rounds that count, declared before any run.
	pairs = 6
	// roundLength is short because there are many rounds.
	roundLength = 2 * time.Second
)

// timing is a comparison of the two services on their quotas.
type timing struct {
	run     *lab.Run
	watch   *rig.Watch
	without *rig.Variant
	with    *rig.Variant
}

// goodput compares browsing without and with the cache while the database is on its quota.
func (l *trial) goodput(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	t, err := l.newTiming(ctx, run)
	if err != nil {
		return lab.Measured{}, err
	}
	saturation, err := t.saturation(ctx)
	if err != nil {
		return lab.Measured{}, err
	}
	run.Progress(fmt.Sprintf("browse without and with the cache: one pair of rounds to warm up, %d that count", pairs))
	paired, err := measure.Paired(ctx, measure.PairedConfig{
		Pairs:  pairs,
		OnPair: func(p measure.Pair) { run.Progress(p.Describe(1, "requests/s")) },
	}, t.arm(t.without, overWithout*saturation), t.arm(t.with, overWith*saturation))
	if err != nil {
		return lab.Measured{}, err
	}
	run.Chart(rig.PairsChart(chart.Axis{Name: "right answers", Unit: "requests/s"}, paired))
	quotas, err := t.watch.Quotas(ctx)
	if err != nil {
		return lab.Measured{}, err
	}
	run.ReportQuotas(quotas...)
	return rig.GoodputGain(paired, rig.Sides{
		Before: []*testbed.Server{l.without.Service.Server, l.servers.DB.Server},
		After:  []*testbed.Server{l.one.Service.Server, l.servers.DB.Server, l.server.Server},
	})
}

// newTiming puts all quotas in force. The second replica gets no load and no quota.
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

// saturation finds the saturation goodput of the service without a cache by a short ramp.
func (t *timing) saturation(ctx context.Context) (float64, error) {
	t.run.Progress("raise the rate until the service without a cache is overloaded")
	return rig.Saturation(ctx, t.run, "the service without a cache", measure.RampConfig{
		Start: rampStart, Factor: rampFactor, Level: rampLevel, MaxLevels: rampLevels, Quotas: t.watch.Problems,
	}, browsing(t.without, 1).Hit)
}

// arm browses with another seed in each round. With the same seed the cache would have seen
// every request of the round before.
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
