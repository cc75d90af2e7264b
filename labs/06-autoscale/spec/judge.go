package spec

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// between returns the load from one time until another.
func (s liveSeen) between(from, until time.Time) load.Result {
	var parts []load.Result
	for _, part := range s.slices {
		if !part.at.Before(from) && part.at.Before(until) {
			parts = append(parts, part.result)
		}
	}
	return load.Merge(parts...)
}

// judged is the part of the rush in which the service level must be kept: the end of a rush that ended
// early, else what comes after restoredWithin.
func (s liveSeen) judged() load.Result {
	if !s.steady.IsZero() {
		return s.between(s.steady, s.fall)
	}
	return s.between(s.rise.Add(restoredWithin), s.rise.Add(rushLength))
}

// keeps reports whether the requests of a load kept the service level.
func keeps(r load.Result) bool { return r.Sent > 0 && r.Latency.Quantile(0.95) < serviceLevel }

// restored is the time from the rise of the load until the service level was kept to the end of the
// rush. It is 0 when the rush kept it throughout, and the whole rush when the end did not.
func (s liveSeen) restored() time.Duration {
	took := rushLength
	for _, part := range slices.Backward(s.slices) {
		switch since := part.at.Sub(s.rise); {
		case !part.at.Before(s.fall):
		case since < 0:
			return 0
		case !keeps(part.result):
			return took
		default:
			took = since
		}
	}
	return took
}

// inRush is the wait of the rush: requests that were late in any second of it.
func (s liveSeen) inRush() lab.Waited {
	return lab.Waited{From: s.roseOn, To: s.fellOn, Each: sliceLength}
}

// replicasFollow judges the number of replicas and the service level.
func (l *trial) replicasFollow(ctx context.Context, run *lab.Run) error {
	seen, err := l.live(ctx, run)
	if err != nil {
		return err
	}
	if err := seen.followed(); err != nil {
		return err
	}
	if end := seen.judged(); !keeps(end) {
		return &lab.Failure{
			Expected: fmt.Sprintf("95 of 100 requests within %v, from %v of the story after the load rose", serviceLevel, restoredWithin),
			Seen:     fmt.Sprintf("%v; see live.txt in %s", end.Latency.Quantile(0.95).Round(time.Millisecond), evidenceFolder),
			Waited:   seen.inRush(), Look: lookSettle("when did it add replicas, and how many?"),
		}
	}
	if seen.back == 0 {
		if err := seen.blindCalm(); err != nil {
			return err
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("%d replicas within %v of the story after the load fell", fewest, backWithin),
			Seen:     fmt.Sprintf("%d; see live.txt in %s", seen.changes[len(seen.changes)-1].Running, evidenceFolder),
			Waited:   lab.Waited{From: seen.fellOn, Each: sliceLength}, Look: lookSettle("what does it return after a long calm?"),
		}
	}
	return nil
}

// followed demands that the number rose in the rush.
func (s liveSeen) followed() error {
	if s.out > first {
		return nil
	}
	if err := s.blindRush(); err != nil {
		return err
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("more than %d replicas in a rush of %v of the story", first, rushLength),
		Seen:     fmt.Sprintf("%d; see live.txt in %s", first, evidenceFolder),
		Waited:   s.inRush(), Look: lookSettle("do readings of real replicas agree for five minutes?"),
	}
}

// lost counts the requests that failed, and not for want of time. A timeout says that the replicas are overloaded,
// which the service level judges.
func lost(r load.Result) (n int, causes string) {
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(r.Failures)) {
		if cause != load.CauseTimeout && r.Failures[cause] > 0 {
			n += r.Failures[cause]
			parts = append(parts, fmt.Sprintf("%d %s", r.Failures[cause], cause))
		}
	}
	return n, strings.Join(parts, ", ")
}

// noRequestLost judges all requests of the evening.
func (l *trial) noRequestLost(ctx context.Context, run *lab.Run) error {
	seen, err := l.live(ctx, run)
	if err != nil {
		return err
	}
	if err := seen.followed(); err != nil {
		return err
	}
	all := seen.between(time.Time{}, seen.end)
	if n, causes := lost(all); n > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("none of %d requests lost while replicas come, die and go", all.Sent),
			Seen:     fmt.Sprintf("%d lost: %s; see live.txt in %s", n, causes, evidenceFolder),
			Waited:   seen.losing(all), Look: lookSettle("how often did the number change?"),
		}
	}
	return nil
}

