package spec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// maxListed is how many mistakes a failure lists.
const maxListed = 3

// few joins the first mistakes, and counts the rest.
func few(all []string) string {
	text := strings.Join(all[:min(len(all), maxListed)], "; ")
	if more := len(all) - maxListed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// ledger judges the orders and the stock.
func (l *trial) ledger(ctx context.Context, run *lab.Run) error {
	seen, err := l.playOnce(ctx, run)
	if err != nil {
		return err
	}
	return seen.ledger()
}

func (s rushSeen) ledger() error {
	if bad := slices.Concat(s.books.Wrong, s.books.Stock); len(bad) > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d accepted orders, each once on its shard, and stock that agrees with them", s.books.Accepted),
			Seen:     few(bad), Look: lookPlan("the plan cannot cause this: run `check 04` and `check 05` on your labs"),
		}
	}
	if s.books.Accepted == 0 {
		return &lab.Failure{Expected: "orders", Seen: "none was accepted", Look: lookPlan("can the replicas reach the shards?")}
	}
	return nil
}

// effects judges the effects of the orders.
func (l *trial) effects(ctx context.Context, run *lab.Run) error {
	seen, err := l.playOnce(ctx, run)
	if err != nil {
		return err
	}
	return seen.effects()
}

func (s rushSeen) effects() error {
	if len(s.books.Undone) == 0 {
		return nil
	}
	var seen []string
	var waits []lab.Waited
	for _, u := range s.books.Undone {
		seen, waits = append(seen, u.What), append(waits, u.Waited)
	}
	failure := &lab.Failure{
		Expected: fmt.Sprintf("each effect of %d orders once", len(s.books.Orders)),
		Seen:     few(seen), Waited: lab.All(waits...), Look: lookPlan("are the workers enough to drain the backlog of the broker's outage?"),
	}
	s.blame(failure, dinner.Workers, dinner.Shards)
	return failure
}

const (
	// atQuota is the utilisation, as a share of the quota, of a part that gets no more CPU.
	atQuota = 0.95
	// tooLong is the share of the rush for which only a part that is too small is at its quota. A part that
	// catches up on what a busy machine has left behind is at its quota for seconds.
	tooLong = 0.2
)

// tooSmall returns the first of some parts that was at its quota for too long.
func (s rushSeen) tooSmall(parts ...dinner.Part) (part dinner.Part, found bool) {
	for _, part := range parts {
		full := 0
		for _, sample := range s.Usage {
			if sample.Share[part] >= atQuota {
				full++
			}
		}
		if full > 0 && float64(full) >= tooLong*float64(len(s.Usage)) {
			return part, true
		}
	}
	return "", false
}

// blame lays a failure for want of time on the first of some parts that is too small. Such a failure does not
// depend on the machine: a busy machine keeps a part away from its quota.
func (s rushSeen) blame(failure *lab.Failure, parts ...dinner.Part) {
	if part, found := s.tooSmall(parts...); found && failure.Waited.Each > 0 {
		failure.Waited = lab.Waited{}
		failure.Look = lookPlan(fmt.Sprintf("give %s a larger type, or more of them: they were at their quota for %.0f %% of the rush or more; see parts.txt", part, 100*tooLong))
	}
}

// answering returns the parts of the plan that a request waits for.
func answering() []dinner.Part {
	return []dinner.Part{dinner.Replicas, dinner.Catalogue, dinner.Shards, dinner.Cache}
}

// outside returns the requests outside of all windows, and those of them that failed.
func (s rushSeen) outside() (all int, failed []load.RequestResult) {
	for _, r := range s.Result.Requests {
		if slices.ContainsFunc(s.Events, func(e dinner.Event) bool { return e.Excuses(r) }) {
			continue
		}
		all++
		if r.Cause != "" {
			failed = append(failed, r)
		}
	}
	return all, failed
}

// cutShare is the share of cut connections, of the failures for want of time, that these explain: servers that answer
// too late also end some connections.
const cutShare = 0.05

// fewFailures judges the requests outside of the windows.
func (l *trial) fewFailures(ctx context.Context, run *lab.Run) error {
	seen, err := l.playOnce(ctx, run)
	if err != nil {
		return err
	}
	return seen.fewFailures()
}

