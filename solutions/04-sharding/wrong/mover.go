package wrong

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

// mover moves user data, and compares nothing: it has copied all of it.
type mover struct {
	router          shard.Router
	overwritesNewer bool // a copy replaces what is there, whatever that is
	ignoresUncopied bool // what the second half of a double write could not do, nobody does
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
	return m.router.Plan(m.control.Map().Home, shardstore.Shards(m.r))
}

func (m *moving) to(ctx context.Context, goal string) error {
	stops := []string{shardstore.Back}
	for _, phase := range shard.Phases()[1:] {
		stops = append(stops, phase.String())
	}
	stops = append(stops, shardstore.Done)
	done := len(stops) - 1
	end, at := slices.Index(stops, goal), int(m.control.Map().Phase)
	if at == 0 && m.plan() == m.control.Map().Home {
		at = done
	}
	if end < 0 || end < at && at == done {
		return fmt.Errorf("no way to %s", goal)
	}
	for ; at > end; at-- {
		if err := m.step(ctx, at, at-1, done); err != nil {
			return err
		}
	}
	for {
		if shard.Phase(at) == shard.Backfill {
			if err := m.backfill(ctx); err != nil {
				return err
			}
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

// step goes from one stop to the next, or to the one before.
func (m *moving) step(ctx context.Context, from, to, done int) error {
	next := m.control.Map()
	next.Phase, next.Cursor = shard.Phase(to), ""
	m.r.Logger.InfoContext(ctx, "phase", "from", from, "to", to)
	doubled, flipped := int(shard.DoubleWrites), int(shard.Flipped)
	switch {
	case from == 0: // nobody is new yet
		next.Target, next.NewFrom = m.plan(), bytebites.NewUserID(time.Now())
		return m.swap(ctx, next)
	case to == 0: // nobody is new any more, and then nothing moves
		next.Phase, next.NewFrom = shard.DoubleWrites, ""
		if err := m.swap(ctx, next); err != nil {
			return err
		}
		next.Phase, next.Target = shard.Settled, next.Home
		return m.publishLater(ctx, next)
	case max(from, to) == flipped:
		return m.swap(ctx, next)
	case to == done:
		next.Phase, next.Home, next.NewFrom = shard.Settled, next.Target, ""
		if err := m.publishLater(ctx, next); err != nil {
			return err
		}
		return m.clean(ctx)
	case from == doubled && to < doubled:
		return m.publishLater(ctx, next)
	}
	return m.control.Publish(ctx, next)
}

func (m *moving) swap(ctx context.Context, next shard.Map) error {
	return m.control.Switch(ctx, m.settle, func(context.Context) (shard.Map, error) { return next, nil })
}

// publishLater publishes a map when nobody reads by the last but one.
func (m *moving) publishLater(ctx context.Context, next shard.Map) error {
	time.Sleep(2250 * time.Millisecond)
	return m.control.Publish(ctx, next)
}

// settle copies whoever is still to be copied.
func (m *moving) settle(ctx context.Context) error {
	if m.ignoresUncopied {
		return nil
	}
	for _, server := range m.pools {
		var after bytebites.UserID
		for {
			users, err := shard.Uncopied(ctx, server, after, shardstore.Batch)
			if err != nil || len(users) == 0 {
				return err
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
	return shardstore.Walk(ctx, m.pools, m.servers(), now.Cursor, func(ctx context.Context, found []shardstore.Found) error {
		if err := m.copy(ctx, shardstore.Users(found), true); err != nil {
			return err
		}
		return m.control.SaveCursor(ctx, found[len(found)-1].User)
	})
}

// copy copies those of the subscribers who have a mirror.
func (m *moving) copy(ctx context.Context, users []bytebites.UserID, mark bool) error {
	now := m.control.Map()
	groups := make(map[shard.Place][]bytebites.UserID)
	for _, user := range users {
		if place := m.router.Place(now, user); place.Mirrored() {
			groups[place] = append(groups[place], user)
		}
	}
	for place, group := range groups {
		home, mirror := m.pools[place.Home], m.pools[place.Mirror]
		if mark {
			if err := shard.MarkAll(ctx, home, now.Version, group); err != nil {
				return err
			}
		}
		if err := copyRows(ctx, home, mirror, group, m.overwritesNewer); err != nil {
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
	all := slices.Concat(now.Home[:], now.Target[:])
	slices.Sort(all)
	return slices.Compact(all)
}
