package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// backlog is how many orders' events wait when workers begin.
	backlog = 48
	// consumersWithin is how soon a worker that has started consumes.
	consumersWithin = 10 * time.Second
	// leastSpeedUp is how many times as fast two workers must be. That they are not quite twice
	// as fast is right: they share a broker and a database.
	leastSpeedUp = 1.4
)

// twoWorkers lets events pile up and has them drained by one worker, and then by two of the same size.
func (l *trial) twoWorkers(ctx context.Context, run *lab.Run) error {
	if err := l.needsQueue(); err != nil {
		return err
	}
	if err := l.startSecond(ctx); err != nil {
		return err
	}
	rates := make([]float64, 2)
	for i := range rates {
		if err := l.staff(ctx, 1+i); err != nil {
			return err
		}
		run.Progress(fmt.Sprintf("the events of %d orders for %d workers", backlog, 1+i))
		var err error
		if rates[i], err = l.drain(ctx, run); err != nil {
			return err
		}
	}
	speedUp := rates[1] / rates[0]
	run.Report("backlog drained by one "+workerType().Name, rates[0], "orders/s")
	run.Report("backlog drained by two of them", rates[1], "orders/s")
	run.Report("backlog drained by two over that by one", speedUp, "times")
	if err := l.resizeWorkers(ctx, workerType().FullSpeed()); err != nil {
		return err
	}
	if speedUp < leastSpeedUp {
		return &lab.Failure{
			Expected: fmt.Sprintf("two workers to drain a backlog at least %.1f times as fast as one", leastSpeedUp),
			Seen:     fmt.Sprintf("%.2f times", speedUp), Look: lab.Look{Hint: "consumers.go: how many messages does one worker keep for itself?"},
		}
	}
	return nil
}

// staff has so many workers, one or two, consume at the size that counts.
func (l *trial) staff(ctx context.Context, n int) error {
	if n == 1 {
		if err := l.second.role.Stop(ctx); err != nil {
			return err
		}
	} else if err := l.second.role.Start(ctx); err != nil {
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

// awaitConsumers waits until so many consume recommendations, the most work of all.
func (l *trial) awaitConsumers(ctx context.Context, want int) (err error) {
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for deadline := time.Now().Add(consumersWithin); ; {
		q, err := w.queue(recommendationQueue)
		if err != nil || q.Consumers == want {
			return err
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d workers that consume %s", want, recommendationQueue), Seen: fmt.Sprintf("%d%s", q.Consumers, l.words(ctx)),
				Look: lab.Look{Hint: "consumers.go: how does a worker stop, and what does it do when it starts?"},
			}
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// drain keeps the relay from the broker while people order, and returns how many orders a second were
// done when it got there, by the clock of the database.
func (l *trial) drain(ctx context.Context, run *lab.Run) (perSecond float64, err error) {
	tap, err := l.listen(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tap.close()) }()
	if err := l.relayLink.Cut(ctx); err != nil {
		return 0, err
	}
	placed, ordered := l.load(ctx, l.old(), backlog, 0)
	if err := errors.Join(l.relayLink.Restore(context.WithoutCancel(ctx)), ordered); err != nil {
		return 0, err
	}
	if err := l.wantDone(ctx, placed, "all effects of a backlog", "consumers.go"); err != nil {
		return 0, err
	}
	reportPublishing(run, tap.sofar())
	var first, last time.Time
	err = l.nodes[0].eachEffect(ctx, idsOf(placed), func(_ bytebites.OrderID, _ bytebites.Effect, done time.Time) {
		if first.IsZero() || done.Before(first) {
			first = done
		}
		if done.After(last) {
			last = done
		}
	})
	return float64(len(placed)) / last.Sub(first).Seconds(), err
}

// reportPublishing tells how fast a relay published what had waited.
func reportPublishing(run *lab.Run, all []heard) {
	if n := len(all); n > 1 {
		run.Report("events published from a backlog", float64(n-1)/all[n-1].at.Sub(all[0].at).Seconds(), "events/s")
	}
}
