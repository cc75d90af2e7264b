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

// fifthShard moves its share to a fifth shard for good, while subscribers write.
func (l *trial) fifthShard(ctx context.Context, run *lab.Run) error {
	was, before, err := l.settled(ctx)
	if err != nil {
		return err
	}
	l.useFifth()
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
		troubles.failure("subscribers to be answered while a shard is added, and to read their own writes", lookMove()),
		failIf(r.astray, "all subscribers on the shard of their bucket", lookMove()),
		r.fail("when a fifth shard has its share"))
}

// leaving returns the subscribers who move to the fifth shard.
func (l *trial) leaving(m shard.Map) []*person {
	plan := l.subject.Router.Plan(m.Source, serversUpTo(shards+1))
	var leaving []*person
	for _, p := range l.everybody() {
		if b := l.bucket(p.user); plan[b] != m.Source[b] {
			leaving = append(leaving, p)
		}
	}
	return leaving
}

// wantMoved demands that the fifth shard has its share, and that no other bucket has moved.
func wantMoved(was, now shard.Map) error {
	if now.Phase != shard.Settled {
		return &lab.Failure{Expected: "phase settled when a mover to done has ended", Seen: "phase " + now.Phase.String(), Look: lookMove()}
	}
	if err := wantShares(now.Source, serversUpTo(shards+1)); err != nil {
		return err
	}
	between := 0
	for b := range now.Source {
		if now.Source[b] != was.Source[b] && now.Source[b] != shards+1 {
			between++
		}
	}
	if between > 0 {
		return &lab.Failure{
			Expected: "buckets to move to the fifth shard only", Seen: fmt.Sprintf("%d moved between the others", between),
			Look: lab.Look{File: "router.go", Func: "router.Plan", Hint: "which buckets must move?"},
		}
	}
	return nil
}

// replaceReplicas starts two replicas that know all five shards, sends all requests to them, and
// ends the others, as a rolling deployment does. It does so once.
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
		return rig.LearnersFault(err, lookOpen())
	}
	l.doors.set(fresh)
	old := l.replicas
	l.replicas, l.knowFifth = fresh, true
	// They have answered all requests, so they need no time to stop.
	return testbed.SideBySide(ctx, old[0].Kill, old[1].Kill)
}
