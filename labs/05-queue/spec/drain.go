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
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// backlogOrders is how many orders' events wait when the workers begin.
	backlogOrders = 48
	// consumeTimeout is how soon a worker consumes after its start.
	consumeTimeout = 10 * time.Second
	// minSpeedUp is how many times as fast two workers must be as one. They cannot be twice as
	// fast, because they share a broker and a database.
	minSpeedUp = 1.4
	// drainShare is the share of a backlog whose time counts. The last of it may wait in a retry queue.
	drainShare = 0.9
	// drainSpan is how long the machine may have no idle time while two workers drain a backlog. That
	// takes them some seconds, so a longer stall shows in the rate.
	drainSpan = time.Second
)

// drained is how quickly a backlog was drained, and from when to when.
type drained struct {
	perSecond float64 // orders
	from, to  time.Time
}

// twoWorkers builds up a backlog of events and has one worker drain it, and then two of the same size.
func (l *trial) twoWorkers(ctx context.Context, run *lab.Run) error {
	// The second worker must be there for its size to be set.
	if err := l.staff(ctx, 2); err != nil {
		return err
	}
	runs := make([]drained, 2)
	for i := range runs {
		if err := l.staffInForce(ctx, 1+i); err != nil {
			return err
		}
		run.Progress(fmt.Sprintf("draining the events of %d orders with %d workers", backlogOrders, 1+i))
		var err error
		if runs[i], err = l.drain(ctx, run, 1+i); err != nil {
			return err
		}
	}
	speedUp := runs[1].perSecond / runs[0].perSecond
	run.Report("backlog drained by one "+workerType().Name, runs[0].perSecond, "orders/s")
	run.Report("backlog drained by two of them", runs[1].perSecond, "orders/s")
	run.Report("backlog drained by two over that by one", speedUp, "times")
	if err := l.resizeWorkers(ctx, workerType().FullSpeed()); err != nil {
		return err
	}
	if speedUp < minSpeedUp {
		return &lab.Failure{
			Expected: fmt.Sprintf("two workers to drain a backlog at least %.1f times as fast as one", minSpeedUp),
			Seen:     fmt.Sprintf("%.2f times", speedUp),
			Waited:   lab.Waited{From: runs[1].from, To: runs[1].to, Each: drainSpan},
			Look:     lab.Look{File: "consumers.go", Func: "Consumers", Hint: "choose a smaller prefetch for the recommendations: no other worker gets the messages that one worker holds"},
		}
	}
	return nil
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

// drain cuts the relay's link while orders are placed, and restores it. So many workers consume. It returns how quickly they
// made the recommendations of the orders then, by the clock of the database. The other effects wait for servers that all
// workers share.
func (l *trial) drain(ctx context.Context, run *lab.Run, workers int) (d drained, err error) {
	tap, err := l.listen(ctx, nil)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, tap.close()) }()
	if err := l.relayLink.Cut(ctx); err != nil {
		return d, err
	}
	placed, ordered := l.load(ctx, l.old(), backlogOrders, 0)
	if err := errors.Join(l.relayLink.Restore(context.WithoutCancel(ctx)), ordered); err != nil {
		return d, err
	}
	if err := l.wantDone(ctx, placed, "all effects of a backlog", lab.Look{File: "consumers.go", Func: "Serve", Hint: "see worker.log in .workshop/05-queue"}); err != nil {
		return d, err
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
		return d, err
	}
	if len(heavy) < backlogOrders/2 {
		return d, errors.New("read effects: too few are done")
	}
	slices.SortFunc(times, time.Time.Compare)
	slices.SortFunc(heavy, time.Time.Compare)
	chartBacklog(run, workers, times)
	most := int(drainShare * float64(len(heavy)-1))
	d.from, d.to = heavy[0], heavy[most]
	d.perSecond = float64(most) / d.to.Sub(d.from).Seconds()
	return d, nil
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
