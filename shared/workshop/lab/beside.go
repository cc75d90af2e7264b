package lab

import (
	"context"
	"slices"
	"time"
)

const (
	// checksAtOnce is how many checks that share nothing run at a time on a busy machine. Each leaves the
	// processors idle for most of its time: it waits for a server, or for a time limit to pass.
	checksAtOnce = 3
	// mostChecksAtOnce is how many run at a time while idleToAdd cores of the machine have no work.
	mostChecksAtOnce = 5
	// idleToAdd is more than what a check needs on average, because it needs more at times.
	idleToAdd = 1.0
	// idleFor is the time over which the machine must have been idle. The next check begins no sooner after the
	// last, because the load of that one is to be seen first.
	idleFor = 1500 * time.Millisecond
	// lookAgain is the time after which a machine that was too busy is looked at again.
	lookAgain = 250 * time.Millisecond
)

// sharesNothing reports whether a planned node is a check that may run beside others: no clock judges it, and all stages
// that it stands on are Separate.
func (a *attempt) sharesNothing(p planned) bool {
	return p.check != nil && !p.timed() && !a.needsStage(p, func(s Stage) bool { return !s.Separate })
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
	waiting, running, began := slices.Clone(plan), 0, time.Time{}
	for len(waiting) > 0 || running > 0 {
		at := a.nextOf(waiting, plan)
		if at < 0 || !a.room(running, began) {
			select {
			case ended := <-done:
				a.settle(ended, false)
				running--
			case <-time.After(lookAgain):
			}
			continue
		}
		p := waiting[at]
		waiting = slices.Delete(waiting, at, at+1)
		result := resultOf(p)
		if result.Blocked = a.ready(ctx, p.node); result.Blocked != "" {
			a.settle(notReached(result), false)
			continue
		}
		running, began = running+1, time.Now()
		a.run.Progress(beginning(p.check))
		go func() { done <- a.judged(ctx, p.check, result) }()
	}
	a.run.sortChecks(first, func(name string) int {
		return slices.IndexFunc(a.nodes, func(n node) bool { return n.name == name })
	})
}

// room reports whether one more check may run beside those that run. The last of them began at that time. A machine that
// tells nothing of its idle time has room for checksAtOnce.
func (a *attempt) room(running int, began time.Time) bool {
	return running < checksAtOnce || running < mostChecksAtOnce && a.run.Machine != nil && a.idle(began)
}

// idle reports whether the machine has been idle enough for more work. The last work began at that time.
func (a *attempt) idle(began time.Time) bool {
	if time.Since(began) < idleFor {
		return false
	}
	now := time.Now()
	cores, _ := a.run.Machine.Busiest(now.Add(-idleFor), now, idleFor)
	return cores >= idleToAdd
}

// nextOf returns the place of the check that begins next, or -1 when all wait for others. Checks without servers go first, so that
// they are judged also where no server starts. Then those go first that others need, else these would be left over in the end, and
// run with nothing beside them.
func (a *attempt) nextOf(waiting, plan []planned) int {
	next, least := -1, 0
	for at, p := range waiting {
		if !a.needsEnded(p, plan) {
			continue
		}
		rank := 0
		if a.needsStage(p, func(Stage) bool { return true }) {
			rank += 2
		}
		if !slices.ContainsFunc(waiting, func(other planned) bool { return slices.Contains(other.needs, p.name) }) {
			rank++
		}
		if next < 0 || rank < least {
			next, least = at, rank
		}
	}
	return next
}

// needsStage reports whether a planned node stands on such a stage.
func (a *attempt) needsStage(p planned, which func(Stage) bool) bool {
	return needsStage(a.nodes, slices.IndexFunc(a.nodes, func(n node) bool { return n.name == p.name }), which)
}

// needsEnded reports whether those of the checks that p needs have ended.
func (a *attempt) needsEnded(p planned, checks []planned) bool {
	return !slices.ContainsFunc(checks, func(other planned) bool {
		_, over := a.state[other.name]
		return !over && slices.Contains(p.needs, other.name)
	})
}
