package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// flippedFor is how long subscribers write in phase flipped before they are moved back.
const flippedFor = 500 * time.Millisecond

// wayBack moves the share of a fifth shard there, up to phase flipped, and back again, while
// subscribers write.
func (l *trial) wayBack(ctx context.Context, run *lab.Run) (err error) {
	was, before, err := l.settled(ctx)
	if err != nil {
		return err
	}
	l.useFifth()
	watch, crowd := l.startWatch(ctx), l.startCrowd(ctx, l.leaving(was))
	moved := l.replaceReplicas(ctx)
	if moved == nil {
		moved = l.thereAndBack(ctx)
	}
	crowd.end()
	sights, err := watch.end()
	if err := errors.Join(moved, err); err != nil {
		return err
	}
	now, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	if now.Phase != shard.Settled || now.Source != was.Source {
		return &lab.Failure{
			Expected: "phase settled, and each bucket on the server where it was before", Seen: "phase " + now.Phase.String(),
			Look: lab.Look{File: "migrate.go", Func: "migrate", Hint: "what is the map after the way back?"},
		}
	}
	if flipped, ok := firstSeen(sights, shard.Flipped); ok {
		run.Report("longest wait of a write at the switch", 1000*l.ledger.waitAt(flipped).Seconds(), "ms")
	}
	counts, troubles := l.ledger.counts()
	r, err := l.reckon(ctx, now, l.nodes[1:1+shards], before.all)
	if err != nil {
		return err
	}
	return errors.Join(
		troubles.failure("subscribers to be answered all the time, and to read their own writes", lookMove()),
		r.fail(fmt.Sprintf("after the way back, in which %d writes were acknowledged", counts.writes)))
}

// thereAndBack runs a mover to flipped, and then one to back.
func (l *trial) thereAndBack(ctx context.Context) error {
	if err := l.moveTo(ctx, shard.Flipped.String()); err != nil {
		return err
	}
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	if m.Phase != shard.Flipped {
		return &lab.Failure{
			Expected: "phase flipped when a mover to flipped has ended", Seen: "phase " + m.Phase.String(), Look: lookMove(),
		}
	}
	if err := rig.Pause(ctx, flippedFor); err != nil {
		return err
	}
	return l.moveTo(ctx, "back")
}

// moveTo runs a mover to its goal.
func (l *trial) moveTo(ctx context.Context, goal string) (err error) {
	m, err := l.startMover(ctx, goal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.remove(ctx)) }()
	return m.waitDone(ctx)
}

// lookMove says where a move is mended that ends in a wrong state.
func lookMove() lab.Look {
	return lab.Look{File: "migrate.go", Func: "migrate", Hint: "see mover.log in .workshop/04-sharding"}
}
