package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// downOrders are placed before, while and after the broker is down, with downPause after
	// each of a client's orders. The broker is killed killDelay after the first.
	downOrders = 120
	downPause  = 150 * time.Millisecond
	killDelay  = 500 * time.Millisecond
)

// brokerDown kills the broker while orders are placed, and starts it again.
func (l *trial) brokerDown(ctx context.Context, run *lab.Run) error {
	var placed []*order
	var ordered error
	var dead, back time.Time
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) error {
			placed, ordered = l.load(ctx, l.people, downOrders, downPause)
			return nil
		},
		func(ctx context.Context) error {
			if err := rig.Pause(ctx, killDelay); err != nil {
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
	run.Report("orders accepted while the broker was down", float64(without), "")
	run.Report("seconds that the broker was down", back.Sub(dead).Seconds(), "s")
	err = l.wantDone(ctx, placed, fmt.Sprintf("all effects of orders, of which %d were placed while the broker was down", without),
		lab.Look{File: "publisher.go", Func: "NewPublisher", Hint: "where does an event wait until the broker is back? And does each consumer connect again?"})
	if err != nil {
		return err
	}
	run.Report("seconds from the broker's start to the last effect", time.Since(back).Seconds(), "s")
	return l.wantOnce(ctx, placed, lab.Look{File: "consumers.go", Func: "Serve", Hint: "a message that was not acknowledged before the connection was lost comes again"})
}
