package mover

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

const (
	// oldMapTime is a little more than the time for which a replica may read by a map that was
	// replaced: see shard.ErrStale.
	oldMapTime = 2250 * time.Millisecond
	// darkReadsNeeded is how many dark reads must agree before the flip. Without traffic there are
	// none, so the wait for them is bounded.
	darkReadsNeeded  = 100
	darkReadsTimeout = 30 * time.Second
	darkReadsPoll    = 200 * time.Millisecond
)

// Parts are the parts of a move that lab 04 writes.
type Parts struct {
	Router shard.Router
	// Copy copies the rows of subscribers from their home to their mirror, and returns the copy.
	Copy func(ctx context.Context, place shard.Place, users []bytebites.UserID) (shard.Copy, error)
	// Settle copies every subscriber whose mark is newer than their last copy.
	Settle func(ctx context.Context, rows *Rows, m shard.Map) error
	// HandOver changes homes: it publishes the map that next returns. Writers wait meanwhile.
	HandOver HandOver
}

// HandOver changes homes by the control. It calls settle for the copies that are still to be
// made, and next for the map that has the new homes.
type HandOver func(ctx context.Context, control Control, settle func(context.Context) error, next Next) error

// Next returns the map that follows now.
type Next func(ctx context.Context, now shard.Map) (shard.Map, error)

// Control changes the map: see shard.Mover.
type Control interface {
	Map() shard.Map
	// Publish replaces the map while subscribers write. Both maps must have the same homes.
	Publish(ctx context.Context, next shard.Map) error
	// Switch closes the fences of all servers, waits for the writers inside, and calls settle and
	// next. Then it publishes the map and opens the fences. If ctx ends before that, it opens them
	// for the old map and returns an error.
	Switch(ctx context.Context, settle func(context.Context) error, next func(context.Context) (shard.Map, error)) error
	SaveCursor(ctx context.Context, cursor bytebites.UserID) error
	DarkReads(ctx context.Context) (compared, differed int, err error)
}

// Run moves user data to a goal, such as shardstore.Done. The state of the move is the map alone,
// so Run continues where another mover died.
func Run(ctx context.Context, r service.Resources, control *shard.Mover, goal string, parts Parts) error {
	m := &move{
		control:  control,
		work:     &Rows{Parts: parts, Pools: shardstore.Pools(r), saveCursor: control.SaveCursor, logger: r.Logger},
		handOver: parts.HandOver,
		plan:     func(source shard.Assignment) shard.Assignment { return parts.Router.Plan(source, shardstore.Shards(r)) },
		logger:   r.Logger,
	}
	return m.to(ctx, goal)
}

// work is what a move does to rows. Each method may be interrupted at any moment and called again.
type work interface {
	settle(ctx context.Context, m shard.Map) error
	backfill(ctx context.Context, m shard.Map) error
	verify(ctx context.Context, m shard.Map) error
	leave(ctx context.Context, m shard.Map, after bytebites.UserID) error
	clean(ctx context.Context, m shard.Map) error
	newFrom(ctx context.Context, m shard.Map) (bytebites.UserID, error)
}

// move is a move from one assignment of buckets to another.
type move struct {
	control  Control
	work     work
	handOver HandOver
	plan     func(source shard.Assignment) shard.Assignment
	logger   *slog.Logger
}

// step is a stop of a move. On the way forward the mover enters it, does its work, and goes on.
// On the way back the mover leaves it for the step before, and does no work there.
type step struct {
	name  string
	phase shard.Phase
	enter func(ctx context.Context, to shard.Phase) error
	do    func(ctx context.Context, m shard.Map) error
	leave func(ctx context.Context, to shard.Phase) error
}

// steps returns all stops in order. The steps that change homes are begin, flip and giveUp. The
// step finish changes no home, but which servers count a subscriber. All four use handOver.
// All others publish a new map while subscribers write.
//
// Fences stop writers with an old map, but not readers. So a server that was home stays a mirror
// until every replica knows a newer map: forget, giveUp and finish wait for that.
func (m *move) steps() []step {
	return []step{
		{shardstore.Back, shard.Settled, nil, nothing, nil},
		{"new-users", shard.NewUsers, m.begin, nothing, m.giveUp},
		{"double-writes", shard.DoubleWrites, m.publish, nothing, m.forget},
		{"backfill", shard.Backfill, m.publish, m.work.backfill, m.publish},
		{"verify", shard.Verify, m.publish, m.work.verify, m.publish},
		{"dark-reads", shard.DarkReads, m.publish, m.darkReads, m.publish},
		{"flipped", shard.Flipped, m.flip, nothing, m.flip},
		{shardstore.Done, shard.Settled, m.finish, m.work.clean, nil},
	}
}

func nothing(context.Context, shard.Map) error { return nil }

// at returns the index of the map's step. When no bucket moves, the move is done if each bucket
// is where the plan wants it, and has not begun otherwise.
func (m *move) at() int {
	steps, now := m.steps(), m.control.Map()
	if now.Phase == shard.Settled && m.plan(now.Source) == now.Source {
		return len(steps) - 1
	}
	return slices.IndexFunc(steps, func(s step) bool { return s.phase == now.Phase })
}

