package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// slowWay is the latency between the mover and shard 1 when it begins to copy. So time
	// passes between the reading of rows and the writing of their copy.
	slowWay = 250 * time.Millisecond
	// slowMap is the latency between the mover and the map in phases that end at once.
	slowMap = 50 * time.Millisecond
	// overtakers is how many subscribers write in that time, overtakeAfter the mover has marked
	// them. By then it has read their rows.
	overtakers    = 3
	overtakeAfter = 60 * time.Millisecond
	// overtakeWithin is the time limit for the mover to reach them.
	overtakeWithin = 10 * time.Second
	// stuckWay is the latency between a replica and shard 1 at which no copy arrives in time.
	stuckWay = 5 * time.Second
	// committedWithin is the time limit for a write to be committed at home.
	committedWithin = 5 * time.Second
)

// targets returns subscribers who move to shard 1, in the order in which the mover copies them.
func (m *migration) targets(ctx context.Context) ([]*person, error) {
	now, err := m.trial.readMap(ctx)
	if err != nil {
		return nil, err
	}
	var found []*person
	for _, p := range m.trial.extras {
		if now.Target[m.trial.bucket(p.user)] == 1 {
			found = append(found, p)
		}
	}
	if len(found) < overtakers+2 {
		return nil, &lab.Failure{
			Expected: fmt.Sprintf("%d subscribers with shard 1 as target, as Plan says", extrasEach), Seen: fmt.Sprintf("%d by the map", len(found)),
			Look: lab.Look{File: "migrate.go", Func: "migrate", Hint: "which targets does the first map of the move have?"},
		}
	}
	return found, nil
}

// overtake has subscribers write when the mover has read their rows and not yet written the copy.
// The copy is then older than the rows on the shard. The way to shard 1 is slow meanwhile.
func (m *migration) overtake(ctx context.Context) error {
	targets, err := m.targets(ctx)
	if err != nil {
		return err
	}
	targets = targets[:overtakers]
	last := targets[len(targets)-1]
	marked, err := m.awaitMark(ctx, last)
	if err == nil && marked {
		if err = rig.Pause(ctx, overtakeAfter); err == nil {
			err = m.write(ctx, targets)
		}
	}
	err = errors.Join(err, m.trial.moverLink.SetLatency(context.WithoutCancel(ctx), 0, 0))
	m.copying = time.Now()
	if err != nil || !marked {
		return err
	}
	return m.awaitCursor(ctx, last)
}

// awaitMark waits until the mover has marked a subscriber, to copy them. It returns false for a
// mover that does not mark, or has copied them already: the moment of its reading is unknown.
func (m *migration) awaitMark(ctx context.Context, p *person) (bool, error) {
	was, err := m.trial.mark(ctx, shard.Old, p)
	if err != nil {
		return false, err
	}
	for deadline := time.Now().Add(overtakeWithin); ; _ = rig.Pause(ctx, pollPause) {
		is, err := m.trial.mark(ctx, shard.Old, p)
		if err != nil || is != was {
			return err == nil, err
		}
		if time.Now().After(deadline) || m.trial.phaseNow() > shard.Backfill || m.mover.hasEnded() != nil {
			return false, nil
		}
	}
}

// write has subscribers write, all at once.
func (m *migration) write(ctx context.Context, people []*person) error {
	var writing errgroup.Group
	for _, p := range people {
		writing.Go(func() error { return m.trial.storeOn(ctx, 0, p, p.setCart()) })
	}
	m.overtaken = len(people)
	return writing.Wait()
}

// awaitCursor waits until the mover has copied a subscriber and has saved its cursor. An old copy
// does no harm when the mover is killed before, because the next one copies again.
func (m *migration) awaitCursor(ctx context.Context, p *person) error {
	for deadline := time.Now().Add(overtakeWithin); ; _ = rig.Pause(ctx, pollPause) {
		now, err := m.trial.readMap(ctx)
		if err != nil {
			return err
		}
		if now.Cursor >= p.user || now.Phase > shard.Backfill || m.mover.hasEnded() != nil || time.Now().After(deadline) {
			return nil
		}
	}
}

