package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/usl"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// mailDelay is how long the mail server takes to accept a message. It is waiting, not
	// work: no machine of ours makes it shorter.
	mailDelay = 150 * time.Millisecond
	// overload is how many times its saturation goodput a variant is asked for where its
	// goodput is measured: enough to be sure that it is never idle, little enough for the
	// line to be short when the round ends.
	overload = 1.15
	// A ramp is short: it only finds out what overload is.
	rampLevel  = 2 * time.Second
	rampFactor = 1.5
	rampLevels = 6
	// untunedStart and tunedStart are the first rates of the ramps, in requests a second. Both are about
	// the limit of a slow machine, because a ramp that begins far above it must begin anew.
	untunedStart = 6
	tunedStart   = 16
	// pairs is declared here, before any run.
	pairs = 6
	// roundLength is enough for a dozen answers of the untuned service.
	roundLength = 2500 * time.Millisecond
	// pause lets the line of an overloaded round drain; three times as long after failures.
	pause = 150 * time.Millisecond
	// What is shown and not judged is measured in fewer and shorter rounds.
	aloneRounds = 2
	sideLength  = 2 * time.Second
)

// curveSizes are the CPU quotas, in cores, at which the tuned service is measured for its
// scalability curve. The largest is the large type, which the pairs have measured.
func curveSizes() []float64 { return []float64{0.25, 0.35, 0.5, 0.65, 0.8} }

// scale is what the timed part measures.
type scale struct {
	run     *lab.Run
	watch   *rig.Watch
	untuned *rig.Variant
	tuned   *rig.Variant

	paired measure.PairedResult
	// alone are rounds of the untuned service on the large type, in orders a second.
	alone []float64
	curve []usl.Point
	// smallDatabase is the tuned service's goodput when the database has the small type.
	smallDatabase float64
}

// gain measures what tuning and four times the CPU buy together, and shows beside it what
// each size of machine buys alone.
func (l *trial) gain(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	watch, err := rig.NewWatch(ctx, l.servers.DB.Server, l.untuned.Service.Server, l.tuned.Service.Server)
	if err != nil {
		return lab.Measured{}, err
	}
	s := &scale{run: run, watch: watch, untuned: l.untuned, tuned: l.tuned}
	if err := s.compare(ctx); err != nil {
		return lab.Measured{}, err
	}
	measured, err := rig.GoodputGain(s.paired, rig.Sides{
		Before: []*testbed.Server{l.untuned.Service.Server, l.servers.DB.Server},
		After:  []*testbed.Server{l.tuned.Service.Server, l.servers.DB.Server},
	})
	if err != nil {
		return lab.Measured{}, err
	}
	// What follows is shown and not judged.
	if err := s.buyOnlyTheMachine(ctx); err != nil {
		return lab.Measured{}, err
	}
	if err := s.shrinkDatabase(ctx, l.servers.DB); err != nil {
		return lab.Measured{}, err
	}
	if err := s.measureCurve(ctx); err != nil {
		return lab.Measured{}, err
	}
	return measured, s.report(l.subject.Size)
}

// compare runs the pairs.
func (s *scale) compare(ctx context.Context) error {
	before, err := s.saturation(ctx, s.untuned, untunedStart)
	if err != nil {
		return err
	}
	after, err := s.saturation(ctx, s.tuned, tunedStart)
	if err != nil {
		return err
	}
	s.run.Progress(fmt.Sprintf("a pair to warm up and %d that count, untuned on %s and tuned on %s", pairs, small().Name, large().Name))
	s.paired, err = measure.Paired(ctx, measure.PairedConfig{
		Pairs: pairs, Pause: pause,
		OnPair: func(p measure.Pair) { s.run.Progress(p.Describe(1, "orders/s")) },
	}, s.arm(s.untuned, overload*before), s.arm(s.tuned, overload*after))
	if err != nil {
		return err
	}
	s.run.Chart(rig.PairsChart(chart.Axis{Name: "right answers", Unit: "orders/s"}, s.paired))
	quotas, err := s.watch.Quotas(ctx)
	s.run.ReportQuotas(quotas...)
	return err
}

