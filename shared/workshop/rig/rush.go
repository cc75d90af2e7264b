package rig

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Rush says how two variants are compared in a rush that is too much for the first.
type Rush struct {
	Rate   float64       // of both, in requests a second
	Length time.Duration // of a round
	Pairs  int           // that count, declared before any run
	Pause  time.Duration // between rounds; 0 for that of measure.PairedConfig
	Watch  *Watch        // of the servers whose quotas the figures rest on
	// Drained, unless nil, is called after each round of the second variant. It returns
	// when the work that the variant has put off is done, so that it does not burden the
	// next round.
	Drained func(ctx context.Context, round load.Result) error
}

// RushResult is what a rush showed.
type RushResult struct {
	Paired measure.PairedResult // of mean latencies, in milliseconds
	// Before and After are the results of all rounds of either variant.
	Before, After []load.Result
}

// Compare sends the rush to both variants in turn. It reports the machine and the quotas, and charts
// the latencies and the pairs.
func (r Rush) Compare(ctx context.Context, run *lab.Run, before, after load.Generator) (seen RushResult, err error) {
	run.Progress(fmt.Sprintf("the rush: %.1f requests/s, a pair of rounds to warm up and %d that count", r.Rate, r.Pairs))
	arm := func(g load.Generator, results *[]load.Result) measure.Arm {
		return measure.Hit(g.Hit).Arm(measure.RoundConfig{
			Rate: r.Rate, Length: r.Length, Metric: meanMilliseconds, Quotas: r.Watch.Problems,
			OnResult: func(result load.Result) {
				ReportHost(run, result)
				*results = append(*results, result)
			},
		})
	}
	seen.Paired, err = measure.Paired(ctx, measure.PairedConfig{
		Pairs: r.Pairs, Pause: r.Pause, Better: measure.LowerIsBetter, Rush: true,
		OnPair: func(p measure.Pair) { run.Progress(p.Describe(0, "ms")) },
	}, arm(before, &seen.Before), r.thenDrained(arm(after, &seen.After), &seen.After))
	if err != nil {
		return seen, err
	}
	run.Chart(LatencyCurves("Latency in the rush", seen.Before, seen.After))
	run.Chart(PairsChart(chart.Axis{Name: "mean latency", Unit: "ms"}, seen.Paired))
	quotas, err := r.Watch.Quotas(ctx)
	run.ReportQuotas(quotas...)
	return seen, err
}

// maxFailures is the share of requests that may fail at the second variant.
const maxFailures = 0.01

// Served demands that the second variant answered the requests of the rush. What names them, such as
// orders. The error is a *lab.Failure when too many failed.
func (r RushResult) Served(what string, look lab.Look) error {
	after := load.Merge(r.After...)
	if after.FailureShare() < maxFailures {
		return nil
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("less than %.0f %% of %s to fail in the rush", 100*maxFailures, what),
		Seen:     fmt.Sprintf("%.1f %%: %s", 100*after.FailureShare(), load.Causes(after.Failures)), Waited: LateLoad(r.After...),
		Look: look,
	}
}

// thenDrained runs a round and then waits until its work is done. The round's result is the
// last of all.
func (r Rush) thenDrained(round measure.Arm, all *[]load.Result) measure.Arm {
	if r.Drained == nil {
		return round
	}
	return func(ctx context.Context) (measure.Observation, error) {
		seen, err := round(ctx)
		if err != nil {
			return seen, err
		}
		if err := r.Drained(ctx, (*all)[len(*all)-1]); err != nil {
			return seen, fmt.Errorf("drain: %w", err)
		}
		return seen, nil
	}
}

// meanMilliseconds is measure.MeanLatency in the gain's unit.
func meanMilliseconds(r load.Result) float64 { return 1000 * measure.MeanLatency(r) }
