package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Run is one run of a lab. Checks report through it what they saw beside their verdict.
type Run struct {
	Mode Mode
	// Selection is the part of the lab that is run.
	Selection Selection
	// Progress is told what happens, a line at a time, and never by two callers at once.
	// May be nil before Do.
	Progress func(line string)

	mu       sync.Mutex
	result   Result
	hostSeen bool
	timed    bool
}

// Timed reports whether the run judges measured times and rates.
func (r *Run) Timed() bool { return r.timed }

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

// Do runs what the selection asks for, and what that needs: checks, and then gains. In a run
// of the whole lab, gains are measured only when no core check failed: a fast answer that
// is wrong gains nothing. The error is a *SelectionError, or what went wrong in ending the run.
func (l Lab) Do(ctx context.Context, run *Run) (Result, error) {
	began := time.Now()
	plan, err := l.plan(run.Mode, run.Selection)
	if err != nil {
		return Result{}, err
	}
	todos, err := Todos(l.Files, l.Name)
	if err != nil {
		return Result{}, err
	}
	run.result = Result{
		Lab: l.Name, Verdict: Pass, Step: run.Selection.Step, Only: run.Selection.Only,
		Checks: []CheckResult{}, Gains: []GainResult{},
		Host: Host{CPUs: runtime.NumCPU()}, Todos: todos,
	}
	if run.Mode == ModeVerify {
		run.result.Starter = l.Starter
	}
	run.timed = slices.ContainsFunc(plan, func(p planned) bool { return p.timed() })
	run.Progress = oneAtATime(run.Progress)

	a := &attempt{lab: l, nodes: l.nodes(), run: run, state: make(map[string]state)}
	for _, p := range plan {
		if p.check != nil {
			a.check(ctx, p)
		} else {
			a.gain(ctx, p)
		}
	}
	err = a.end()
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.result.Verdict == Pass {
		run.result.Next = l.Next
	}
	run.result.Seconds = time.Since(began).Seconds()
	return run.result, err
}

// oneAtATime returns a progress that stages which start side by side may call.
func oneAtATime(progress func(string)) func(string) {
	if progress == nil {
		return func(string) {}
	}
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		progress(line)
	}
}

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
	ends    []func() error // of the stages, in the order in which they were started
	state   map[string]state
	broken  string // the stage, check or gain that the environment failed
}

