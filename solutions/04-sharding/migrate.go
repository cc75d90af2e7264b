package sharding

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
	// closedFor is how long nobody may write at a switch. Writers wait longer than that, see
	// movingFor: who has to try again is the mover.
	closedFor   = 2 * time.Second
	switchTries = 5
	// oldMaps is when no replica reads by a map any more that was replaced before: see
	// shard.ErrStale.
	oldMaps = 2250 * time.Millisecond
	// So many dark reads that came to the same are enough; without traffic none come.
	darkEnough = 100
	darkFor    = 30 * time.Second
	darkPause  = 200 * time.Millisecond
)

// control is what changes the map: see shard.Mover.
type control interface {
	Map() shard.Map
	Publish(ctx context.Context, next shard.Map) error
	Switch(ctx context.Context, settle func(context.Context) error, next func(context.Context) (shard.Map, error)) error
	SaveCursor(ctx context.Context, cursor bytebites.UserID) error
	DarkReads(ctx context.Context) (compared, differed int, err error)
}

// work is what a move does to rows. Each of them can be broken off at any moment and begun again.
type work interface {
	settle(ctx context.Context, m shard.Map) error
	backfill(ctx context.Context, m shard.Map) error
	verify(ctx context.Context, m shard.Map) error
	leave(ctx context.Context, m shard.Map, after bytebites.UserID) error
	clean(ctx context.Context, m shard.Map) error
	newFrom(ctx context.Context, m shard.Map) (bytebites.UserID, error)
}

// move is a move of user data, from one assignment of buckets to servers to another. Nothing of
// it is kept here: where a move is stands in the map, so the next mover goes on where one died.
type move struct {
	control control
	work    work
	plan    func(home shard.Assignment) shard.Assignment
	logger  *slog.Logger
}

// migrate is a shardstore.Move.
func migrate(ctx context.Context, r service.Resources, mover *shard.Mover, goal string) error {
	router := NewRouter()
	m := &move{
		control: mover,
		work:    &rows{copier: copier{shardstore.Pools(r)}, router: router, cursor: mover.SaveCursor, logger: r.Logger},
		plan:    func(home shard.Assignment) shard.Assignment { return router.Plan(home, shardstore.Shards(r)) },
		logger:  r.Logger,
	}
	return m.to(ctx, goal)
}

// step is a stop of a move. Forward, one enters it, does what there is to do, and is then ready
// for the next; back, one leaves it for the one before and does nothing there.
type step struct {
	name  string
	phase shard.Phase
	enter func(ctx context.Context, to shard.Phase) error
	do    func(ctx context.Context, m shard.Map) error
	leave func(ctx context.Context, to shard.Phase) error
}

// steps returns all stops in their order. Where somebody's home changes the fences are closed
// (begin, flip, giveUp), and where servers stop counting who has left them (finish); all else is a new map, published while everybody goes on writing.
// Fences stop who writes by an old map, and nobody stops who reads by it. So a server that was
// home by an older map stays a mirror until all know a newer one (forget, giveUp, finish).
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

// at returns the index of the stop that the map is at. When nothing moves, all is done if the
// buckets are where they should be.
func (m *move) at() int {
	steps, now := m.steps(), m.control.Map()
	if now.Phase == shard.Settled && m.plan(now.Home) == now.Home {
		return len(steps) - 1
	}
	return slices.IndexFunc(steps, func(s step) bool { return s.phase == now.Phase })
}

// to moves on, or back, to a stop.
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

