package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/testbed/hostlock"
)

// state is how far a stage or check has come.
type state struct {
	passed bool
	// blocked names what kept it from passing: itself, when it failed.
	blocked string
}

// attempt is a run under way.
type attempt struct {
	lab   Lab
	nodes []node
	run   *Run

	claimed bool
	waited  time.Duration  // for the machine
	ends    []func() error // of the stages, in the order in which they were started
	state   map[string]state
	broken  string // the stage, check or gain that the environment failed
	// unproved says that a core check showed the code to be wrong, or could not show it to be
	// right. A timed check that could not tell does not count: it left the correctness to others.
	unproved bool
}

// end ends the stages, the last first, and gives the machine back.
func (a *attempt) end() error {
	var errs []error
	for _, end := range slices.Backward(a.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// ready brings up the needs of a check or gain. It returns the name of the stage or check
// without which the check cannot be judged, or "".
func (a *attempt) ready(ctx context.Context, n node) (blocked string) {
	if blocked := a.blocked(n); blocked != "" {
		return blocked
	}
	if blocked := a.stand(ctx, n); blocked != "" {
		return blocked
	}
	return a.broken
}

// blocked returns the name of a need of the node that did not pass, or of what the environment failed, or "". It
// starts nothing.
func (a *attempt) blocked(n node) string {
	if a.broken != "" {
		return a.broken
	}
	for _, need := range n.needs {
		if s, done := a.state[need]; done && !s.passed {
			return s.blocked
		}
	}
	return ""
}

// stand brings up the stages that a node needs and that are not up yet. Those that need
// nothing more start side by side. It returns the name of the stage that failed, or "".
func (a *attempt) stand(ctx context.Context, n node) (blocked string) {
	at := slices.IndexFunc(a.nodes, func(other node) bool { return other.name == n.name })
	for {
		var next []node
		for _, place := range closure(a.nodes, at) {
			s := a.nodes[place]
			if s.stage == nil {
				continue
			}
			if known, done := a.state[s.name]; done {
				if !known.passed {
					return known.blocked
				}
				continue
			}
			if !slices.ContainsFunc(s.needs, func(need string) bool { return !a.state[need].passed }) {
				next = append(next, s)
			}
		}
		if len(next) == 0 {
			return ""
		}
		if err := a.claim(ctx); err != nil {
			return a.failStage(next[0], fmt.Errorf("wait for the machine: %w", err), 0)
		}
		a.startSideBySide(ctx, next)
	}
}

func (a *attempt) claim(ctx context.Context) error {
	if a.claimed || a.lab.Claim == nil {
		return nil
	}
	began := time.Now()
	defer func() { a.waited += time.Since(began) }()
	if a.run.Series != nil {
		err := a.run.Series.claim(ctx, a.run, a.lab.Claim)
		a.claimed = err == nil
		return err
	}
	release, err := a.lab.Claim(ctx, a.run)
	if err != nil {
		return err
	}
	a.claimed = true
	a.ends = append(a.ends, func() error { release(); return nil })
	return nil
}

func (a *attempt) startSideBySide(ctx context.Context, stages []node) {
	type started struct {
		end     func() error
		err     error
		seconds float64
	}
	all := make([]started, len(stages))
	var starting sync.WaitGroup
	for i, s := range stages {
		a.run.Progress("start " + s.stage.Starts)
		starting.Go(func() {
			began := time.Now()
			all[i].err = startInTime(ctx, orDefault(s.stage.Timeout, defaultStageTimeout), "stage "+s.name,
				func(ctx context.Context) (err error) {
					all[i].end, err = s.stage.Start(ctx, a.run)
					return err
				})
			all[i].seconds = time.Since(began).Seconds()
		})
	}
	starting.Wait()
	for i, s := range stages {
		if all[i].end != nil {
			a.ends = append(a.ends, all[i].end)
		}
		if all[i].err != nil {
			a.failStage(s, all[i].err, all[i].seconds)
			continue
		}
		a.state[s.name] = state{passed: true}
		a.run.stageUp(StageResult{Name: s.name, Seconds: all[i].seconds})
	}
}

// failStage notes a stage that did not start, as a check that did not pass.
func (a *attempt) failStage(s node, err error, seconds float64) (blocked string) {
	result := CheckResult{Name: s.name, Proves: s.stage.Starts + " can be started", Kind: Core, Seconds: seconds}
	began := time.Now().Add(-time.Duration(seconds * float64(time.Second)))
	result.judge(a.run.bench(began), err)
	a.settle(result, false)
	return s.name
}

// settle notes the result of a check or stage.
func (a *attempt) settle(c CheckResult, timed bool) {
	s := state{passed: c.Verdict == Pass, blocked: c.Name}
	if c.Blocked != "" {
		s.blocked = c.Blocked
	}
	a.state[c.Name] = s
	if c.Verdict == Environment && a.broken == "" {
		a.broken = c.Name
	}
	busy := timed && c.Verdict == Inconclusive
	a.unproved = a.unproved || a.run.counts(c) && c.Verdict.severity() > 0 && !busy
	a.run.settle(c)
}

// check runs a check after what it needs.
func (a *attempt) check(ctx context.Context, p planned) {
	result := resultOf(p)
	if result.Blocked = a.ready(ctx, p.node); result.Blocked != "" {
		a.settle(notReached(result), p.timed())
		return
	}
	a.run.Progress(beginning(p.check))
	a.settle(a.judged(ctx, p.check, result), p.timed())
}

// beginning says which check begins, for the progress.
func beginning(check *Check) string { return fmt.Sprintf("check %s: %s", check.Name, check.Proves) }

// resultOf returns the result of a check that has not run.
func resultOf(p planned) CheckResult {
	return CheckResult{Name: p.check.Name, Proves: p.check.Proves, Kind: p.check.Kind, Step: p.check.Step, Needed: !p.asked}
}

// notReached returns the result of a check that is blocked.
func notReached(result CheckResult) CheckResult {
	result.Verdict, result.Detail = NotReached, "needs "+result.Blocked
	return result
}

// judged runs a check and adds its verdict to its result.
func (a *attempt) judged(ctx context.Context, check *Check, result CheckResult) CheckResult {
	began := time.Now()
	err := inTime(ctx, orDefault(check.Timeout, defaultCheckTimeout), "check "+check.Name,
		func(ctx context.Context) error { return check.Run(ctx, a.run) })
	result.Seconds = time.Since(began).Seconds()
	result.judge(a.run.bench(began), err)
	return result
}

func (a *attempt) gain(ctx context.Context, p planned) {
	gain := p.gain
	result := GainResult{Name: gain.Name, Unit: gain.Unit, Floor: gain.Floor}
	if a.run.verdict() != Pass && (gain.Timed || a.unproved) {
		result.Verdict, result.Blocked = NotReached, a.blocked(p.node)
		result.Detail = "not measured: a core check did not pass, and a fast wrong answer gains nothing"
	} else if blocked := a.ready(ctx, p.node); blocked != "" {
		result.Verdict, result.Blocked, result.Detail = NotReached, blocked, "needs "+blocked
	} else {
		a.run.Progress(fmt.Sprintf("gain %s: %s", gain.Name, gain.Proves))
		result.measure(ctx, gain, a.run)
	}
	if result.Verdict == Environment && a.broken == "" {
		a.broken = gain.Name
	}
	a.run.gained(result)
}

func (g *GainResult) measure(ctx context.Context, gain *Gain, run *Run) {
	bench := run.bench(time.Now())
	measured, err := gain.Measure(ctx, run)
	err = calledOff(ctx, err)
	if err == nil && (math.IsNaN(measured.Ratio) || math.IsInf(measured.Ratio, 0)) {
		// JSON has no word for them. They come from a side that measured nothing.
		err = &Doubt{Reason: fmt.Sprintf("no ratio of %g before and %g after", measured.Before, measured.After)}
		measured = Measured{}
	}
	g.Before, g.After, g.Ratio = measured.Before, measured.After, measured.Ratio
	g.Low, g.High, g.Pairs = measured.Low, measured.High, measured.Pairs
	g.BeforeCost, g.AfterCost = measured.BeforeCost, measured.AfterCost
	if measured.Pairs == 0 {
		g.Low, g.High = measured.Ratio, measured.Ratio
	}
	if err == nil {
		err = g.againstFloor(measured.AtLeast)
	}
	if g.Verdict, g.Failure, g.Doubt = bench.classify(err); err != nil {
		g.Detail = err.Error()
	}
}

// againstFloor holds the interval against the floor: only one that lies wholly on one side
// of the floor says anything. One that is only a lower bound can say no more than that the floor is reached.
func (g *GainResult) againstFloor(atLeast bool) error {
	switch {
	case g.Low >= g.Floor:
		return nil
	case atLeast:
		return &Doubt{
			Reason: fmt.Sprintf("the variant after answered nearly all of what it was sent, so its gain may be more than %.3g times", g.Ratio),
			Remedy: "close what else runs on this machine, and check again",
		}
	case g.High < g.Floor:
		return &Failure{
			Expected: fmt.Sprintf("at least %.3g times better", g.Floor),
			Seen:     fmt.Sprintf("%.3g times (%.3g %s before, %.3g after)", g.Ratio, g.Before, g.Unit, g.After),
		}
	default:
		return &Doubt{Reason: fmt.Sprintf("the interval %.3g to %.3g holds the floor %.3g", g.Low, g.High, g.Floor)}
	}
}

func (c *CheckResult) judge(b bench, err error) {
	if c.Verdict, c.Failure, c.Doubt = b.classify(err); err != nil {
		c.Detail = err.Error()
	}
}

func orDefault(timeout, otherwise time.Duration) time.Duration {
	if timeout > 0 {
		return timeout
	}
	return otherwise
}

// inTime bounds work; waiting for the machine does not count. Work that exceeds its time, or that the run's end cuts short, sees
// failures of its own making, so its error blames no code.
func inTime(ctx context.Context, timeout time.Duration, name string, work func(context.Context) error) error {
	bounded, cancel := hostlock.WithTimeout(ctx, timeout)
	defer cancel()
	err := work(bounded)
	if err == nil || ctx.Err() != nil || bounded.Err() == nil {
		return calledOff(ctx, err)
	}
	return tooLate(name, timeout, err)
}

// startInTime bounds the start of a stage as inTime bounds a check. What the stage started
// may end with its context, so that ends with the run, or when the start takes too long.
func startInTime(ctx context.Context, timeout time.Duration, name string, start func(context.Context) error) error {
	bounded, lift := hostlock.WithLimit(ctx, timeout)
	err := start(bounded)
	if lift() || ctx.Err() != nil {
		return calledOff(ctx, err)
	}
	if err == nil {
		err = context.Cause(bounded)
	}
	return tooLate(name, timeout, err)
}

func tooLate(name string, timeout time.Duration, err error) error {
	return &Doubt{
		Reason: fmt.Sprintf("%s did not end within %s; the last it said: %s", name, timeout, err.Error()),
		Remedy: "close what else runs on this machine, and run it again",
	}
}

// calledOff returns err, or after the end of the run an error that blames no code. A run whose
// time is over was too slow; one that was interrupted says nothing at all.
func calledOff(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return &Doubt{
			Reason: "the time of the run was over before this ended: " + err.Error(),
			Remedy: "close what else runs on this machine, and run it again; in go test, with more time: -timeout 30m",
		}
	}
	return fmt.Errorf("the run ended before this did (%w): %s", context.Cause(ctx), err.Error())
}
