package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// unbookedOrders is how many orders lose their ledger entries.
	unbookedOrders = 60
	// replayTimeout bounds a replay.
	replayTimeout = 40 * time.Second
)

// replay deletes ledger entries, has the events read from the first, and compares.
func (l *trial) replay(ctx context.Context, run *lab.Run) error {
	lost, kept := l.looked[:unbookedOrders], l.looked[unbookedOrders:]
	was, err := l.read(ctx, l.looked)
	if err != nil {
		return err
	}
	for n, theirs := range byHome(lost) {
		_, err := n.pool.ExecContext(ctx, `
WITH entries AS (DELETE FROM supplier_ledger WHERE order_id = ANY ($1))
DELETE FROM order_effects WHERE order_id = ANY ($1) AND effect = $2`, idsOf(theirs), string(bytebites.EffectLedger))
		if err != nil {
			return fmt.Errorf("delete ledger entries of %s: %w", n.name, err)
		}
	}
	began := time.Now()
	if err := l.runReplay(ctx); err != nil {
		return err
	}
	run.Report("seconds that a replay from the first event took", time.Since(began).Seconds(), "s")
	missing, err := l.missing(ctx, lost, []bytebites.Effect{bytebites.EffectLedger})
	if err != nil {
		return err
	}
	if n := missing[bytebites.EffectLedger]; n > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("the ledger entries of %d orders back when a replay of %s has ended", len(lost), ledgerQueue),
			Seen:     fmt.Sprintf("%d orders without entries", n),
			Look:     lab.Look{File: "stretch_replay.go", Func: "Replay", Hint: "begin at the first event of the stream, and end at the last one of the time when the replay began"},
		}
	}
	is, err := l.read(ctx, l.looked)
	if err != nil {
		return err
	}
	err = failIf(changes(kept, was, is), "no change of orders that had lost no entry",
		lab.Look{File: "stretch_replay.go", Func: "Replay", Hint: "call only the handler of the consumer's queue"})
	if err != nil {
		return err
	}
	for _, o := range lost { // the times of new entries differ from those of the lost ones
		is[o.id].booked, is[o.id].done[bytebites.EffectLedger] = was[o.id].booked, was[o.id].done[bytebites.EffectLedger]
	}
	return failIf(changes(lost, was, is), "the lost entries as they were, and no other effect done again",
		lab.Look{File: "stretch_replay.go", Func: "Replay", Hint: "call only the handler of the consumer's queue"})
}

// runReplay runs a replay for the ledger to its end.
func (l *trial) runReplay(ctx context.Context) (err error) {
	j, err := l.startJob(ctx, "replay", "replay", ledgerQueue)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	code, log, err := j.role.Wait(waiting)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(waiting.Err(), context.DeadlineExceeded):
		return &lab.Failure{
			Expected: fmt.Sprintf("a replay that catches up and ends within %s", replayTimeout), Seen: "it is still running" + l.warnings(ctx),
			Look: lab.Look{File: "stretch_replay.go", Func: "Replay", Hint: "publish a mark to the stream first, and end when you meet it"},
		}
	case err != nil:
		return err
	case code != 0:
		return &lab.Failure{
			Expected: "a replay that ends with exit code 0", Seen: fmt.Sprintf("exit code %d: %s", code, rig.Tail(log)),
			Look: lab.Look{File: "stretch_replay.go", Func: "Replay", Hint: "return nil unless an event failed or the connection was lost"},
		}
	}
	return nil
}