// to goes forward, or back, to a goal.
func (m *move) to(ctx context.Context, goal string) error {
	steps, at := m.steps(), m.at()
	end := slices.IndexFunc(steps, func(s step) bool { return s.name == goal })
	if end < 0 {
		return fmt.Errorf("no goal %q", goal)
	}
	if end < at {
		return m.back(ctx, steps[end:at+1])
	}
	for i, s := range steps[at : end+1] {
		if i > 0 {
			if err := s.enter(ctx, s.phase); err != nil {
				return fmt.Errorf("enter %s: %w", s.name, err)
			}
		}
		m.say(ctx, s.name)
		if err := s.do(ctx, m.control.Map()); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// back leaves the steps one by one, the last first, until only the first is left.
func (m *move) back(ctx context.Context, steps []step) error {
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i].leave == nil {
			return fmt.Errorf("no way back from %s: since then no write has been copied to the other server", steps[i].name)
		}
		if err := steps[i].leave(ctx, steps[i-1].phase); err != nil {
			return fmt.Errorf("leave %s: %w", steps[i].name, err)
		}
		m.say(ctx, steps[i-1].name)
	}
	return nil
}

func (m *move) say(ctx context.Context, step string) {
	m.logger.InfoContext(ctx, "phase", "phase", step, "map", m.control.Map().Version)
}

// begin plans the targets. From its map on, a new subscriber has the target as home.
func (m *move) begin(ctx context.Context, to shard.Phase) error {
	return m.homes(ctx, func(ctx context.Context, next shard.Map) (_ shard.Map, err error) {
		next.Phase, next.Target = to, m.plan(next.Source)
		next.NewFrom, err = m.work.newFrom(ctx, next)
		return next, err
	})
}

// publish changes the phase and no home.
func (m *move) publish(ctx context.Context, to shard.Phase) error {
	next := m.control.Map()
	next.Phase, next.Cursor = to, ""
	return m.control.Publish(ctx, next)
}

// flip exchanges home and mirror of the subscribers who joined before the move. It does so again
// on the way back.
func (m *move) flip(ctx context.Context, to shard.Phase) error {
	return m.homes(ctx, func(_ context.Context, next shard.Map) (shard.Map, error) {
		next.Phase = to
		return next, nil
	})
}

// forget ends the double writes of the subscribers who joined before the move, on the way back.
func (m *move) forget(ctx context.Context, to shard.Phase) error {
	if err := pause(ctx, oldMapTime); err != nil {
		return err
	}
	return m.publish(ctx, to)
}

// giveUp gives the subscribers who joined since the move began the source as home: first with
// double writes to the target, and then without.
func (m *move) giveUp(ctx context.Context, to shard.Phase) error {
	err := m.homes(ctx, func(_ context.Context, next shard.Map) (shard.Map, error) {
		next.Phase, next.NewFrom = shard.DoubleWrites, ""
		return next, nil
	})
	if err != nil {
		return err
	}
	if err := pause(ctx, oldMapTime); err != nil {
		return err
	}
	next := m.control.Map()
	next.Phase, next.Target = to, next.Source
	return m.control.Publish(ctx, next)
}

// finish ends the double writes, and with them the way back. A shard that subscribers have left
// goes on serving others, and must not count those who left. Most of them are noted before; those
// who join meanwhile are noted when all fences are closed.
func (m *move) finish(ctx context.Context, to shard.Phase) error {
	if err := pause(ctx, oldMapTime); err != nil {
		return err
	}
	if err := m.work.leave(ctx, m.control.Map(), ""); err != nil {
		return err
	}
	return m.homes(ctx, func(ctx context.Context, next shard.Map) (shard.Map, error) {
		if err := m.work.leave(ctx, m.control.Map(), next.NewFrom); err != nil {
			return next, err
		}
		next.Phase, next.Source, next.NewFrom = to, next.Target, ""
		return next, nil
	})
}

// homes changes homes by the lab's HandOver.
func (m *move) homes(ctx context.Context, next Next) error {
	return m.handOver(ctx, m.control,
		func(ctx context.Context) error { return m.work.settle(ctx, m.control.Map()) },
		func(ctx context.Context, now shard.Map) (shard.Map, error) {
			now.Cursor = ""
			return next(ctx, now)
		})
}

// darkReads waits until enough reads on mirrors gave the same answers as those at home.
func (m *move) darkReads(ctx context.Context, now shard.Map) error {
	for began := time.Now(); ; {
		if err := m.work.settle(ctx, now); err != nil {
			return err
		}
		compared, differed, err := m.control.DarkReads(ctx)
		switch {
		case err != nil:
			return err
		case differed > 0:
			return fmt.Errorf("%d of %d reads had another answer on the mirror: go back, and find out why", differed, compared)
		case compared >= darkReadsNeeded:
			m.logger.InfoContext(ctx, "dark reads agree", "compared", compared)
			return nil
		case time.Since(began) > darkReadsTimeout:
			return fmt.Errorf("too little traffic: %d reads compared in %s, want %d", compared, darkReadsTimeout, darkReadsNeeded)
		}
		if err := pause(ctx, darkReadsPoll); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
