package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// unbooked is how many orders the ledger loses.
	unbooked = 60
	// replayWithin bounds a replay.
	replayWithin = 40 * time.Second
)

// replay loses ledger entries, has the events read from the beginning, and looks what has changed.
func (l *trial) replay(ctx context.Context, run *lab.Run) error {
	if err := l.needsQueue(); err != nil {
		return err
	}
	lost, kept := l.early[:unbooked], l.early[unbooked:]
	was, err := l.read(ctx, l.early)
	if err != nil {
		return err
	}
	for n, theirs := range byHome(lost) {
		_, err := n.pool.ExecContext(ctx, `
WITH entries AS (DELETE FROM supplier_ledger WHERE order_id = ANY ($1))
DELETE FROM order_effects WHERE order_id = ANY ($1) AND effect = $2`, idsOf(theirs), string(bytebites.EffectLedger))
		if err != nil {
			return fmt.Errorf("lose ledger entries of %s: %w", n.name, err)
		}
	}
	began := time.Now()
	if err := l.runReplay(ctx); err != nil {
		return err
	}
	run.Report("seconds that a replay from the first event took", time.Since(began).Seconds(), "s")
	undone, err := l.undone(ctx, lost, []bytebites.Effect{bytebites.EffectLedger})
	if err != nil {
		return err
	}
	if n := undone[bytebites.EffectLedger]; n > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("the ledger entries of %d orders back when a replay of %s has ended", len(lost), ledgerQueue),
			Seen:     fmt.Sprintf("%d orders without", n), Look: lab.Look{Hint: "consumers.go: where in the stream does a replay begin, and when has it caught up?"},
		}
	}
	is, err := l.read(ctx, l.early)
	if err != nil {
		return err
	}
	if err := failIf(changes(kept, was, is), "nothing to change of orders that had lost nothing", "consumers.go: whose handler gets the events of a replay?"); err != nil {
		return err
	}
	for _, o := range lost { // all but what was lost on purpose
		is[o.id].booked, is[o.id].done[bytebites.EffectLedger] = was[o.id].booked, was[o.id].done[bytebites.EffectLedger]
	}
	return failIf(changes(lost, was, is), "the lost entries as they were, and nothing else done again", "consumers.go: whose handler gets the events of a replay?")
}

// runReplay runs a replay for the ledger, to its end.
func (l *trial) runReplay(ctx context.Context) (err error) {
	j, err := l.startJob(ctx, "replay", "replay", ledgerQueue)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, replayWithin)
	defer cancel()
	code, log, err := j.role.Wait(waiting)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(waiting.Err(), context.DeadlineExceeded):
		return &lab.Failure{
			Expected: fmt.Sprintf("a replay that has caught up, and ends, within %s", replayWithin), Seen: "it is still running" + l.words(ctx),
			Look: lab.Look{Hint: "consumers.go: by what does it know that it has caught up?"},
		}
	case err != nil:
		return err
	case code != 0:
		return &lab.Failure{
			Expected: "a replay that ends with exit code 0", Seen: fmt.Sprintf("exit code %d: %s", code, tail(log)), Look: lab.Look{Hint: "the role replay in lab.go"},
		}
	}
	return nil
}