// losing returns the wait that lost requests rest on. In a rush that left the machine no idle time, a replica that
// drains had none either, and is killed with requests under way. So a connection that breaks says nothing then.
func (s liveSeen) losing(all load.Result) lab.Waited {
	if w := rig.LateLoad(all); w.Each > 0 {
		return w
	}
	return s.inRush()
}

// replicaKilled demands another replica for the one that was killed.
func (l *trial) replicaKilled(ctx context.Context, run *lab.Run) error {
	seen, err := l.live(ctx, run)
	if err != nil {
		return err
	}
	if err := seen.followed(); err != nil {
		return err
	}
	if seen.replaced == 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("as many replicas as the policy asks for, %d, and none of them %s, within %v of the story after it was killed",
				seen.wantedThen, seen.victim, replacedWithin),
			Seen:   fmt.Sprintf("%d", seen.afterKill),
			Waited: lab.Waited{From: seen.killedOn, To: seen.killedOn.Add(replacedWithin / factor), Each: sliceLength},
			Look:   lookLoad("a replica that has died is not measured: what does it ask for?"),
		}
	}
	return nil
}

// paid returns the instance-hours of changes from one time until another.
func paid(changes []autoscale.Change, from, until time.Time) float64 {
	sum := 0.0
	for i, change := range changes {
		end := until
		if i+1 < len(changes) {
			end = changes[i+1].At
		}
		sum += float64(change.Running) * max(0, end.Sub(latest(change.At, from)).Hours())
	}
	return sum
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// report adds the figures that are shown and not judged to the result, and writes live.txt.
func (h *stagehand) report() error {
	s, run := h.seen, h.run
	for _, part := range s.slices {
		rig.ReportHost(run, part.result)
	}
	all := s.between(time.Time{}, s.end)
	worst := time.Duration(0)
	for _, part := range s.slices {
		if !part.at.Before(s.rise) && part.at.Before(s.fall) {
			worst = max(worst, part.result.Latency.Quantile(0.95))
		}
	}
	mostRunning := 0
	for _, change := range s.changes {
		mostRunning = max(mostRunning, change.Running)
	}
	slowest := time.Duration(0)
	for _, one := range s.readied {
		slowest = max(slowest, one.Took())
	}
	run.Report("story in a second of the live run", factor, "s")
	run.Report("requests of the live run", float64(all.Sent), "")
	for _, cause := range slices.Sorted(maps.Keys(all.Failures)) {
		run.Report("failed in the live run, "+cause, float64(all.Failures[cause]), "")
	}
	run.Report("most replicas of the live run", float64(mostRunning), "")
	run.Report("slowest start of a replica, in the run", slowest.Seconds(), "s")
	run.Report("worst p95 of the rush", milliseconds(worst), "ms")
	if end := s.judged(); end.Sent > 0 {
		run.Report("p95 at the end of the rush", milliseconds(end.Latency.Quantile(0.95)), "ms")
	}
	run.Report("service level restored after", s.restored().Minutes(), "minutes of the story")
	run.Report("killed replica replaced after", s.replaced.Minutes(), "minutes of the story")
	run.Report("back to three replicas after", s.back.Minutes(), "minutes of the story")
	run.Report("live run with your policy", paid(s.billed, s.begin, s.end), "instance-hours")
	run.Report("live run with ten replicas", most*s.end.Sub(s.begin).Hours(), "instance-hours")
	for _, c := range s.charts() {
		run.Chart(c)
	}
	run.Evidence(evidenceFolder)
	return evidence.Keep(Name, "live.txt", s.text(h.l.capacity))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// text lists the seconds of the run.
func (s liveSeen) text(capacity float64) []byte {
	head := fmt.Sprintf("Your policy on real replicas. A second of the run is %v of the story. One replica takes %.0f requests/s.\n"+
		"The load rose at minute %.1f and fell at minute %.1f. %s was killed at minute %.1f.\n"+
		"Used is what the last reading says of the replicas, as load in policy.go counts them.\n\n",
		time.Duration(factor)*time.Second, capacity, s.rise.Sub(s.begin).Minutes(), s.fall.Sub(s.begin).Minutes(), s.victim, s.killed.Sub(s.begin).Minutes())
	return evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "minute\trequests/s\tp95\tfailed\twanted\tready\tused\tmissing\t")
		for _, part := range s.slices {
			mean, missing := s.lastReading(part.at)
			fmt.Fprintf(w, "%.1f\t%.0f\t%.0f ms\t%d\t%d\t%d\t%.0f %%\t%d\t\n", part.at.Sub(s.begin).Minutes(), part.rate,
				milliseconds(part.result.Latency.Quantile(0.95)), part.result.Failed, part.running, part.ready, 100*mean, missing)
		}
	})
}
