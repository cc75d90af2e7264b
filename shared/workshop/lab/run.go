package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/measure/chart"
)

// Run is one run of a lab. Checks report through it what they saw beside their verdict.
type Run struct {
	Mode Mode
	// Selection is the part of the lab that is run.
	Selection Selection
	// Progress is told what happens, a line at a time, and never by two callers at once.
	// May be nil before Do.
	Progress func(line string)
	// Series is the series of runs that the run is part of; nil for a run on its own.
	Series *Series
	// Machine tells when the machine had no idle time. Nil is a machine that always has some.
	Machine Machine

	// Ended is told the result so far, each time that a check has ended. It must not keep the result's
	// slices. May be nil.
	Ended func(Result)

	mu       sync.Mutex
	result   Result
	hostSeen bool
	timed    bool
}

// Timed reports whether the run judges measured times and rates.
func (r *Run) Timed() bool { return r.timed }

// bench judges what began at that time.
func (r *Run) bench(began time.Time) bench { return bench{machine: r.Machine, began: began} }

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

// Chart adds a chart to the result. A later one of the same name takes its place. Points that are
// not numbers are left out, because JSON has no such numbers.
func (r *Run) Chart(c chart.Chart) {
	c = c.Finite()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.result.Charts {
		if r.result.Charts[i].Name == c.Name {
			r.result.Charts[i] = c
			return
		}
	}
	r.result.Charts = append(r.result.Charts, c)
}

// AddToChart adds the series and the marks of a chart to the run's chart of the same name. The first chart of a
// name is added whole. A series or a mark replaces an earlier one of its name. So two variants that are measured
// one after the other are in one picture.
func (r *Run) AddToChart(c chart.Chart) {
	c = c.Finite()
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.result.Charts, func(known chart.Chart) bool { return known.Name == c.Name })
	if at < 0 {
		r.result.Charts = append(r.result.Charts, c)
		return
	}
	known := &r.result.Charts[at]
	for _, series := range c.Series {
		i := slices.IndexFunc(known.Series, func(old chart.Series) bool { return old.Name == series.Name })
		if i >= 0 {
			known.Series[i] = series
		} else {
			known.Series = append(known.Series, series)
		}
	}
	for _, m := range c.Marks {
		i := slices.IndexFunc(known.Marks, func(old chart.Mark) bool { return old.Name == m.Name })
		if i >= 0 {
			known.Marks[i] = m
		} else {
			known.Marks = append(known.Marks, m)
		}
	}
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
// is wrong gains nothing. A gain that is a count is also measured when a timed check or gain
// could not tell. The error is a *SelectionError, or what went wrong in ending the run.
func (l Lab) Do(ctx context.Context, run *Run) (Result, error) {
	began := time.Now()
	if run.Series != nil && run.Mode == ModeVerify {
		l = l.withoutGuards()
	}
	plan, err := l.plan(run.Mode, run.Selection)
	if err != nil {
		return Result{}, err
	}
	todos, err := Todos(l.Files, l.Name)
	if err != nil {
		return Result{}, err
	}
	run.result = Result{
		Lab: l.Name, Verdict: Pass, Step: run.Selection.Step, Only: run.Selection.Only, Names: run.Selection.Names, Serverless: run.Selection.Serverless,
		Checks: []CheckResult{}, Gains: []GainResult{},
		Host: Host{CPUs: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}, Todos: todos,
	}
	if run.Mode == ModeVerify {
		run.result.Starter = l.Starter
	}
	run.timed = slices.ContainsFunc(plan, func(p planned) bool { return p.timed() })
	run.Progress = oneAtATime(run.Progress)

	a := &attempt{lab: l, nodes: l.nodes(), run: run, state: make(map[string]state)}
	for len(plan) > 0 {
		next := max(1, a.together(plan))
		switch {
		case next > 1:
			a.checks(ctx, plan[:next])
		case plan[0].check != nil:
			a.check(ctx, plan[0])
		default:
			a.gain(ctx, plan[0])
		}
		plan = plan[next:]
	}
	err = a.end()
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.result.Verdict == Pass {
		run.result.Next = l.Next
	}
	run.result.WaitedSeconds = a.waited.Seconds()
	run.result.Seconds = (time.Since(began) - a.waited).Seconds()
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
	if r.counts(c) {
		r.worsen(c.Verdict)
	}
	if r.Ended != nil {
		r.Ended(r.result)
	}
}

// settledChecks returns how many results of checks and stages there are.
func (r *Run) settledChecks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.result.Checks)
}

// sortChecks sorts the results after the first ones by a rank of their names.
func (r *Run) sortChecks(first int, rank func(name string) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.result.Checks[first:], func(a, b CheckResult) int { return cmp.Compare(rank(a.Name), rank(b.Name)) })
}

// counts reports whether a check or stage has a say in the verdict of the run.
func (r *Run) counts(c CheckResult) bool {
	return c.Kind == Core || c.Verdict == Environment || r.result.Only == c.Name || slices.Contains(r.result.Names, c.Name)
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
