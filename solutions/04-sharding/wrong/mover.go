package wrong

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
	"bytebites.example/workshop/solutions/04-sharding"
)

// MoverFlaw is a mistake in the mover. The zero value is right.
type MoverFlaw struct {
	// Of copies.
	OverwritesNewer, IgnoresUncopied, CursorFirst, Unmarked, StartsOver, OneBatch bool
	// Of verify and dark reads.
	NeverVerifies, VerifiesSample, VerifiesOnce, OnlyLogs, NoDarkReads, IgnoresDifferences bool
	// Of the maps.
	ForgetsAtOnce, PublishesFlip, ClosesForEver, NewFromClock, BackFromDone bool
	// Of the end.
	LeavesStrays, CountsLeftovers bool
}

// Apply puts a mover with the flaw, and otherwise the solution, into a service.
func (f MoverFlaw) Apply(c *service.Composition) {
	sharding.Apply(c)
	c.Roles["migrate"] = shardstore.Role(f.mover(sharding.NewRouter()).migrate)
}

func (f MoverFlaw) mover(router shard.Router) mover { return mover{f, router} }

// mover moves user data.
type mover struct {
	MoverFlaw
	router shard.Router
}

// migrate is a shardstore.Move.
func (mv mover) migrate(ctx context.Context, r service.Resources, control *shard.Mover, goal string) error {
	m := &moving{mover: mv, r: r, control: control, pools: shardstore.Pools(r)}
	return m.to(ctx, goal)
}

// moving is a move under way. Its stops are the phases, by number, and then done.
type moving struct {
	mover
	r       service.Resources
	control *shard.Mover
	pools   []*sql.DB
}

func (m *moving) plan() shard.Assignment {
	return m.router.Plan(m.control.Map().Source, shardstore.Shards(m.r))
}

func (m *moving) to(ctx context.Context, goal string) error {
	stops := []string{shardstore.Back}
	for _, phase := range shard.Phases()[1:] {
		stops = append(stops, phase.String())
	}
	stops = append(stops, shardstore.Done)
	done := len(stops) - 1
	end, at := slices.Index(stops, goal), int(m.control.Map().Phase)
	if at == 0 && m.plan() == m.control.Map().Source {
		at = done
	}
	if end < 0 || end < at && at == done && !m.BackFromDone {
		return fmt.Errorf("no way to %s", goal)
	}
	if at == done && end < at {
		return nil
	}
	for ; at > end; at-- {
		if err := m.step(ctx, at, at-1, done); err != nil {
			return err
		}
	}
	for {
		if at == end && shard.Phase(at) == shard.DarkReads {
			return nil // a replica counts dark reads before the next phase, and not before the end
		}
		if err := m.in(ctx, shard.Phase(at)); err != nil {
			return err
		}
		if at == end {
			return nil
		}
		if err := m.step(ctx, at, at+1, done); err != nil {
			return err
		}
		at++
	}
}

// in does what a phase does to rows.
func (m *moving) in(ctx context.Context, phase shard.Phase) error {
	switch phase {
	case shard.Backfill:
		return m.backfill(ctx)
	case shard.Verify:
		return m.verify(ctx)
	case shard.DarkReads:
		return m.darkReads(ctx)
	default:
		return nil
	}
}

// step goes from one stop to the next, or to the one before.
func (m *moving) step(ctx context.Context, from, to, done int) error {
	next := m.control.Map()
	next.Phase, next.Cursor = shard.Phase(to), ""
	m.r.Logger.InfoContext(ctx, "phase", "from", from, "to", to)
	doubled, flipped := int(shard.DoubleWrites), int(shard.Flipped)
	switch {
	case from == 0: // nobody is new yet
		next.Target = m.plan()
		return m.swap(ctx, next, m.newFrom)
	case to == 0: // nobody is new any more, and then nothing moves
		next.Phase, next.NewFrom = shard.DoubleWrites, ""
		if err := m.swap(ctx, next, nil); err != nil {
			return err
		}
		next.Phase, next.Target = shard.Settled, next.Source
		return m.publishLater(ctx, next)
	case max(from, to) == flipped:
		if m.PublishesFlip {
			if err := m.settle(ctx); err != nil {
				return err
			}
			return m.control.Publish(ctx, next)
		}
		return m.swap(ctx, next, nil)
	case to == done:
		next.Phase, next.Source, next.NewFrom = shard.Settled, next.Target, ""
		if err := m.finish(ctx, next); err != nil {
			return err
		}
		return m.clean(ctx)
	case from == doubled && to < doubled:
		return m.publishLater(ctx, next)
	}
	return m.control.Publish(ctx, next)
}

