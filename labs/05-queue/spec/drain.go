package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/probe/promstat"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// backlogOrders is how many orders' events wait when the workers begin.
	backlogOrders = 48
	// consumeTimeout is how soon a worker consumes after its start.
	consumeTimeout = 10 * time.Second
	// minPlans is how many plans of a backlog each of two workers must make. The two are of one size, so
	// each makes about half.
	minPlans = backlogOrders / 4
	// drainShare is the share of a backlog whose time counts. The last of it may wait in a retry queue.
	drainShare = 0.9
)

// twoWorkers builds up a backlog of events and has one worker drain it, and then two of the same size. The
// two must share it, which is counted. How much faster they are is reported and not judged: they also share a
// broker and a database, and on a slow machine these set the pace.
func (l *trial) twoWorkers(ctx context.Context, run *lab.Run) error {
	// The second worker must be there for its size to be set.
	if err := l.staff(ctx, 2); err != nil {
		return err
	}
	rates := make([]float64, 2)
	var before []uint64
	for i := range rates {
		if err := l.staffInForce(ctx, 1+i); err != nil {
			return err
		}
		run.Progress(fmt.Sprintf("draining the events of %d orders with %d workers", backlogOrders, 1+i))
		var err error
		if before, err = l.plansOfWorkers(ctx, 1+i); err != nil {
			return err
		}
		if rates[i], err = l.drain(ctx, run, 1+i); err != nil {
			return err
		}
	}
	after, err := l.plansOfWorkers(ctx, len(rates))
	if err != nil {
		return err
	}
	run.Report("backlog drained by one "+workerType().Name, rates[0], "orders/s")
	run.Report("backlog drained by two of them", rates[1], "orders/s")
	run.Report("backlog drained by two over that by one", rates[1]/rates[0], "times")
	if err := l.resizeWorkers(ctx, workerType().FullSpeed()); err != nil {
		return err
	}
	return backlogShared(after[0]-before[0], after[1]-before[1])
}

// backlogShared demands that two workers made enough plans of a backlog each.
func backlogShared(first, second uint64) error {
	if min(first, second) >= minPlans {
		return nil
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("two workers that share a backlog of %d orders: each makes at least %d plans", backlogOrders, minPlans),
		Seen:     fmt.Sprintf("%d plans by one and %d by the other, by their metrics", first, second),
		Look:     lab.Look{File: "consumers.go", Func: "Serve", Hint: "consume without exclusive, and set the prefetch before: no other worker gets the messages that one worker holds"},
	}
}

// plansOfWorkers returns how many plans each of the first n workers has made since it started.
func (l *trial) plansOfWorkers(ctx context.Context, n int) ([]uint64, error) {
	plans := make([]uint64, n)
	for i, worker := range []*job{l.worker, l.second}[:n] {
		metrics, err := promstat.Read(ctx, worker.role.MetricsURL())
		if err != nil {
			return nil, err
		}
		plans[i] = metrics.Histogram("bytebites_message_age_seconds", "queue")[recommendationQueue].Count
	}
	return plans, nil
}

// staffInForce waits until n workers, one or two, consume, and then gives both their size.
func (l *trial) staffInForce(ctx context.Context, n int) error {
	if err := l.staff(ctx, n); err != nil {
		return err
	}
	if err := l.awaitConsumers(ctx, n); err != nil {
		return err
	}
	return l.resizeWorkers(ctx, workerType())
}

func (l *trial) resizeWorkers(ctx context.Context, size instance.Type) error {
	return errors.Join(l.worker.role.Resize(ctx, size), l.second.role.Resize(ctx, size))
}

// awaitConsumers waits until so many workers consume recommendations, the effect with the most work.
func (l *trial) awaitConsumers(ctx context.Context, want int) (err error) {
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for deadline := time.Now().Add(consumeTimeout); ; {
		q, err := w.queue(recommendationQueue)
		if err != nil || q.Consumers == want {
			return err
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d workers that consume %s", want, recommendationQueue), Seen: fmt.Sprintf("%d%s", q.Consumers, l.warnings(ctx)),
				Waited: lab.Last(consumeTimeout),
				Look:   lab.Look{File: "consumers.go", Func: "Serve", Hint: "consume as soon as Serve is called, and return when ctx has ended"},
			}
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// drain cuts the relay's link while orders are placed, and restores it. So many workers consume. It returns how many
// recommendations of these orders they made a second then, by the clock of the database. The other effects wait for servers
// that all workers share.
func (l *trial) drain(ctx context.Context, run *lab.Run, workers int) (perSecond float64, err error) {
	tap, err := l.listen(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tap.close()) }()
	if err := l.relayLink.Cut(ctx); err != nil {
		return 0, err
	}
	placed, ordered := l.load(ctx, l.old(), backlogOrders, 0)
	if err := errors.Join(l.relayLink.Restore(context.WithoutCancel(ctx)), ordered); err != nil {
		return 0, err
	}
	if err := l.wantDone(ctx, placed, "all effects of a backlog", lab.Look{File: "consumers.go", Func: "Serve", Hint: "see worker.log in .workshop/05-queue"}); err != nil {
		return 0, err
	}
	reportPublishing(run, tap.sofar())
	var times, heavy []time.Time
	err = l.nodes[0].eachEffect(ctx, idsOf(placed), func(_ bytebites.OrderID, effect bytebites.Effect, done time.Time) {
		times = append(times, done)
		if effect == bytebites.EffectRecommendation {
			heavy = append(heavy, done)
		}
	})
	if err != nil {
		return 0, err
	}
	if len(heavy) < backlogOrders/2 {
		return 0, errors.New("read effects: too few are done")
	}
	slices.SortFunc(times, time.Time.Compare)
	slices.SortFunc(heavy, time.Time.Compare)
	chartBacklog(run, workers, times)
	most := int(drainShare * float64(len(heavy)-1))
	return float64(most) / heavy[most].Sub(heavy[0]).Seconds(), nil
}

// chartBacklog adds how the backlog fell to the chart of backlogs. The times are those at which effects
// were done, sorted.
func chartBacklog(run *lab.Run, workers int, times []time.Time) {
	s := chart.Series{Name: fmt.Sprintf("workers: %d", workers), Steps: true}
	for i, at := range times {
		s.Points = append(s.Points, chart.Point{X: at.Sub(times[0]).Seconds(), Y: float64(len(times) - 1 - i)})
	}
	run.AddToChart(chart.Chart{
		Name: "Backlog over time", Says: "Effects of orders that are not done yet, from the moment at which the first is done. Two workers drain the same backlog sooner than one.",
		X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "effects that wait"}, Series: []chart.Series{s},
	})
}

// reportPublishing reports the rate at which the relay published a backlog.
func reportPublishing(run *lab.Run, all []heard) {
	if n := len(all); n > 1 {
		run.Report("events published from a backlog", float64(n-1)/all[n-1].at.Sub(all[0].at).Seconds(), "events/s")
	}
}
