package spec

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// What the lesson states about the rush.
const (
	// meanLimit is the limit of the mean latency over the whole rush, with the windows of the faults.
	meanLimit = 150 * time.Millisecond
	// failureShare is the share of the requests outside of the windows that may fail.
	failureShare = 0.001
	// latencyFloor is the least factor between the mean latencies of the monolith and of everything.
	latencyFloor = 10
)

// liveNeeds are the stage, and every quick check of the plan: a plan that one of them rejects is not
// played.
func liveNeeds() []string {
	return []string{"plan", "two of a kind", "working set", "ceiling", stageDinner}
}

// liveChecks are the checks that judge one dinner.
func (l *trial) liveChecks() []lab.Check {
	return []lab.Check{
		{Name: "ledger", Kind: lab.Core, Step: 6, Needs: liveNeeds(), Timeout: playTimeout, Run: l.ledger,
			Proves: "each accepted order is once on its shard, and no meal is sold that is not there"},
		{Name: "effects", Kind: lab.Core, Step: 6, Needs: liveNeeds(), Timeout: playTimeout, Run: l.effects,
			Proves: "each order is booked, mailed and planned once, whatever dies"},
		{Name: "few failures", Kind: lab.Core, Step: 6, Needs: liveNeeds(), Timeout: playTimeout, Run: l.fewFailures,
			Proves: "fewer than 1 in 1,000 requests fail outside of the announced windows"},
		{Name: "rolled back", Kind: lab.Core, Step: 6, Needs: liveNeeds(), Timeout: playTimeout, Run: l.rolledBack,
			Proves: "a bad deployment gets no request, and leaves nothing behind"},
		{Name: "what ran", Kind: lab.Core, Step: 6, Needs: liveNeeds(), Timeout: playTimeout, Run: l.whatRan,
			Proves: "what really ran costs less than the ceiling"},
		{Name: "mean latency", Kind: lab.Core, Step: 6, Needs: append(liveNeeds(), "few failures"), Timed: true, Timeout: playTimeout, Run: l.meanLatency,
			Proves: "the mean of the whole rush is under 150 ms, with the windows of the faults"},
	}
}

// liveGains is the gain of the lab.
func (l *trial) liveGains() []lab.Gain {
	return []lab.Gain{{
		Name: "rush latency", Unit: "ms", Floor: latencyFloor, Timed: true, Needs: []string{stageDinner}, Measure: l.rushLatency,
		Proves: "mean latency in the minutes around the peak, of the monolith and of everything",
	}}
}

// playOnce plays the dinner once in a run, and returns its observations.
func (l *trial) playOnce(ctx context.Context, run *lab.Run) (rushSeen, error) {
	if !l.live.played {
		l.live.played = true
		l.live.seen, l.live.err = l.play(ctx, run)
	}
	return l.live.seen, l.live.err
}

func (l *trial) play(ctx context.Context, run *lab.Run) (seen rushSeen, err error) {
	length := untimedLength
	if run.Timed() {
		length = timedLength
	}
	run.Progress(fmt.Sprintf("the dinner rush: %.0f s stand for 4 to 7 PM, up to %.0f requests/s", length.Seconds(), dinner.Curve(length).Peak))
	if seen.Seen, err = l.live.stack.Play(ctx, length, dinner.Announced(length)); err != nil {
		return seen, err
	}
	rig.ReportHost(run, seen.Result)
	if err := l.quotas(ctx, run); err != nil {
		return seen, err
	}
	if seen.books, err = l.live.stack.CloseBooks(ctx, seen.Seen); err != nil {
		return seen, err
	}
	seen.steps = l.live.stack.Steps(ctx)
	if seen.entries, err = l.live.stack.Entries(ctx); err != nil {
		return seen, err
	}
	p, err := l.planned()
	if err != nil {
		return seen, err
	}
	seen.price = p.Price(evening, seen.ReplicaHours())
	return seen, l.report(ctx, run, seen, p)
}

// quotas reports the quotas of the servers. The error is a doubt when one is not in force.
func (l *trial) quotas(ctx context.Context, run *lab.Run) error {
	problems, err := l.live.watch.Problems(ctx)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return &lab.Doubt{Reason: "quotas are not in force: " + strings.Join(problems, "; "), Remedy: "restart the Docker engine, and check again"}
	}
	quotas, err := l.live.watch.Quotas(ctx)
	run.ReportQuotas(quotas...)
	return err
}
