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
	// slowWay is how long a statement and its answer are on their way between the mover and
	// shard 1 when it begins to copy. What it has read it can write only some time later.
	slowWay = 250 * time.Millisecond
	// slowMap is the same between the mover and the map, where one phase follows another.
	slowMap = 50 * time.Millisecond
	// overtakers write in that time, overtakeAfter it has marked them to be copied: when it
	// has read them for certain.
	overtakers    = 3
	overtakeAfter = 60 * time.Millisecond
	// overtakeWithin is how long the mover may take to come to them.
	overtakeWithin = 10 * time.Second
	// stuckWay is as slowWay, between a replica and shard 1: no copy arrives in its time.
	stuckWay = 5 * time.Second
	// committedWithin is how long a write may take to be at home.
	committedWithin = 5 * time.Second
)

// targets returns people who are moved to shard 1, in the order in which a mover comes to them.
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
			Expected: fmt.Sprintf("%d people on their way to shard 1, as Plan says", extrasEach), Seen: fmt.Sprintf("%d by the map", len(found)),
			Look: lab.Look{Hint: "migrate.go: which targets are in the map?"},
		}
	}
	return found, nil
}

// overtake has people write when the mover has read their rows and not yet written the copy,
// which is then older than what is there. Its way to shard 1 is slow meanwhile.
func (m *migration) overtake(ctx context.Context) error {
	targets, err := m.targets(ctx)
	if err != nil {
		return err
	}
	targets = targets[:overtakers]
	last := targets[len(targets)-1]
	marked, err := m.awaitMark(ctx, last)
	if err == nil && marked {
		time.Sleep(overtakeAfter)
		err = m.write(ctx, targets)
	}
	err = errors.Join(err, m.trial.moverLink.SetLatency(context.WithoutCancel(ctx), 0, 0))
	m.copying = time.Now()
	if err != nil || !marked {
		return err
	}
	return m.awaitCursor(ctx, last)
}

// awaitMark waits until the mover has marked somebody, to copy them. Of a mover that marks
// nobody, or has come past them already, nobody can tell when it reads their rows.
func (m *migration) awaitMark(ctx context.Context, p *person) (bool, error) {
	was, err := m.trial.mark(ctx, shard.Old, p)
	if err != nil {
		return false, err
	}
	for deadline := time.Now().Add(overtakeWithin); ; time.Sleep(lookEvery) {
		is, err := m.trial.mark(ctx, shard.Old, p)
		if err != nil || is != was {
			return err == nil, err
		}
		if time.Now().After(deadline) || m.trial.phaseNow() > shard.Backfill || m.mover.hasEnded() != nil {
			return false, nil
		}
	}
}

// write has people write, all at once.
func (m *migration) write(ctx context.Context, people []*person) error {
	var writing errgroup.Group
	for _, p := range people {
		writing.Go(func() error { return m.trial.storeOn(ctx, 0, p, p.setCart()) })
	}
	m.overtaken = len(people)
	return writing.Wait()
}

// awaitCursor waits until the mover has written the copy of somebody, and says so: it would be
// of no harm if the mover were killed before.
func (m *migration) awaitCursor(ctx context.Context, p *person) error {
	for deadline := time.Now().Add(overtakeWithin); ; time.Sleep(lookEvery) {
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

// storeOn has somebody store something on one replica. What is refused is in the ledger.
func (l *trial) storeOn(ctx context.Context, replica int, p *person, w write) error {
	began := time.Now()
	a, err := l.ask(ctx, l.replicas[replica], w.request)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil || !slices.Contains(w.status, a.status):
		l.ledger.sawf("%s of %s was not taken %s: %s", w.what, p.user, l.when(), lastWords(a, err))
		return nil
	}
	l.ledger.wrote(began, 1)
	return w.acknowledged(a)
}

// breakDoubleWrites has double writes fail half-way, while no mover is at work and everybody has
// been copied and compared already: nothing but the mark at home can save them. First the
// second half fails and the write is acknowledged all the same, or not; then a replica dies
// between the halves.
//
// Everybody else uses the other replica, whose way is free; and nobody looks at what was
// written, for a dark read would see that the sides differ, as they do.
func (m *migration) breakDoubleWrites(ctx context.Context) (err error) {
	l := m.trial
	// The mover that was killed may have left fences closed. One that is to come here opens
	// them, and goes no further.
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
		return rig.LearnersFault(err, look())
	}
	l.doors.set(l.replicas)
	return nil
}

// storeOnceOn has somebody store something on the second replica, whose double write cannot
// be completed. A replica may say so; then it is stored by the other one.
func (l *trial) storeOnceOn(ctx context.Context, p *person, w write) (acknowledged bool, err error) {
	a, err := l.ask(ctx, l.replicas[1], w.request)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err == nil && slices.Contains(w.status, a.status) {
		return true, w.acknowledged(a)
	}
	return false, l.storeOn(ctx, 0, p, w)
}

// dieInside kills the second replica when a write is at home and its copy is on its way.
func (m *migration) dieInside(ctx context.Context, p *person) error {
	l, w := m.trial, p.setCart()
	said := make(chan string, 1) // what the client was told; empty if nothing
	go func() {
		a, err := l.ask(ctx, l.replicas[1], w.request)
		if err != nil {
			said <- ""
			return
		}
		said <- lastWords(a, nil)
	}()
	for deadline := time.Now().Add(committedWithin); ; time.Sleep(lookEvery) {
		there, err := l.nodes[shard.Old].stored(ctx, []*person{p})
		if err != nil {
			return err
		}
		cart := there[p.user].Cart
		if fmt.Sprint(cart) == fmt.Sprint(w.want) {
			break // it will be asked for, whether it was acknowledged or not: it is at home
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: "a write to be at home, though the way to its mirror is slow",
				Seen:     fmt.Sprintf("it is not there after %s %s: %s", committedWithin, l.when(), <-said),
				Look:     lab.Look{Hint: "stores.go: which half of a double write comes first?"},
			}
		}
	}
	if err := l.replicas[1].Kill(ctx); err != nil {
		return err
	}
	m.inside = <-said == ""
	return w.acknowledged(answer{})
}
