package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// flippedFor is how long people write on the shards before they are moved back.
const flippedFor = 500 * time.Millisecond

// wayBack moves those who are to live on a fifth shard there, and takes them back, while everybody
// writes.
func (l *trial) wayBack(ctx context.Context, run *lab.Run) (err error) {
	if err := l.needsMigration(); err != nil {
		return err
	}
	was, before, err := l.settled(ctx)
	if err != nil {
		return err
	}
	if err := l.startFifth(ctx); err != nil {
		return err
	}
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
	if now.Phase != shard.Settled || now.Home != was.Home {
		return &lab.Failure{
			Expected: "everybody at home where they were, and nothing on its way", Seen: "phase " + now.Phase.String(),
			Look: lab.Look{Hint: "migrate.go: what is the map when everything has been taken back?"},
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
		failIf(troubles, "people to be answered all the way there and back, and to see what they have just written", "stores.go and migrate.go"),
		r.fail(fmt.Sprintf("when everybody is back, %d writes later", counts.writes)))
}

// thereAndBack runs two movers, one after the other.
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
			Expected: "the phase flipped after a mover to flipped", Seen: m.Phase.String(), Look: lab.Look{Hint: "migrate.go"},
		}
	}
	time.Sleep(flippedFor)
	return l.moveTo(ctx, "back")
}

// moveTo runs a mover until it has reached a goal.
func (l *trial) moveTo(ctx context.Context, goal string) (err error) {
	m, err := l.startMover(ctx, goal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.remove(ctx)) }()
	return m.waitDone(ctx)
}