// orders returns a generator of nothing but orders.
func orders(v *rig.Variant) load.Generator {
	g := v.Generator
	g.Mix = load.OnlyOrders()
	return g
}

// saturation finds a variant's saturation goodput by a short ramp.
func (s *scale) saturation(ctx context.Context, v *rig.Variant, start float64) (float64, error) {
	s.run.Progress(fmt.Sprintf("raising the rate of orders until %s is overloaded", v.Service.Name()))
	return rig.Saturation(ctx, s.run, v.Service.Name(), measure.RampConfig{
		Start: start, Factor: rampFactor, Level: rampLevel, MaxLevels: rampLevels, Quotas: s.watch.Problems,
	}, orders(v).Hit)
}

// arm is rounds of a variant at a rate of overload.
func (s *scale) arm(v *rig.Variant, rate float64) measure.Arm {
	return measure.Hit(orders(v).Hit).Arm(measure.RoundConfig{Rate: rate, Length: roundLength, Metric: measure.Goodput, Quotas: s.watch.Problems, OnResult: s.see})
}

func (s *scale) see(r load.Result) { rig.ReportHost(s.run, r) }

// goodput measures a variant once, at a rate of overload.
func (s *scale) goodput(ctx context.Context, v *rig.Variant, rate float64) (float64, error) {
	result, err := orders(v).Hit(ctx, rate, sideLength)
	if err != nil {
		return 0, err
	}
	s.see(result)
	return result.Goodput(), nil
}

// buyOnlyTheMachine gives the untuned service the large type.
func (s *scale) buyOnlyTheMachine(ctx context.Context) error {
	s.run.Progress("the untuned service on " + large().Name)
	if err := s.untuned.Service.Resize(ctx, large()); err != nil {
		return err
	}
	for range aloneRounds {
		// Were four times the CPU worth 1.3 times the orders, it would show.
		seen, err := s.goodput(ctx, s.untuned, overload*s.paired.Before)
		if err != nil {
			return err
		}
		s.alone = append(s.alone, seen)
	}
	return s.untuned.Service.Stop(ctx)
}

// shrinkDatabase gives the database the small type for a moment.
func (s *scale) shrinkDatabase(ctx context.Context, db *testbed.Postgres) (err error) {
	s.run.Progress("the tuned service with its database on " + small().Name)
	if err := db.Resize(ctx, small()); err != nil {
		return err
	}
	if s.smallDatabase, err = s.goodput(ctx, s.tuned, overload*s.paired.After); err != nil {
		return err
	}
	return db.Resize(ctx, database())
}

// measureCurve measures the tuned service at several quotas.
func (s *scale) measureCurve(ctx context.Context) error {
	s.run.Progress(fmt.Sprintf("the tuned service on %d further sizes", len(curveSizes())))
	for _, cpu := range curveSizes() {
		size := large()
		size.Name, size.CPU = fmt.Sprintf("%.2f CPU", cpu), cpu
		if err := s.tuned.Service.Resize(ctx, size); err != nil {
			return err
		}
		share := cpu / large().CPU
		seen, err := s.goodput(ctx, s.tuned, overload*s.paired.After*share)
		if err != nil {
			return err
		}
		s.curve = append(s.curve, usl.Point{N: cpu / small().CPU, X: seen})
	}
	s.curve = append(s.curve, usl.Point{N: large().CPU / small().CPU, X: s.paired.After})
	return s.tuned.Service.Resize(ctx, large())
}

// capacities are the rented sizes among those of the curve.
func (s *scale) capacities() []instance.Capacity {
	var measured []instance.Capacity
	for _, t := range instance.Types() {
		for _, p := range s.curve {
			if p.N == t.CPU/small().CPU {
				measured = append(measured, instance.Capacity{Type: t, Goodput: p.X})
			}
		}
	}
	return measured
}
