package sharding

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

const (
	// batchFor bounds what is done to one batch of subscribers.
	batchFor      = 30 * time.Second
	backfillPause = 25 * time.Millisecond // between two batches, for those who wait meanwhile
	// Whoever is being written while both sides are read differs for a moment.
	compareFor   = 3 * time.Second
	comparePause = 20 * time.Millisecond
	// lateCopies is when the last copy has arrived that a replica began by an older map.
	lateCopies = 2 * patience
)

// copier copies subscribers from server to server: for double writes one at a time, for the
// mover many. Pools are all servers' by number.
type copier struct{ pools []*sql.DB }

// copy brings the mirror up to date with the home, and returns what was read there. It does not
// repeat what was written: it takes all rows of a subscriber as one statement sees them, with
// their version, and they replace what the mirror has, unless that is as new. So copies may
// be late, come twice, or overtake one another, and the newest wins.
func (c copier) copy(ctx context.Context, place shard.Place, users []bytebites.UserID) (shard.Copy, error) {
	home, mirror := c.pools[place.Home], c.pools[place.Mirror]
	read, err := shard.Read(ctx, home, users)
	if err != nil {
		return read, fmt.Errorf("read at home: %w", err)
	}
	err = shard.Transact(ctx, mirror, func(ctx context.Context) error {
		outdated, err := shard.Outdated(ctx, mirror, read)
		if err != nil {
			return fmt.Errorf("compare versions: %w", err)
		}
		return shard.Replace(ctx, mirror, read.Only(outdated))
	})
	if err != nil {
		return read, fmt.Errorf("replace on mirror: %w", err)
	}
	if err := shard.Copied(ctx, home, read); err != nil {
		return read, fmt.Errorf("note at home: %w", err)
	}
	return read, nil
}

// rows is the work of a move.
type rows struct {
	copier
	router shard.Router
	cursor func(ctx context.Context, at bytebites.UserID) error // see control.SaveCursor
	logger *slog.Logger
}

// copyAll copies those of the subscribers who have a mirror, after mark (unless it is nil) has
// seen them, and returns how many rows that were. What goes to different servers goes side by side.
func (r *rows) copyAll(ctx context.Context, m shard.Map, users []bytebites.UserID, mark func(context.Context, shard.Server, []bytebites.UserID) error) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, batchFor)
	defer cancel()
	copying, ctx := errgroup.WithContext(ctx)
	var sum atomic.Int64
	for place, group := range r.mirrored(m, users) {
		copying.Go(func() error {
			if mark != nil {
				if err := mark(ctx, place.Home, group); err != nil {
					return fmt.Errorf("mark on server %d: %w", place.Home, err)
				}
			}
			copied, err := r.copy(ctx, place, group)
			if err != nil {
				return fmt.Errorf("copy from server %d to %d: %w", place.Home, place.Mirror, err)
			}
			sum.Add(int64(copied.Rows()))
			return nil
		})
	}
	err := copying.Wait()
	return int(sum.Load()), err
}

// mirrored groups those of the subscribers who have a mirror by where they are.
func (r *rows) mirrored(m shard.Map, users []bytebites.UserID) map[shard.Place][]bytebites.UserID {
	groups := make(map[shard.Place][]bytebites.UserID)
	for _, user := range users {
		if place := r.router.Place(m, user); place.Mirrored() {
			groups[place] = append(groups[place], user)
		}
	}
	return groups
}

// settle copies whoever has been written and not been copied since: what a double write
// could not do, or a process that died. When nobody writes any more, nobody is left after it.
func (r *rows) settle(ctx context.Context, m shard.Map) error {
	for _, server := range inUse(m) {
		for after, more := bytebites.UserID(""), true; more; {
			users, err := shard.Uncopied(ctx, r.pools[server], after, shardstore.Batch)
			if err != nil {
				return fmt.Errorf("find uncopied on server %d: %w", server, err)
			}
			if _, err := r.copyAll(ctx, m, users, nil); err != nil {
				return err
			}
			if more = len(users) == shardstore.Batch; more {
				after = users[len(users)-1]
			}
		}
	}
	return nil
}

// backfill copies everybody who moves, whether they have been written since or not. Marked
// first, they are found by settle if this dies before their copy.
func (r *rows) backfill(ctx context.Context, m shard.Map) error {
	done, of, err := shardstore.Count(ctx, r.pools, distinct(m.Home[:]), m.Cursor)
	if err != nil {
		return err
	}
	progress := shardstore.NewProgress(r.logger, done, of)
	mark := func(ctx context.Context, home shard.Server, users []bytebites.UserID) error {
		return shard.MarkAll(ctx, r.pools[home], m.Version, users)
	}
	err = shardstore.Walk(ctx, r.pools, inUse(m), m.Cursor, func(ctx context.Context, found []shardstore.Found) error {
		if err := r.deleteStrays(ctx, m, found); err != nil { // of a move that was given up
			return err
		}
		n, err := r.copyAll(ctx, m, shardstore.Users(found), mark)
		if err != nil {
			return err
		}
		if err := r.cursor(ctx, found[len(found)-1].User); err != nil {
			return err
		}
		progress.Add(ctx, len(found), n)
		return pause(ctx, backfillPause)
	})
	progress.Say(ctx)
	return err
}