// finish notes who leaves which server, and publishes the last map.
func (m *moving) finish(ctx context.Context, next shard.Map) error {
	if !m.ForgetsAtOnce {
		time.Sleep(oldMaps)
	}
	if m.CountsLeftovers {
		return m.control.Publish(ctx, next)
	}
	now := m.control.Map()
	return m.swap(ctx, next, func(ctx context.Context) (bytebites.UserID, error) {
		return "", shardstore.Walk(ctx, m.pools, m.servers(), "", func(ctx context.Context, found []shardstore.Found) error {
			for place, group := range m.groups(now, shardstore.Users(found)) {
				if err := shard.Leave(ctx, m.pools[place.Mirror], now.Version+1, group); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// newFrom returns an id behind all that exist.
func (m *moving) newFrom(ctx context.Context) (bytebites.UserID, error) {
	from := bytebites.NewUserID(time.Now())
	if m.NewFromClock {
		return from, nil
	}
	err := shardstore.Walk(ctx, m.pools, m.servers(), from, func(_ context.Context, found []shardstore.Found) error {
		from = found[len(found)-1].User + "~"
		return nil
	})
	return from, err
}

// swap changes homes. newFrom, unless it is nil, says where new subscribers begin.
func (m *moving) swap(ctx context.Context, next shard.Map, newFrom func(context.Context) (bytebites.UserID, error)) error {
	for try := 0; ; try++ {
		if err := m.settle(ctx); err != nil {
			return err
		}
		closed, cancel := context.WithTimeout(ctx, closedFor)
		if m.ClosesForEver {
			closed, cancel = context.WithCancel(ctx)
		}
		err := m.control.Switch(closed, m.settle, func(ctx context.Context) (_ shard.Map, err error) {
			if newFrom != nil {
				next.NewFrom, err = newFrom(ctx)
			}
			return next, err
		})
		late := closed.Err() != nil
		cancel()
		if err == nil || !late || try == 4 {
			return err
		}
	}
}

const (
	closedFor = 2 * time.Second
	// oldMaps is when no replica reads by a map that was replaced.
	oldMaps = 2250 * time.Millisecond
)

// publishLater publishes a map when no replica reads by an earlier one.
func (m *moving) publishLater(ctx context.Context, next shard.Map) error {
	if !m.ForgetsAtOnce {
		time.Sleep(oldMaps)
	}
	return m.control.Publish(ctx, next)
}

// settle copies the subscribers whose mark is ahead.
func (m *moving) settle(ctx context.Context) error {
	if m.IgnoresUncopied {
		return nil
	}
	for _, server := range m.pools {
		var after bytebites.UserID
		for {
			users, err := shard.Uncopied(ctx, server, after, shardstore.Batch)
			if err != nil {
				return err
			}
			if len(users) == 0 {
				break
			}
			if err := m.copy(ctx, users, false); err != nil {
				return err
			}
			after = users[len(users)-1]
		}
	}
	return nil
}

func (m *moving) backfill(ctx context.Context) error {
	now := m.control.Map()
	var all []bytebites.UserID
	if m.StartsOver {
		now.Cursor = ""
	}
	err := shardstore.Walk(ctx, m.pools, m.servers(), now.Cursor, func(ctx context.Context, found []shardstore.Found) error {
		users := shardstore.Users(found)
		if m.OneBatch {
			all = append(all, users...)
			return nil
		}
		if m.CursorFirst {
			if err := m.control.SaveCursor(ctx, users[len(users)-1]); err != nil {
				return err
			}
		}
		if err := m.copy(ctx, users, !m.Unmarked); err != nil {
			return err
		}
		return m.control.SaveCursor(ctx, users[len(users)-1])
	})
	if err == nil && len(all) > 0 {
		err = m.copy(ctx, all, true)
	}
	return err
}

// verify compares both sides.
func (m *moving) verify(ctx context.Context) error {
	if m.NeverVerifies {
		return nil
	}
	if err := m.settle(ctx); err != nil {
		return err
	}
	now := m.control.Map()
	after := bytebites.UserID("")
	if m.VerifiesOnce {
		after = now.Cursor
	}
	return shardstore.Walk(ctx, m.pools, m.servers(), after, func(ctx context.Context, found []shardstore.Found) error {
		users := shardstore.Users(found)
		if m.VerifiesSample {
			users = users[:1]
		}
		for place, group := range m.groups(now, users) {
			for began := time.Now(); len(group) > 0; time.Sleep(again) {
				if err := m.settle(ctx); err != nil { // a copy may have failed meanwhile
					return err
				}
				differ, err := shardstore.Differing(ctx, m.pools[place.Home], m.pools[place.Mirror], group)
				if err != nil {
					return err
				}
				if group = differ; len(differ) == 0 || time.Since(began) < patience {
					continue
				}
				m.r.Logger.ErrorContext(ctx, "subscribers differ", "users", len(differ))
				if !m.OnlyLogs {
					return fmt.Errorf("%d subscribers differ", len(differ))
				}
				break
			}
		}
		if m.VerifiesOnce {
			return m.control.SaveCursor(ctx, found[len(found)-1].User)
		}
		return nil
	})
}

// darkReads waits for reads that agree.
func (m *moving) darkReads(ctx context.Context) error {
	for began := time.Now(); !m.NoDarkReads; time.Sleep(again) {
		compared, differed, err := m.control.DarkReads(ctx)
		switch {
		case err != nil:
			return err
		case differed > 0 && !m.IgnoresDifferences:
			return fmt.Errorf("%d reads differed", differed)
		case compared > tries:
			return nil
		case time.Since(began) > 30*time.Second:
			return errors.New("too few reads")
		}
	}
	return nil
}

// groups returns those of the subscribers who have a mirror, by place.
func (m *moving) groups(now shard.Map, users []bytebites.UserID) map[shard.Place][]bytebites.UserID {
	groups := make(map[shard.Place][]bytebites.UserID)
	for _, user := range users {
		if place := m.router.Place(now, user); place.Mirrored() {
			groups[place] = append(groups[place], user)
		}
	}
	return groups
}

// copy copies those of the subscribers who have a mirror.
func (m *moving) copy(ctx context.Context, users []bytebites.UserID, mark bool) error {
	now := m.control.Map()
	for place, group := range m.groups(now, users) {
		home, mirror := m.pools[place.Home], m.pools[place.Mirror]
		if mark {
			if err := shard.MarkAll(ctx, home, now.Version, group); err != nil {
				return err
			}
		}
		if err := copyRows(ctx, home, mirror, group, m.OverwritesNewer); err != nil {
			return err
		}
	}
	return nil
}

// copyRows copies subscribers from a server to another, and, if it is told so, over newer rows.
func copyRows(ctx context.Context, home, mirror *sql.DB, users []bytebites.UserID, overNewer bool) error {
	read, err := shard.Read(ctx, home, users)
	if err != nil {
		return err
	}
	err = shard.Transact(ctx, mirror, func(ctx context.Context) error {
		outdated, err := shard.Outdated(ctx, mirror, read)
		if err != nil {
			return err
		}
		if overNewer {
			outdated = read.Users()
		}
		return shard.Replace(ctx, mirror, read.Only(outdated))
	})
	if err != nil {
		return err
	}
	return shard.Copied(ctx, home, read)
}

// clean deletes what a move has left on shards.
func (m *moving) clean(ctx context.Context) error {
	if m.LeavesStrays {
		return nil
	}
	time.Sleep(2 * patience)
	now := m.control.Map()
	return shardstore.Walk(ctx, m.pools, m.servers(), "", func(ctx context.Context, found []shardstore.Found) error {
		for _, f := range found {
			for _, server := range f.On {
				if server != m.router.Place(now, f.User).Home && server != shard.Old {
					if err := shard.Delete(ctx, m.pools[server], []bytebites.UserID{f.User}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// servers returns all servers of the map.
func (m *moving) servers() []shard.Server {
	now := m.control.Map()
	all := slices.Concat(now.Source[:], now.Target[:])
	slices.Sort(all)
	return slices.Compact(all)
}