// back leaves the last of the steps, and the others, for the first.
func (m *move) back(ctx context.Context, steps []step) error {
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i].leave == nil {
			return fmt.Errorf("there is no way back from %s: nobody has kept the other side up to date since", steps[i].name)
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

// begin says where everybody will live, and has those who join from now on live there at once.
func (m *move) begin(ctx context.Context, to shard.Phase) error {
	return m.closed(ctx, func(ctx context.Context, next shard.Map) (_ shard.Map, err error) {
		next.Phase, next.Target = to, m.plan(next.Home)
		next.NewFrom, err = m.work.newFrom(ctx, next)
		return next, err
	})
}

// publish changes the phase and nobody's home.
func (m *move) publish(ctx context.Context, to shard.Phase) error {
	next := m.control.Map()
	next.Phase, next.Cursor = to, ""
	return m.control.Publish(ctx, next)
}

// flip makes the mirror of those who joined before the move their home, and back again.
func (m *move) flip(ctx context.Context, to shard.Phase) error {
	return m.closed(ctx, func(_ context.Context, next shard.Map) (shard.Map, error) {
		next.Phase = to
		return next, nil
	})
}

// forget ends the double writes of those who joined before the move, on the way back.
func (m *move) forget(ctx context.Context, to shard.Phase) error {
	if err := pause(ctx, oldMaps); err != nil {
		return err
	}
	return m.publish(ctx, to)
}

// giveUp takes those who joined meanwhile back to where the others are: by double writes with
// nobody new, and then without.
func (m *move) giveUp(ctx context.Context, to shard.Phase) error {
	err := m.closed(ctx, func(_ context.Context, next shard.Map) (shard.Map, error) {
		next.Phase, next.NewFrom = shard.DoubleWrites, ""
		return next, nil
	})
	if err != nil {
		return err
	}
	if err := pause(ctx, oldMaps); err != nil {
		return err
	}
	next := m.control.Map()
	next.Phase, next.Target = to, next.Home
	return m.control.Publish(ctx, next)
}

// finish ends the double writes, and with them the way back. From its map on, servers that were left
// go on counting others, and must not count those who have left. They are noted before, and those who
// join meanwhile when nobody joins.
func (m *move) finish(ctx context.Context, to shard.Phase) error {
	if err := pause(ctx, oldMaps); err != nil {
		return err
	}
	if err := m.work.leave(ctx, m.control.Map(), ""); err != nil {
		return err
	}
	return m.closed(ctx, func(ctx context.Context, next shard.Map) (shard.Map, error) {
		if err := m.work.leave(ctx, m.control.Map(), next.NewFrom); err != nil {
			return next, err
		}
		next.Phase, next.Home, next.NewFrom = to, next.Target, ""
		return next, nil
	})
}

// closed changes homes: behind closed fences, when every copy that was still to be made has
// been. Most are made before, so that little is left to wait for.
func (m *move) closed(ctx context.Context, next func(context.Context, shard.Map) (shard.Map, error)) error {
	for try := 1; ; try++ {
		if err := m.work.settle(ctx, m.control.Map()); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		late, err := m.closedOnce(ctx, next)
		if err == nil || !late || try == switchTries {
			return err
		}
		m.logger.WarnContext(ctx, "not settled in time, opened again", "try", try, "error", err)
	}
}

// closedOnce reports, with an error, whether the time was up.
func (m *move) closedOnce(ctx context.Context, next func(context.Context, shard.Map) (shard.Map, error)) (late bool, err error) {
	closed, cancel := context.WithTimeout(ctx, closedFor)
	defer cancel()
	err = m.control.Switch(closed,
		func(ctx context.Context) error { return m.work.settle(ctx, m.control.Map()) },
		func(ctx context.Context) (shard.Map, error) {
			now := m.control.Map()
			now.Cursor = ""
			return next(ctx, now)
		})
	return ctx.Err() == nil && closed.Err() != nil, err
}

// darkReads waits until enough reads on the mirrors came to the same as those at home.
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
			return fmt.Errorf("%d of %d reads came to something else on the other server: go back, and find out why", differed, compared)
		case compared >= darkEnough:
			m.logger.InfoContext(ctx, "dark reads agree", "compared", compared)
			return nil
		case time.Since(began) > darkFor:
			return fmt.Errorf("not enough traffic: %d reads compared in %s, want %d", compared, darkFor, darkEnough)
		}
		if err := pause(ctx, darkPause); err != nil {
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