// verify compares what both sides have of everybody who moves, by hash, and demands that
// nobody is anywhere else. It begins with the first subscriber each time: whoever verifies again
// wants to know about now.
func (r *rows) verify(ctx context.Context, m shard.Map) error {
	if err := r.settle(ctx, m); err != nil {
		return err
	}
	same := 0
	err := shardstore.Walk(ctx, r.pools, inUse(m), "", func(ctx context.Context, found []shardstore.Found) error {
		for server, users := range r.strays(m, found) {
			return fmt.Errorf("%d subscribers, such as %s, are on server %d too, where nobody looks for them", len(users), users[0], server)
		}
		comparing, ctx := errgroup.WithContext(ctx)
		for place, group := range r.mirrored(m, shardstore.Users(found)) {
			comparing.Go(func() error { return r.compare(ctx, m, place, group) })
			same += len(group)
		}
		return comparing.Wait()
	})
	if err == nil {
		r.logger.InfoContext(ctx, "both sides are the same", "users", same)
	}
	return err
}

// strays returns who is on which server without having it for a home or a mirror. What is left
// on the old server does not count: nobody asks it any more, and it is retired whole.
func (r *rows) strays(m shard.Map, found []shardstore.Found) map[shard.Server][]bytebites.UserID {
	strays := make(map[shard.Server][]bytebites.UserID)
	for _, f := range found {
		place := r.router.Place(m, f.User)
		for _, server := range f.On {
			if server != place.Home && server != place.Mirror && server != shard.Old {
				strays[server] = append(strays[server], f.User)
			}
		}
	}
	return strays
}

// compare returns an error when the sides still differ though they had time to become the same.
func (r *rows) compare(ctx context.Context, m shard.Map, place shard.Place, users []bytebites.UserID) error {
	for began := time.Now(); ; {
		differ, err := shardstore.Differing(ctx, r.pools[place.Home], r.pools[place.Mirror], users)
		if err != nil || len(differ) == 0 {
			return err
		}
		if time.Since(began) > compareFor {
			return fmt.Errorf("%d subscribers, such as %s, are not the same on servers %d and %d: go back to double-writes, and find out why",
				len(differ), differ[0], place.Home, place.Mirror)
		}
		if err := pause(ctx, comparePause); err != nil {
			return err
		}
		if _, err := r.copyAll(ctx, m, differ, nil); err != nil {
			return err
		}
		users = differ
	}
}

// leave notes, on each shard that subscribers behind after leave by the next map, that they do.
func (r *rows) leave(ctx context.Context, m shard.Map, after bytebites.UserID) error {
	return shardstore.Walk(ctx, r.pools, inUse(m), after, func(ctx context.Context, found []shardstore.Found) error {
		for place, group := range r.mirrored(m, shardstore.Users(found)) {
			if place.Mirror == shard.Old {
				continue
			}
			if err := shard.Leave(ctx, r.pools[place.Mirror], m.Version+1, group); err != nil {
				return fmt.Errorf("server %d: %w", place.Mirror, err)
			}
		}
		return nil
	})
}

// clean deletes what the move has left on servers that go on serving others.
func (r *rows) clean(ctx context.Context, m shard.Map) error {
	if err := pause(ctx, lateCopies); err != nil {
		return err
	}
	return shardstore.Walk(ctx, r.pools, inUse(m), "", func(ctx context.Context, found []shardstore.Found) error {
		return r.deleteStrays(ctx, m, found)
	})
}

func (r *rows) deleteStrays(ctx context.Context, m shard.Map, found []shardstore.Found) error {
	for server, users := range r.strays(m, found) {
		if err := shard.Delete(ctx, r.pools[server], users); err != nil {
			return fmt.Errorf("delete from server %d: %w", server, err)
		}
		r.logger.InfoContext(ctx, "deleted what was left", "server", int(server), "users", len(users))
	}
	return nil
}

// newFrom returns an id that everybody who joins from now on is behind, and nobody who has
// joined: whatever the clocks of those who made the ids said.
func (r *rows) newFrom(ctx context.Context, m shard.Map) (bytebites.UserID, error) {
	from := bytebites.NewUserID(time.Now())
	err := shardstore.Walk(ctx, r.pools, inUse(m), from, func(_ context.Context, found []shardstore.Found) error {
		from = found[len(found)-1].User + "~" // the next id there can be
		return nil
	})
	return from, err
}

// inUse returns the servers that somebody is on by the map.
func inUse(m shard.Map) []shard.Server {
	return distinct(slices.Concat(m.Home[:], m.Target[:]))
}
