package spec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// afterMove is how long subscribers go on writing after the move.
const afterMove = 500 * time.Millisecond

// phases returns the phases of a move. The mover is killed in each of them.
func phases() []shard.Phase { return shard.Phases()[1:] }

// migration is the move of the check of that name.
type migration struct {
	trial *trial
	mover *mover

	killed    []shard.Phase // the phases in which the mover was killed
	overtaken int           // subscribers who wrote between the reading and the writing of their copy
	copying   time.Time     // when nothing slowed the mover down any more
	inside    bool          // a replica died between the two halves of a double write
	unlucky   bool          // a write was acknowledged although its second half failed
}

// migration moves all subscribers to the shards while they write, and kills the mover in every
// phase. In the end it compares what subscribers were told with the rows on all servers.
func (l *trial) migration(ctx context.Context, run *lab.Run) error {
	before, err := l.nodes[shard.Old].census(ctx)
	if err != nil {
		return err
	}
	watch, crowd := l.startWatch(ctx), l.startCrowd(ctx, l.people)
	move := &migration{trial: l}
	moved := move.run(ctx, run)
	if moved == nil {
		moved = rig.Pause(ctx, afterMove)
	}
	crowd.end()
	sights, err := watch.end()
	if err := errors.Join(moved, err); err != nil {
		return err
	}
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	if err := wantShares(m.Source, serversUpTo(shards)); err != nil || m.Phase != shard.Settled {
		return &lab.Failure{
			Expected: "phase settled, and every bucket on a shard, when a mover to done has ended",
			Seen:     fmt.Sprintf("phase %s, and %d buckets on the old server", m.Phase, spreadOf(m.Source)[shard.Old]),
			Look:     lab.Look{File: "migrate.go", Func: "migrate", Hint: "what is the last map of a move?"},
		}
	}
	r, err := l.reckon(ctx, m, l.nodes[1:], before)
	if err != nil {
		return err
	}
	counts, troubles := l.ledger.counts()
	if err := move.report(run, sights, r, counts); err != nil {
		return err
	}
	return errors.Join(
		troubles.failure("subscribers to be answered all the time, and to read their own writes",
			lab.Look{File: "stores.go", Func: "stores.Write", Hint: "what happens to a write when the map changes? See also mover.log in .workshop/04-sharding"}),
		r.fail(fmt.Sprintf("after the move, in which %d writes were acknowledged", counts.writes)))
}

// run runs the mover, kills it in each phase and starts it again.
func (m *migration) run(ctx context.Context, run *lab.Run) (err error) {
	if err := m.links(ctx, phases()[0]); err != nil {
		return err
	}
	if m.mover, err = m.trial.startMover(ctx, "done"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.mover.remove(ctx)) }()
	for i, phase := range phases() {
		if i > 0 {
			if err := m.resume(ctx, phase); err != nil {
				return err
			}
		}
		there, err := m.mover.awaitPhase(ctx, phase)
		if err != nil || !there {
			return err // a mover that was too quick to be killed is no failure
		}
		if err := m.inPhase(ctx, phase); err != nil {
			return err
		}
		run.Progress(fmt.Sprintf("the mover was killed %s", m.trial.when()))
	}
	if err := m.links(ctx, shard.Settled); err != nil {
		return err
	}
	if err := m.mover.again(ctx); err != nil {
		return err
	}
	return m.mover.waitDone(ctx)
}

// resume starts the mover again, on its way to a phase.
func (m *migration) resume(ctx context.Context, phase shard.Phase) error {
	if err := m.links(ctx, phase); err != nil {
		return err
	}
	return m.mover.again(ctx)
}

// links makes the mover's links slow in phases that would end before it is killed, and in the
// backfill, so that time passes between reading and writing. Otherwise the links are fast.
func (m *migration) links(ctx context.Context, phase shard.Phase) error {
	toMap, toShard := time.Duration(0), time.Duration(0)
	switch phase {
	case shard.NewUsers, shard.DoubleWrites, shard.Flipped:
		toMap = slowMap
	case shard.Backfill:
		toShard = slowWay
	}
	return errors.Join(m.trial.mapLink.SetLatency(ctx, toMap, 0), m.trial.moverLink.SetLatency(ctx, toShard, 0))
}

// inPhase kills the mover in a phase, and disturbs double writes where the phase has them.
func (m *migration) inPhase(ctx context.Context, phase shard.Phase) error {
	if phase == shard.Backfill {
		if err := m.overtake(ctx); err != nil {
			return err
		}
	}
	if err := m.mover.kill(ctx); err != nil {
		return err
	}
	at, err := m.trial.readMap(ctx)
	if err != nil {
		return err
	}
	m.killed = append(m.killed, at.Phase)
	if phase == shard.DarkReads {
		return m.breakDoubleWrites(ctx)
	}
	return nil
}

// report reports the figures of the move, and writes them to the evidence.
func (m *migration) report(run *lab.Run, sights []sight, r reckoning, counts ledgerCounts) error {
	run.Report("writes acknowledged during the move", float64(counts.writes), "")
	run.Report("times that the mover was killed", float64(len(m.killed)), "")
	run.Report("rows moved", float64(r.all.rows()), "")
	if n := len(sights); n > 0 {
		run.Report("seconds from the first phase to the last", sights[n-1].at.Sub(sights[0].at).Seconds(), "s")
	}
	if verified, ok := firstSeen(sights, shard.Verify); ok && verified.After(m.copying) {
		run.Report("rows copied a second, with subscribers writing and one kill", float64(r.all.rows())/verified.Sub(m.copying).Seconds(), "rows/s")
	}
	head := fmt.Sprintf("The move of %d subscribers with %d rows, while %d subscribers wrote and %d joined.\n"+
		"%d writes were acknowledged, %d of them at a second try or later; %d were read by the other replica.\n"+
		"The mover was killed in: %v.\n%d subscribers wrote between the reading and the writing of their copy.\n"+
		"A write was acknowledged although its copy had failed: %t. A replica died inside a double write: %t.\n\n",
		len(r.all), r.all.rows(), writers, counts.joined, counts.writes, counts.again, counts.looks, m.killed, m.overtaken, m.unlucky, m.inside)
	text := evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "seconds\tversion\t  phase\t")
		for _, s := range sights {
			fmt.Fprintf(w, "%.2f\t%d\t  %s\t\n", s.at.Sub(sights[0].at).Seconds(), s.version, s.phase)
		}
	})
	return evidence.Keep(Name, "migration.txt", text)
}
