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
	// noticeDelay is how soon each program knows that its connection is lost. Until then a relay
	// may send events into the dead connection, which only "broker killed" judges.
	noticeDelay = 500 * time.Millisecond
)

// brokerDown kills the broker while orders are placed, and starts it again. It demands the effects of
// the orders that were placed while the broker was down.
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
	var without []*order
	for _, o := range placed {
		if o.placedAt.After(dead.Add(noticeDelay)) {
			without = append(without, o)
		}
	}
	run.Report("orders accepted while the broker was down", float64(len(without)), "")
	run.Report("seconds that the broker was down", back.Sub(dead).Seconds(), "s")
	if len(without) == 0 {
		return &lab.Doubt{
			Reason: "no order was placed while the broker was down",
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	err = l.wantDone(ctx, without, fmt.Sprintf("all effects of %d orders that were placed while the broker was down", len(without)),
		placeLook("write the event in the order's transaction, where it waits until the broker is back"))
	if err != nil {
		return err
	}
	run.Report("seconds from the broker's start to the last effect", time.Since(back).Seconds(), "s")
	l.downed = placed
	return nil
}

// brokerKilled demands all effects of all orders of "broker down", each once: also of those whose
// events and messages were on their way when the broker was killed.
func (l *trial) brokerKilled(ctx context.Context, _ *lab.Run) error {
	err := l.wantDone(ctx, l.downed, "all effects of orders that were placed before, while and after the broker was down", serveLook("settle each message after its work, and keep each event until it is confirmed"))
	if err != nil {
		return err
	}
	return l.wantOnce(ctx, l.downed, lab.Look{File: "consumers.go", Func: "effects.ledger", Hint: "a message that was not acknowledged before the connection was lost comes again"})
}