// end ends the stages, the last first, and gives the machine back.
func (a *attempt) end() error {
	var errs []error
	for _, end := range slices.Backward(a.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// ready brings up what a check or gain needs, and returns what keeps it from being judged:
// the name of a stage or check, or "".
func (a *attempt) ready(ctx context.Context, n node) (blocked string) {
	if a.broken != "" {
		return a.broken
	}
	for _, need := range n.needs {
		if s, done := a.state[need]; done && !s.passed {
			return s.blocked
		}
	}
	if blocked := a.stand(ctx, n); blocked != "" {
		return blocked
	}
	return a.broken
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
	result.judge(err)
	a.settle(result)
	return s.name
}

// settle notes what came of a check or stage.
func (a *attempt) settle(c CheckResult) {
	s := state{passed: c.Verdict == Pass, blocked: c.Name}
	if c.Blocked != "" {
		s.blocked = c.Blocked
	}
	a.state[c.Name] = s
	if c.Verdict == Environment && a.broken == "" {
		a.broken = c.Name
	}
	a.run.settle(c)
}

func (a *attempt) check(ctx context.Context, p planned) {
	check := p.check
	result := CheckResult{Name: check.Name, Proves: check.Proves, Kind: check.Kind, Step: check.Step, Needed: !p.asked}
	if result.Blocked = a.ready(ctx, p.node); result.Blocked != "" {
		result.Verdict, result.Detail = NotReached, "needs "+result.Blocked
		a.settle(result)
		return
	}
	a.run.Progress(fmt.Sprintf("check %s: %s", check.Name, check.Proves))
	began := time.Now()
	err := inTime(ctx, orDefault(check.Timeout, defaultCheckTimeout), "check "+check.Name,
		func(ctx context.Context) error { return check.Run(ctx, a.run) })
	result.Seconds = time.Since(began).Seconds()
	result.judge(err)
	a.settle(result)
}

func (a *attempt) gain(ctx context.Context, p planned) {
	gain := p.gain
	result := GainResult{Name: gain.Name, Unit: gain.Unit, Floor: gain.Floor}
	switch blocked := a.ready(ctx, p.node); {
	case a.run.verdict() != Pass:
		result.Verdict, result.Blocked = NotReached, blocked
		result.Detail = "not measured: a core check did not pass, and a fast wrong answer gains nothing"
	case blocked != "":
		result.Verdict, result.Blocked, result.Detail = NotReached, blocked, "needs "+blocked
	default:
		a.run.Progress(fmt.Sprintf("gain %s: %s", gain.Name, gain.Proves))
		result.measure(ctx, gain, a.run)
	}
	if result.Verdict == Environment && a.broken == "" {
		a.broken = gain.Name
	}
	a.run.gained(result)
}

func (g *GainResult) measure(ctx context.Context, gain *Gain, run *Run) {
	measured, err := gain.Measure(ctx, run)
	err = calledOff(ctx, err)
	if err == nil && (math.IsNaN(measured.Ratio) || math.IsInf(measured.Ratio, 0)) {
		// JSON has no word for them. They come from a side that measured nothing.
		err = &Doubt{Reason: fmt.Sprintf("no ratio of %g before and %g after", measured.Before, measured.After)}
		measured = Measured{}
	}
	g.Before, g.After, g.Ratio = measured.Before, measured.After, measured.Ratio
	g.Low, g.High, g.Pairs = measured.Low, measured.High, measured.Pairs
	if measured.Pairs == 0 {
		g.Low, g.High = measured.Ratio, measured.Ratio
	}
	if err == nil {
		err = g.againstFloor()
	}
	if g.Verdict, g.Failure, g.Doubt = classify(err); err != nil {
		g.Detail = err.Error()
	}
}

// againstFloor holds the interval against the floor: only one that lies wholly on one side
// of the floor says anything.
func (g *GainResult) againstFloor() error {
	switch {
	case g.Low >= g.Floor:
		return nil
	case g.High < g.Floor:
		return &Failure{
			Expected: fmt.Sprintf("at least %.3g times better", g.Floor),
			Seen:     fmt.Sprintf("%.3g times (%.3g %s before, %.3g after)", g.Ratio, g.Before, g.Unit, g.After),
		}
	default:
		return &Doubt{Reason: fmt.Sprintf("the interval %.3g to %.3g holds the floor %.3g", g.Low, g.High, g.Floor)}
	}
}

func (c *CheckResult) judge(err error) {
	if c.Verdict, c.Failure, c.Doubt = classify(err); err != nil {
		c.Detail = err.Error()
	}
}

func orDefault(timeout, otherwise time.Duration) time.Duration {
	if timeout > 0 {
		return timeout
	}
	return otherwise
}

// inTime bounds work. Work that exceeds its time, or that the run's end cuts short, sees
// failures of its own making, so its error blames no code.
func inTime(ctx context.Context, timeout time.Duration, name string, work func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
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
	bounded, cancel := context.WithCancelCause(ctx)
	limit := time.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	err := start(bounded)
	if limit.Stop() || ctx.Err() != nil {
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

// calledOff returns err, or after the end of the run an error that blames no code.
func calledOff(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("the run ended before this did (%w): %s", context.Cause(ctx), err.Error())
}

func (r *Run) verdict() Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result.Verdict
}

func (r *Run) stageUp(s StageResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Stages = append(r.result.Stages, s)
}

func (r *Run) settle(c CheckResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Checks = append(r.result.Checks, c)
	if c.Kind == Core || c.Verdict == Environment || r.result.Only == c.Name {
		r.worsen(c.Verdict)
	}
}

func (r *Run) gained(g GainResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Gains = append(r.result.Gains, g)
	r.worsen(g.Verdict)
}

func (r *Run) worsen(v Verdict) {
	if v.severity() > r.result.Verdict.severity() {
		r.result.Verdict = v
	}
}

// Err returns the result as an error: nil for a pass, else a line for each check and gain
// that did not pass. Those that were not reached are left out: what they need is there.
func (r Result) Err() error {
	if r.Verdict == Pass {
		return nil
	}
	errs := []error{fmt.Errorf("%s: %s", r.Lab, r.Verdict)}
	for _, c := range r.Checks {
		if c.Verdict != Pass && c.Verdict != NotReached {
			errs = append(errs, fmt.Errorf("check %s: %s: %s", c.Name, c.Verdict, c.Detail))
		}
	}
	for _, g := range r.Gains {
		if g.Verdict != Pass && g.Verdict != NotReached {
			errs = append(errs, fmt.Errorf("gain %s: %s: %s", g.Name, g.Verdict, g.Detail))
		}
	}
	return errors.Join(errs...)
}
