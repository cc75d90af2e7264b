package lab

import (
	"context"
	"slices"
)

// checksAtOnce is how many checks that share nothing run at a time. Each leaves the processors idle for most
// of its time: it waits for a server, or for a time limit to pass.
const checksAtOnce = 3

// sharesNothing reports whether a planned node is a check that may run beside others: no clock judges it, and all stages
// that it stands on are Separate.
func (a *attempt) sharesNothing(p planned) bool {
	at := slices.IndexFunc(a.nodes, func(n node) bool { return n.name == p.name })
	return p.check != nil && !p.timed() && !needsStage(a.nodes, at, func(s Stage) bool { return !s.Separate })
}

// together returns how many nodes at the front of a plan may run side by side. A run of a Series goes one by one, for
// several of these runs go on at a time.
func (a *attempt) together(plan []planned) int {
	n := 0
	for a.run.Series == nil && n < len(plan) && a.sharesNothing(plan[n]) {
		n++
	}
	return n
}

// checks runs checks that no clock judges side by side, each after the checks that it needs. The result lists them in the order of the plan,
// so that a report reads the same each time.
func (a *attempt) checks(ctx context.Context, plan []planned) {
	first := a.run.settledChecks()
	done := make(chan CheckResult)
	waiting, running := slices.Clone(plan), 0
	for len(waiting) > 0 || running > 0 {
		at := slices.IndexFunc(waiting, func(p planned) bool { return a.needsEnded(p, plan) })
		if at < 0 || running == checksAtOnce {
			a.settle(<-done, false)
			running--
			continue
		}
		p := waiting[at]
		waiting = slices.Delete(waiting, at, at+1)
		result := resultOf(p)
		if result.Blocked = a.ready(ctx, p.node); result.Blocked != "" {
			a.settle(notReached(result), false)
			continue
		}
		running++
		a.run.Progress(beginning(p.check))
		go func() { done <- a.judged(ctx, p.check, result) }()
	}
	a.run.sortChecks(first, func(name string) int {
		return slices.IndexFunc(a.nodes, func(n node) bool { return n.name == name })
	})
}

// needsEnded reports whether those of the checks that p needs have ended.
func (a *attempt) needsEnded(p planned, checks []planned) bool {
	return !slices.ContainsFunc(checks, func(other planned) bool {
		_, over := a.state[other.name]
		return !over && slices.Contains(p.needs, other.name)
	})
}
