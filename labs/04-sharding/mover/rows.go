package mover

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
	// batchTimeout bounds the work on one batch of subscribers.
	batchTimeout = 30 * time.Second
	// backfillPause follows each batch of shardstore.Batch subscribers. It is the speed limit of
	// the backfill: at most 8,000 subscribers a second, and time for the requests that wait.
	backfillPause = 25 * time.Millisecond
	// A subscriber who is being written differs for a moment. So a comparison is repeated.
	compareTimeout = 3 * time.Second
	comparePause   = 20 * time.Millisecond
	// lateCopyTime is when the last copy has arrived that a replica began by an older map.
	lateCopyTime = 2 * time.Second
)

// Rows are the rows of subscribers on all servers, as a move sees them.
type Rows struct {
	Parts
	Pools []*sql.DB // of all servers, by number

	saveCursor func(ctx context.Context, at bytebites.UserID) error // see shard.Mover
	logger     *slog.Logger
}

// InUse returns the servers that the map names, each once, in order.
func InUse(m shard.Map) []shard.Server {
	return distinct(slices.Concat(m.Source[:], m.Target[:]))
}

func distinct(servers []shard.Server) []shard.Server {
	return slices.Compact(slices.Sorted(slices.Values(servers)))
}

// CopyAll copies those of the subscribers who have a mirror, by Parts.Copy. Copies between
// different servers run side by side.
func (r *Rows) CopyAll(ctx context.Context, m shard.Map, users []bytebites.UserID) error {
	_, err := r.copyAll(ctx, m, users, nil)
	return err
}

// copyAll returns how many rows were copied. It calls mark, unless it is nil, before each copy.
func (r *Rows) copyAll(ctx context.Context, m shard.Map, users []bytebites.UserID, mark func(context.Context, shard.Server, []bytebites.UserID) error) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
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
			copied, err := r.Copy(ctx, place, group)
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

// mirrored groups those of the subscribers who have a mirror by their place.
func (r *Rows) mirrored(m shard.Map, users []bytebites.UserID) map[shard.Place][]bytebites.UserID {
	groups := make(map[shard.Place][]bytebites.UserID)
	for _, user := range users {
		if place := r.Router.Place(m, user); place.Mirrored() {
			groups[place] = append(groups[place], user)
		}
	}
	return groups
}

func (r *Rows) settle(ctx context.Context, m shard.Map) error { return r.Settle(ctx, r, m) }

// backfill copies every subscriber who moves. It marks each batch first: if the mover dies before
// the copy, Settle finds the batch by its marks.
func (r *Rows) backfill(ctx context.Context, m shard.Map) error {
	done, of, err := shardstore.Count(ctx, r.Pools, distinct(m.Source[:]), m.Cursor)
	if err != nil {
		return err
	}
	progress := shardstore.NewProgress(r.logger, done, of)
	mark := func(ctx context.Context, home shard.Server, users []bytebites.UserID) error {
		return shard.MarkAll(ctx, r.Pools[home], m.Version, users)
	}
	err = shardstore.Walk(ctx, r.Pools, InUse(m), m.Cursor, func(ctx context.Context, found []shardstore.Found) error {
		if err := r.deleteStrays(ctx, m, found); err != nil { // rows of a move that was given up
			return err
		}
		n, err := r.copyAll(ctx, m, shardstore.Users(found), mark)
		if err != nil {
			return err
		}
		if err := r.saveCursor(ctx, found[len(found)-1].User); err != nil {
			return err
		}
		progress.Add(ctx, len(found), n)
		return pause(ctx, backfillPause)
	})
	progress.Say(ctx)
	return err
}

