package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/shard"
	"bytebites.example/workshop/shared/spec"
)

// flippedFor is how long people write on the shards before they are moved back.
const flippedFor = 500 * time.Millisecond

// wayBack moves everybody to the shards, and back to the old server, while they write.
func (l *lab) wayBack(ctx context.Context, run *spec.Run) (err error) {
	before, err := l.nodes[shard.Old].census(ctx)
	if err != nil {
		return err
	}
	watch, crowd := l.startWatch(ctx), l.startCrowd(ctx, l.people)
	moved := l.thereAndBack(ctx)
	crowd.end()
	sights, err := watch.end()
	if err := errors.Join(moved, err); err != nil {
		return err
	}
	if err := l.wantOld(ctx); err != nil {
		return err
	}
	counts, troubles := l.ledger.counts()
	if flipped, ok := firstSeen(sights, shard.Flipped); ok {
		run.Report("longest wait of a write at the switch", 1000*l.ledger.waitAt(flipped).Seconds(), "ms")
	}
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	r, err := l.reckon(ctx, m, l.nodes[:1], before)
	if err != nil {
		return err
	}
	return errors.Join(
		failIf(troubles, "people to be answered all the way there and back, and to see what they have just written", "stores.go and migrate.go"),
		r.fail(fmt.Sprintf("when everybody is back, %d writes later", counts.writes)))
}

// thereAndBack runs two movers, one after the other.
func (l *lab) thereAndBack(ctx context.Context) error {
	if err := l.moveTo(ctx, shard.Flipped.String()); err != nil {
		return err
	}
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	if m.Phase != shard.Flipped {
		return &spec.Failure{
			Expected: "the phase flipped after a mover to flipped", Seen: m.Phase.String(), Look: "migrate.go",
		}
	}
	time.Sleep(flippedFor)
	return l.moveTo(ctx, "back")
}

// moveTo runs a mover until it has reached a goal.
func (l *lab) moveTo(ctx context.Context, goal string) (err error) {
	m, err := l.startMover(ctx, goal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.remove(ctx)) }()
	return m.waitDone(ctx)
}

// wantOld demands that everybody is at home on the old server, and nothing moves.
func (l *lab) wantOld(ctx context.Context) error {
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	var nowhere shard.Assignment
	if m.Phase != shard.Settled || m.Home != nowhere {
		return &spec.Failure{
			Expected: "everybody at home on the old server, and nothing on its way", Seen: "phase " + m.Phase.String(),
			Look: "migrate.go: what is the map when everything has been taken back?",
		}
	}
	return nil
}
