package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// startFifth adds a shard, unless it is there.
func (l *trial) startFifth(ctx context.Context) error {
	if len(l.nodes) > 1+shards {
		return nil
	}
	l.nodes = append(l.nodes, nil)
	if err := l.startNode(ctx, l.servers.Bed, shards+1); err != nil {
		l.nodes = l.nodes[:1+shards]
		return err
	}
	return nil
}

// fifthShard moves its share to a fifth shard for good, while people write.
func (l *trial) fifthShard(ctx context.Context, run *lab.Run) error {
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
	began := time.Now()
	moved := l.replaceReplicas(ctx)
	if moved == nil {
		moved = l.moveTo(ctx, "done")
	}
	crowd.end()
	if _, err := watch.end(); moved != nil || err != nil {
		return errors.Join(moved, err)
	}
	run.Report("seconds to fill a fifth shard", time.Since(began).Seconds(), "s")
	now, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	if err := wantMoved(was, now); err != nil {
		return err
	}
	r, err := l.reckon(ctx, now, l.nodes[1:], before.all)
	if err != nil {
		return err
	}
	_, troubles := l.ledger.counts()
	return errors.Join(
		failIf(troubles, "people to be answered while a shard is added, and to see what they have just written", "stores.go and migrate.go"),
		failIf(r.astray, "everybody on the shard of their bucket", "migrate.go"),
		r.fail("when a fifth shard has its share"))
}

// leaving returns those who are to live on the fifth shard.
func (l *trial) leaving(m shard.Map) []*person {
	plan := l.subject.Router.Plan(m.Home, serversUpTo(shards+1))
	var leaving []*person
	for _, p := range l.everybody() {
		if b := l.bucket(p.user); plan[b] != m.Home[b] {
			leaving = append(leaving, p)
		}
	}
	return leaving
}

// wantMoved demands that the fifth shard has its share, and that nothing else has moved.
func wantMoved(was, now shard.Map) error {
	if now.Phase != shard.Settled {
		return &lab.Failure{Expected: "nothing on its way when a mover to done has ended", Seen: "phase " + now.Phase.String(), Look: lab.Look{Hint: "migrate.go"}}
	}
	if err := wantShares(now.Home, serversUpTo(shards+1)); err != nil {
		return err
	}
	between := 0
	for b := range now.Home {
		if now.Home[b] != was.Home[b] && now.Home[b] != shards+1 {
			between++
		}
	}
	if between > 0 {
		return &lab.Failure{
			Expected: "no bucket to move but to the fifth shard", Seen: fmt.Sprintf("%d moved between the others", between), Look: lab.Look{Hint: "Plan in router.go"},
		}
	}
	return nil
}

// replaceReplicas starts two replicas that know all shards, lets people in there, and ends the
// others, as a rolling deployment does. It does so once.
func (l *trial) replaceReplicas(ctx context.Context) error {
	if l.knowFifth {
		return nil
	}
	fresh := make([]*testbed.Service, len(l.replicas))
	var starts []func(context.Context) error
	for i, name := range []string{"three", "four"} {
		options := l.service(nil)
		options.Name = name
		starts = append(starts, func(ctx context.Context) (err error) {
			fresh[i], err = l.startReplica(ctx, options)
			return err
		})
	}
	if err := testbed.SideBySide(ctx, starts...); err != nil {
		return rig.LearnersFault(err, look())
	}
	l.doors.set(fresh)
	old := l.replicas
	l.replicas, l.knowFifth = fresh, true
	// Nobody is inside any more, so they need not be asked to stop.
	return testbed.SideBySide(ctx, old[0].Kill, old[1].Kill)
}
