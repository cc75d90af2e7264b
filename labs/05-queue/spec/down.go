package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// during orders are placed around the death of the broker: each of those at it pauses for
	// so long after each, and the broker dies some time after the first.
	during      = 120
	duringPause = 150 * time.Millisecond
	diesAfter   = 500 * time.Millisecond
)

// brokerDown kills the broker while people order, and starts it again.
func (l *trial) brokerDown(ctx context.Context, run *lab.Run) error {
	if err := l.needsQueue(); err != nil {
		return err
	}
	var placed []*order
	var ordered error
	var dead, back time.Time
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) error {
			placed, ordered = l.load(ctx, l.people, during, duringPause)
			return nil
		},
		func(ctx context.Context) error {
			if err := sleep(ctx, diesAfter); err != nil {
				return err
			}
			err := l.broker.Kill(ctx)
			dead = time.Now()
			return err
		})
	if err != nil {
		return err
	}
	if err := l.broker.Start(ctx); err != nil {
		return err
	}
	back = time.Now()
	if ordered != nil {
		return ordered
	}
	without := 0
	for _, o := range placed {
		if o.accepted.After(dead) {
			without++
		}
	}
	run.Report("orders accepted while there was no broker", float64(without), "")
	run.Report("seconds without a broker", back.Sub(dead).Seconds(), "s")
	const lookAt = "publisher.go: where is an event that cannot be published yet? And consumers.go: who connects again?"
	if err := l.wantDone(ctx, placed, fmt.Sprintf("all effects of orders, of which %d were placed while the broker was dead", without), lookAt); err != nil {
		return err
	}
	run.Report("seconds until all effects had come after that", time.Since(back).Seconds(), "s")
	return l.wantKept(ctx, placed, "consumers.go: what was in hand when the connection was lost, and has been done?")
}