// mark returns the version of a subscriber's mark on a server.
func (l *trial) mark(ctx context.Context, server shard.Server, p *person) (int64, error) {
	var version int64
	err := l.nodes[server].pool.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM shard_marks WHERE user_id = $1`, string(p.user)).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read mark: %w", err)
	}
	return version, nil
}

// storeOn sends a write to one replica. A refusal is noted in the ledger.
func (l *trial) storeOn(ctx context.Context, replica int, p *person, w write) error {
	began := time.Now()
	a, err := l.ask(ctx, l.replicas[replica], w.request)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil || !slices.Contains(w.status, a.Status):
		l.ledger.sawf(lateAnswer(a, err), "%s of %s failed %s: %s", w.what, p.user, l.when(), failureOf(a, err))
		return nil
	}
	l.ledger.wrote(began, 1)
	return w.acknowledged(a)
}

// breakDoubleWrites makes double writes fail half-way. No mover runs, and all subscribers were
// copied and compared already, so only the mark at home can save these writes. First the second
// half of a write fails. Then a replica dies between the halves of another.
//
// All other requests go to the other replica, whose way is free. The written rows are not read
// meanwhile: a dark read would find that the sides differ, as they do.
func (m *migration) breakDoubleWrites(ctx context.Context) (err error) {
	l := m.trial
	// The mover that was killed may have left fences closed. A mover to this phase opens them
	// and goes no further.
	if err := l.moveTo(ctx, shard.DarkReads.String()); err != nil {
		return err
	}
	targets, err := m.targets(ctx)
	if err != nil {
		return err
	}
	unlucky, inside := targets[overtakers], targets[overtakers+1]
	l.doors.set(l.replicas[:1])
	if err := l.replicaLink.Cut(ctx); err != nil {
		return err
	}
	if m.unlucky, err = l.storeOnceOn(ctx, unlucky, unlucky.setCart()); err != nil {
		return err
	}
	if err := l.replicaLink.SetLatency(ctx, stuckWay, 0); err != nil {
		return err
	}
	if err := l.replicaLink.Restore(ctx); err != nil {
		return err
	}
	if err := m.dieInside(ctx, inside); err != nil {
		return err
	}
	if err := l.replicaLink.SetLatency(ctx, 0, 0); err != nil {
		return err
	}
	if err := l.replicas[1].Start(ctx); err != nil {
		return rig.LearnersFault(err, lookOpen())
	}
	l.doors.set(l.replicas)
	return nil
}

// storeOnceOn sends a write to the second replica, which cannot complete the double write. When
// the replica answers with an error, the other replica gets the write.
func (l *trial) storeOnceOn(ctx context.Context, p *person, w write) (acknowledged bool, err error) {
	a, err := l.ask(ctx, l.replicas[1], w.request)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err == nil && slices.Contains(w.status, a.Status) {
		return true, w.acknowledged(a)
	}
	return false, l.storeOn(ctx, 0, p, w)
}

// dieInside kills the second replica when a write is committed at home and its copy is on its way.
func (m *migration) dieInside(ctx context.Context, p *person) error {
	l, w := m.trial, p.setCart()
	said := make(chan string, 1) // the answer to the client; empty without one
	go func() {
		a, err := l.ask(ctx, l.replicas[1], w.request)
		if err != nil {
			said <- ""
			return
		}
		said <- failureOf(a, nil)
	}()
	for deadline := time.Now().Add(committedWithin); ; _ = rig.Pause(ctx, pollPause) {
		there, err := l.nodes[shard.Old].stored(ctx, []*person{p})
		if err != nil {
			return err
		}
		cart := there[p.user].Cart
		if fmt.Sprint(cart) == fmt.Sprint(w.want) {
			break // committed at home, so it must not be lost, acknowledged or not
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: "a write to be committed at home, although the way to its mirror is slow",
				Seen:     fmt.Sprintf("it is not there after %s %s: %s", committedWithin, l.when(), <-said),
				Look:     lab.Look{File: "stores.go", Func: "stores.Write", Hint: "which half of a double write comes first?"},
			}
		}
	}
	if err := l.replicas[1].Kill(ctx); err != nil {
		return err
	}
	m.inside = <-said == ""
	return w.acknowledged(rig.Answer{})
}
