package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// sliceLength is the length of one observation of the gain.
	sliceLength = 2 * time.Second
	// slices is the number of slices around the peak: one to warm up and six that count, declared here
	// before any run.
	slicesAroundPeak = 7
	countedSlices    = slicesAroundPeak - 1
)

// stretch is a part of a dinner curve, as a load.Schedule of its own.
type stretch struct {
	curve load.Curve
	from  time.Duration
}

// Count implements load.Schedule.
func (s stretch) Count(d time.Duration) uint64 { return s.curve.Count(s.from+d) - s.first() }

// At implements load.Schedule.
func (s stretch) At(n uint64) time.Duration { return s.curve.At(s.first()+n) - s.from }

// Rate implements load.Schedule.
func (s stretch) Rate(elapsed time.Duration) float64 { return s.curve.Rate(s.from + elapsed) }

// first is the number of requests of the curve before the stretch.
func (s stretch) first() uint64 { return s.curve.Count(s.from) }

// aroundPeak is the part of a dinner that the gain compares.
func aroundPeak(length time.Duration) stretch {
	return stretch{curve: dinner.Curve(length), from: (length - slicesAroundPeak*sliceLength) / 2}
}

// rushLatency sends the minutes around the peak to the monolith, and compares each slice with the same
// slice of the dinner. The monolith has no faults to bear. In the same slices of the dinner the
// broker is killed and started.
//
// The pairs are not in the order ABBA, as those of other labs are. The dinner has its faults at announced
// times, so it cannot be repeated slice by slice. A drift of the machine between the
// two would favour one of them. It cannot explain a factor of 10, and a slice in which the machine had
// no idle time does not count.
func (l *trial) rushLatency(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	if l.live.monolith == nil || !l.live.played {
		return lab.Measured{}, errors.New("compare with the monolith: no dinner was played")
	}
	seen := l.live.seen
	part := aroundPeak(seen.Length)
	run.Progress(fmt.Sprintf("the monolith: %.0f s around the peak", (slicesAroundPeak * sliceLength).Seconds()))
	monolith, err := l.live.monolith.Attack(ctx, part, slicesAroundPeak*sliceLength)
	if err != nil {
		return lab.Measured{}, err
	}
	run.Report("failed around the peak, monolith", 100*monolith.FailureShare(), "%")
	run.Report("mean around the peak, monolith", milliseconds(monolith.Latency.Mean()), "ms")
	before := observations{machine: run.Machine, began: monolith.Started, requests: monolith.Requests}
	after := observations{machine: run.Machine, began: seen.Began, from: part.from, requests: seen.Result.Requests}
	paired, err := measure.Paired(ctx, measure.PairedConfig{
		Pairs: countedSlices, Better: measure.LowerIsBetter, Pause: time.Nanosecond, // all is recorded
		OnPair: func(p measure.Pair) { run.Progress(p.Describe(0, "ms")) },
	}, before.next, after.next)
	if err != nil {
		return lab.Measured{}, err
	}
	return rig.Gain(paired)
}

// observations are slices of a load that was sent, one after the other.
type observations struct {
	machine  lab.Machine // nil is a machine that always has idle time
	began    time.Time   // of the load
	from     time.Duration
	requests []load.RequestResult
	taken    int
}

// next is a measure.Arm. It observes the next slice. It returns a doubt when none is left, because too
// many did not count.
func (o *observations) next(context.Context) (measure.Observation, error) {
	if o.taken == slicesAroundPeak {
		return measure.Observation{}, &lab.Doubt{
			Reason: fmt.Sprintf("of %d slices around the peak too many had no idle CPU", slicesAroundPeak),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	from := o.from + time.Duration(o.taken)*sliceLength
	o.taken++
	seen := measure.Observation{Value: milliseconds(load.MeanBetween(o.requests, from, from+sliceLength)), Validity: measure.Validity{OK: true}}
	if o.machine == nil {
		return seen, nil
	}
	if idle, busy := o.machine.Busiest(o.began.Add(from), o.began.Add(from+sliceLength), sliceLength); busy {
		seen.Validity = measure.Validity{Reasons: []string{fmt.Sprintf("%.2f cores were idle", idle)}}
	}
	return seen, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