// verify compares home and mirror of every subscriber who moves, by hash. It also demands that
// no other server has rows of a subscriber. It begins with the first subscriber each time, because
// a comparison from before says nothing about the present rows.
func (r *Rows) verify(ctx context.Context, m shard.Map) error {
	if err := r.settle(ctx, m); err != nil {
		return err
	}
	same := 0
	err := shardstore.Walk(ctx, r.Pools, InUse(m), "", func(ctx context.Context, found []shardstore.Found) error {
		for server, users := range r.strays(m, found) {
			return fmt.Errorf("server %d has rows of %d subscribers, such as %s, and is neither their home nor their mirror", server, len(users), users[0])
		}
		comparing, ctx := errgroup.WithContext(ctx)
		for place, group := range r.mirrored(m, shardstore.Users(found)) {
			comparing.Go(func() error { return r.compare(ctx, m, place, group) })
			same += len(group)
		}
		return comparing.Wait()
	})
	if err == nil {
		r.logger.InfoContext(ctx, "home and mirror are the same", "users", same)
	}
	return err
}

// strays returns, by server, the subscribers who have rows there although it is neither home nor mirror. Rows on the old server do not count: after a move it is retired as a whole.
func (r *Rows) strays(m shard.Map, found []shardstore.Found) map[shard.Server][]bytebites.UserID {
	strays := make(map[shard.Server][]bytebites.UserID)
	for _, f := range found {
		place := r.Router.Place(m, f.User)
		for _, server := range f.On {
			if server != place.Home && server != place.Mirror && server != shard.Old {
				strays[server] = append(strays[server], f.User)
			}
		}
	}
	return strays
}

// compare returns an error if home and mirror still differ after compareTimeout.
func (r *Rows) compare(ctx context.Context, m shard.Map, place shard.Place, users []bytebites.UserID) error {
	for began := time.Now(); ; {
		differ, err := shardstore.Differing(ctx, r.Pools[place.Home], r.Pools[place.Mirror], users)
		if err != nil || len(differ) == 0 {
			return err
		}
		if time.Since(began) > compareTimeout {
			return fmt.Errorf("home %d and mirror %d differ for %d subscribers, such as %s: go back to double-writes, and find out why",
				place.Home, place.Mirror, len(differ), differ[0])
		}
		if err := pause(ctx, comparePause); err != nil {
			return err
		}
		if err := r.CopyAll(ctx, m, differ); err != nil {
			return err
		}
		users = differ
	}
}

// leave notes, on each shard that subscribers behind the id after leave by the next map, that they
// leave it.
func (r *Rows) leave(ctx context.Context, m shard.Map, after bytebites.UserID) error {
	return shardstore.Walk(ctx, r.Pools, InUse(m), after, func(ctx context.Context, found []shardstore.Found) error {
		for place, group := range r.mirrored(m, shardstore.Users(found)) {
			if place.Mirror == shard.Old {
				continue
			}
			if err := shard.Leave(ctx, r.Pools[place.Mirror], m.Version+1, group); err != nil {
				return fmt.Errorf("server %d: %w", place.Mirror, err)
			}
		}
		return nil
	})
}

// clean deletes the rows that the move has left on servers that go on serving others.
func (r *Rows) clean(ctx context.Context, m shard.Map) error {
	if err := pause(ctx, lateCopyTime); err != nil {
		return err
	}
	return shardstore.Walk(ctx, r.Pools, InUse(m), "", func(ctx context.Context, found []shardstore.Found) error {
		return r.deleteStrays(ctx, m, found)
	})
}

func (r *Rows) deleteStrays(ctx context.Context, m shard.Map, found []shardstore.Found) error {
	for server, users := range r.strays(m, found) {
		if err := shard.Delete(ctx, r.Pools[server], users); err != nil {
			return fmt.Errorf("delete from server %d: %w", server, err)
		}
		r.logger.InfoContext(ctx, "rows left by a move deleted", "server", int(server), "users", len(users))
	}
	return nil
}

// newFrom returns an id that is greater than all ids that exist, even if a replica's clock was
// fast when it made one. All subscribers who join from now on have a greater id.
func (r *Rows) newFrom(ctx context.Context, m shard.Map) (bytebites.UserID, error) {
	from := bytebites.NewUserID(time.Now())
	err := shardstore.Walk(ctx, r.Pools, InUse(m), from, func(_ context.Context, found []shardstore.Found) error {
		from = found[len(found)-1].User + "~" // the smallest id behind it
		return nil
	})
	return from, err
}
