package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"
)

// Run is one run of a lab. Checks report through it what they saw beside their verdict.
type Run struct {
	Mode Mode
	// Progress is told what happens, a line at a time.
	Progress func(line string)

	mu       sync.Mutex
	result   Result
	hostSeen bool
}

// Timed reports whether the run judges measured times and rates.
func (r *Run) Timed() bool { return r.Mode.timed() }

// Report adds a figure to the result. A later one of the same name takes its place.
func (r *Run) Report(name string, value float64, unit string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, n := range r.result.Reported {
		if n.Name == name {
			r.result.Reported[i] = Number{name, value, unit}
			return
		}
	}
	r.result.Reported = append(r.result.Reported, Number{name, value, unit})
}

// Evidence names the folder with what the learner reads next.
func (r *Run) Evidence(folder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Evidence = folder
}

// ReportHost adds what a round of load saw of the machine: the worst of all rounds counts.
func (r *Run) ReportHost(latenessP99 time.Duration, idleShare float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	host := &r.result.Host
	host.GeneratorLatenessP99Seconds = max(host.GeneratorLatenessP99Seconds, latenessP99.Seconds())
	if !r.hostSeen || idleShare < host.IdleShare {
		host.IdleShare = idleShare
	}
	r.hostSeen = true
}

// ReportQuotas adds what containers were given.
func (r *Run) ReportQuotas(quotas ...Quota) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Host.Quotas = append(r.result.Host.Quotas, quotas...)
}

// Do runs a lab's checks, then, when no core check failed, its gains: a fast answer that
// is wrong gains nothing. The error is for what went wrong in ending the run.
func (l Lab) Do(ctx context.Context, run *Run) (Result, error) {
	began := time.Now()
	run.result = Result{
		Lab: l.Name, Verdict: Pass,
		Checks: []CheckResult{}, Gains: []GainResult{},
		Host: Host{CPUs: runtime.NumCPU()},
	}
	todos, err := Todos(l.Files, l.Name)
	if err != nil {
		return Result{}, err
	}
	run.result.Todos = todos
	if run.Mode == ModeVerify {
		run.result.Starter = l.Starter
	}

	end, err := l.prepare(ctx, run)
	if err == nil {
		for _, check := range l.Checks {
			if !check.Timed || run.Mode.timed() {
				l.check(ctx, run, check)
			}
		}
		for _, gain := range l.Gains {
			if !gain.Timed || run.Mode.timed() {
				l.gain(ctx, run, gain)
			}
		}
	}
	err = end()
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.result.Verdict == Pass {
		run.result.Next = l.Next
	}
	run.result.Seconds = time.Since(began).Seconds()
	return run.result, err
}

func (l Lab) prepare(ctx context.Context, run *Run) (end func() error, err error) {
	end = func() error { return nil }
	if l.Prepare == nil {
		return end, nil
	}
	began := time.Now()
	stop, err := l.Prepare(ctx, run)
	if stop != nil {
		end = stop
	}
	if err = inTime(ctx, err); err != nil {
		run.settle(CheckResult{
			Name: "start", Proves: "the lab's servers and the service start", Kind: Core,
			Verdict: Classify(err), Detail: err.Error(), Seconds: time.Since(began).Seconds(),
		})
	}
	return end, err
}

func (l Lab) check(ctx context.Context, run *Run, check Check) {
	result := CheckResult{Name: check.Name, Proves: check.Proves, Kind: check.Kind}
	if run.verdict() == Environment {
		result.Verdict = Skipped
		run.settle(result)
		return
	}
	run.say(fmt.Sprintf("check %s: %s", check.Name, check.Proves))
	began := time.Now()
	err := inTime(ctx, check.Run(ctx, run))
	result.Seconds = time.Since(began).Seconds()
	result.Verdict = Classify(err)
	if err != nil {
		result.Detail = err.Error()
	}
	run.settle(result)
}

func (l Lab) gain(ctx context.Context, run *Run, gain Gain) {
	result := GainResult{Name: gain.Name, Unit: gain.Unit, Floor: gain.Floor}
	if run.verdict() != Pass {
		result.Verdict = Skipped
		result.Detail = "not measured: a core check did not pass, and a fast wrong answer gains nothing"
	} else {
		run.say(fmt.Sprintf("gain %s: %s", gain.Name, gain.Proves))
		measured, err := gain.Measure(ctx, run)
		err = inTime(ctx, err)
		if err == nil && (math.IsNaN(measured.Ratio) || math.IsInf(measured.Ratio, 0)) {
			// JSON has no word for them, and they come from a side that measured nothing.
			err = &Doubt{Reason: fmt.Sprintf("no ratio of %g before and %g after", measured.Before, measured.After)}
			measured = Measured{}
		}
		result.Before, result.After, result.Ratio = measured.Before, measured.After, measured.Ratio
		result.Low, result.High, result.Pairs = measured.Low, measured.High, measured.Pairs
		if measured.Pairs == 0 {
			result.Low, result.High = measured.Ratio, measured.Ratio
		}
		result.Verdict, result.Detail = judge(result, err)
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.result.Gains = append(run.result.Gains, result)
	run.worsen(result.Verdict)
}

// judge holds an interval against its floor: only one that lies wholly on one side
// of the floor says anything.
func judge(g GainResult, err error) (Verdict, string) {
	switch {
	case err != nil:
		return Classify(err), err.Error()
	case g.Low >= g.Floor:
		return Pass, ""
	case g.High < g.Floor:
		failure := &Failure{
			Expected: fmt.Sprintf("at least %.3g times better", g.Floor),
			Seen:     fmt.Sprintf("%.3g times (%.3g %s before, %.3g after)", g.Ratio, g.Before, g.Unit, g.After),
		}
		return NotYet, failure.Error()
	default:
		return Inconclusive, fmt.Sprintf("the interval %.3g to %.3g holds the floor %.3g", g.Low, g.High, g.Floor)
	}
}

// inTime returns err, but of a run that was called off, or ran out of time, an error that
// blames nobody's code: a check that is cut short sees failures of its own making.
func inTime(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("the run ended before this did (%w): %s", context.Cause(ctx), err.Error())
}

func (r *Run) say(line string) {
	if r.Progress != nil {
		r.Progress(line)
	}
}

func (r *Run) verdict() Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result.Verdict
}

func (r *Run) settle(c CheckResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Checks = append(r.result.Checks, c)
	if c.Kind == Core || c.Verdict == Environment {
		r.worsen(c.Verdict)
	}
}

func (r *Run) worsen(v Verdict) {
	if v.severity() > r.result.Verdict.severity() {
		r.result.Verdict = v
	}
}

// Err returns the result as an error: nil for a pass, else what did not pass, a line
// each.
func (r Result) Err() error {
	if r.Verdict == Pass {
		return nil
	}
	errs := []error{fmt.Errorf("%s: %s", r.Lab, r.Verdict)}
	for _, c := range r.Checks {
		if c.Verdict != Pass && c.Verdict != Skipped {
			errs = append(errs, fmt.Errorf("check %s: %s: %s", c.Name, c.Verdict, c.Detail))
		}
	}
	for _, g := range r.Gains {
		if g.Verdict != Pass && g.Verdict != Skipped {
			errs = append(errs, fmt.Errorf("gain %s: %s: %s", g.Name, g.Verdict, g.Detail))
		}
	}
	return errors.Join(errs...)
}