func (s rushSeen) fewFailures() error {
	all, failed := s.outside()
	allowed := max(0, int(math.Ceil(failureShare*float64(all)))-1) // less than that share
	if len(failed) <= allowed {
		return nil
	}
	cut := func(r load.RequestResult) bool { return r.Cause == load.CauseConnection }
	failure := &lab.Failure{
		Expected: fmt.Sprintf("at most %d of %d requests to fail outside of the announced windows", allowed, all),
		Seen:     fmt.Sprintf("%d: %s; see rush.txt in %s", len(failed), causes(failed), evidenceFolder),
		Look:     lookPlan("which part was at its quota then? See parts.txt"),
	}
	uncut := slices.DeleteFunc(slices.Clone(failed), cut)
	if cuts := len(failed) - len(uncut); cuts <= allowed || float64(cuts) <= cutShare*float64(len(uncut)) {
		failure.Waited = s.late(uncut)
		s.blame(failure, answering()...)
	}
	return failure
}

// causes counts failed requests by cause.
func causes(failed []load.RequestResult) string {
	count := make(map[string]int)
	for _, r := range failed {
		count[r.Cause]++
	}
	return load.Causes(count)
}

// late returns the wait that failed requests rest on, as rig.LateLoad does for a whole load. It is zero
// when one failed for another reason than the want of time.
func (s rushSeen) late(failed []load.RequestResult) lab.Waited {
	part := load.Result{Failures: make(map[string]int)}
	from, to := s.Length, time.Duration(0)
	for _, r := range failed {
		part.Failed++
		part.Failures[r.Cause]++
		from, to = min(from, r.Intended), max(to, r.Intended+r.Latency)
	}
	if !part.Late() {
		return lab.Waited{}
	}
	return lab.Waited{From: s.Began.Add(from), To: s.Began.Add(to), Each: load.DefaultTimeout}
}

// rolledBack judges the bad deployment.
func (l *trial) rolledBack(ctx context.Context, run *lab.Run) error {
	seen, err := l.playOnce(ctx, run)
	if err != nil {
		return err
	}
	return seen.rolledBack()
}

func (s rushSeen) rolledBack() error {
	look := lookPlan("does parts.txt show a part at its quota? If not, the plan cannot cause this: run `check 02` and `check 04` on your labs")
	switch r := s.Release; {
	case r.Served:
		return &lab.Failure{Expected: "a replica that does not become ready without the last shard", Seen: "it became ready", Look: look}
	case r.Left > 0 || r.After == 0:
		return &lab.Failure{
			Expected: "no container of the deployment after the rollback, and all others behind nginx",
			Seen:     fmt.Sprintf("%d containers of it, and %d replicas behind nginx", r.Left, r.After), Look: look,
		}
	}
	at := slices.IndexFunc(s.Events, func(e dinner.Event) bool { return e.Kind == dinner.BadDeployment })
	if at < 0 {
		return errors.New("judge deployment: none happened")
	}
	var lost []load.RequestResult
	for _, r := range s.Result.Requests {
		if r.Cause != "" && s.Events[at].Overlaps(r) {
			lost = append(lost, r)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return &lab.Failure{
		Expected: "no request lost during the bad deployment",
		Seen:     fmt.Sprintf("%d: %s", len(lost), causes(lost)), Waited: s.late(lost), Look: look,
	}
}

// whatRan judges the bill of the servers that ran.
func (l *trial) whatRan(ctx context.Context, run *lab.Run) error {
	seen, err := l.playOnce(ctx, run)
	if err != nil {
		return err
	}
	return seen.whatRan()
}

func (s rushSeen) whatRan() error {
	if s.price > ceilingDollars {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most $%.2f for what ran in the evening", ceilingDollars),
			Seen:     fmt.Sprintf("$%.2f for %.1f instance-hours of replicas and all other servers", s.price, s.ReplicaHours()),
			Look:     lookPlan("which part has a smaller size that would still hold? See parts.txt"),
		}
	}
	return nil
}

// meanLatency judges all requests of the rush. A failed request counts with the time until it failed.
func (l *trial) meanLatency(ctx context.Context, run *lab.Run) error {
	seen, err := l.playOnce(ctx, run)
	if err != nil {
		return err
	}
	return seen.meanLatency()
}

func (s rushSeen) meanLatency() error {
	mean := s.Result.Latency.Mean()
	if mean < meanLimit {
		return nil
	}
	failure := &lab.Failure{
		Expected: fmt.Sprintf("a mean latency under %v over the whole rush", meanLimit),
		Seen:     fmt.Sprintf("%v; see rush.txt and parts.txt in %s", mean.Round(time.Millisecond), evidenceFolder),
		Waited:   lab.Waited{From: s.Began, To: s.Ended, Each: sliceLength},
		Look:     lookPlan("which part was at its quota?"),
	}
	s.blame(failure, answering()...)
	return failure
}
