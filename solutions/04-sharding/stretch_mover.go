package sharding

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

const (
	// ownOldMapTime is a little more than the time for which a replica may read by a map that was
	// replaced: see shard.ErrStale.
	ownOldMapTime = 2250 * time.Millisecond
	// ownBatchPause is the speed limit of the backfill: a pause after each batch.
	ownBatchPause = 25 * time.Millisecond
	// ownCompareTimeout is how long home and mirror may differ while subscribers write.
	ownCompareTimeout = time.Second
	ownComparePause   = 50 * time.Millisecond
	ownDarkReads      = 50 // that must agree before the flip
	ownDarkTimeout    = 30 * time.Second
)

// own is a move under way. Its stops are the phases by number, and then done.
type own struct {
	parts   mover.Parts
	rows    *mover.Rows
	r       service.Resources
	control *shard.Mover
}

// ownMover is a shardstore.Move, in the role own-mover.
func ownMover(ctx context.Context, r service.Resources, control *shard.Mover, goal string) error {
	parts := Parts(r)
	o := &own{parts: parts, rows: &mover.Rows{Parts: parts, Pools: shardstore.Pools(r)}, r: r, control: control}
	return o.to(ctx, goal)
}

// to goes from the map's stop to the goal, one stop at a time. On the way forward it does the work of
// each stop, also of one at which another mover died.
func (o *own) to(ctx context.Context, goal string) error {
	stops := []string{shardstore.Back}
	for _, phase := range shard.Phases()[1:] {
		stops = append(stops, phase.String())
	}
	stops = append(stops, shardstore.Done)
	done, end, now := len(stops)-1, slices.Index(stops, goal), o.control.Map()
	at := int(now.Phase)
	if now.Phase == shard.Settled && o.plan() == now.Source {
		at = done
	}
	if end < 0 || at == done && end < at {
		return fmt.Errorf("no way from %s to %s", stops[at], goal)
	}
	for ; at > end; at-- {
		if err := o.back(ctx, shard.Phase(at), shard.Phase(at-1)); err != nil {
			return fmt.Errorf("back from %s: %w", stops[at], err)
		}
	}
	for {
		if err := o.work(ctx, at, done); err != nil {
			return fmt.Errorf("%s: %w", stops[at], err)
		}
		if at == end {
			return nil
		}
		at++
		if err := o.enter(ctx, at, done); err != nil {
			return fmt.Errorf("enter %s: %w", stops[at], err)
		}
	}
}

func (o *own) plan() shard.Assignment {
	return o.parts.Router.Plan(o.control.Map().Source, shardstore.Shards(o.r))
}

// enter publishes the map of the next stop.
func (o *own) enter(ctx context.Context, at, done int) error {
	switch at {
	case int(shard.NewUsers):
		return o.homes(ctx, func(ctx context.Context, next shard.Map) (_ shard.Map, err error) {
			next.Phase, next.Target = shard.NewUsers, o.plan()
			next.NewFrom, err = o.newFrom(ctx, next)
			return next, err
		})
	case int(shard.Flipped):
		return o.homes(ctx, inPhase(shard.Flipped))
	case done:
		return o.finish(ctx)
	default:
		return o.publish(ctx, shard.Phase(at))
	}
}

// back publishes the map of the stop before. A server that was home stays a mirror until no replica
// reads by the map in which it was.
func (o *own) back(ctx context.Context, from, to shard.Phase) error {
	switch from {
	case shard.Flipped:
		return o.homes(ctx, inPhase(to))
	case shard.DoubleWrites:
		if err := ownPause(ctx, ownOldMapTime); err != nil {
			return err
		}
	case shard.NewUsers:
		err := o.homes(ctx, func(_ context.Context, next shard.Map) (shard.Map, error) {
			next.Phase, next.NewFrom = shard.DoubleWrites, ""
			return next, nil
		})
		if err != nil {
			return err
		}
		if err := ownPause(ctx, ownOldMapTime); err != nil {
			return err
		}
		next := o.control.Map()
		next.Phase, next.Target = shard.Settled, next.Source
		return o.control.Publish(ctx, next)
	}
	return o.publish(ctx, to)
}

func inPhase(phase shard.Phase) mover.Next {
	return func(_ context.Context, next shard.Map) (shard.Map, error) {
		next.Phase = phase
		return next, nil
	}
}

// publish changes the phase and no home.
func (o *own) publish(ctx context.Context, phase shard.Phase) error {
	next := o.control.Map()
	next.Phase, next.Cursor = phase, ""
	return o.control.Publish(ctx, next)
}

// homes changes homes.
func (o *own) homes(ctx context.Context, next mover.Next) error {
	return o.parts.HandOver(ctx, o.control,
		func(ctx context.Context) error { return o.parts.Settle(ctx, o.rows, o.control.Map()) },
		func(ctx context.Context, now shard.Map) (shard.Map, error) {
			now.Cursor = ""
			return next(ctx, now)
		})
}

// finish ends the double writes. Shards that subscribers leave must not count them from then on.
func (o *own) finish(ctx context.Context) error {
	if err := ownPause(ctx, ownOldMapTime); err != nil {
		return err
	}
	return o.homes(ctx, func(ctx context.Context, next shard.Map) (shard.Map, error) {
		now := next
		err := o.walk(ctx, now, "", func(ctx context.Context, found []shardstore.Found) error {
			for place, group := range o.groups(now, found) {
				if place.Mirror == shard.Old {
					continue
				}
				if err := shard.Leave(ctx, o.rows.Pools[place.Mirror], now.Version+1, group); err != nil {
					return err
				}
			}
			return nil
		})
		next.Phase, next.Source, next.NewFrom = shard.Settled, next.Target, ""
		return next, err
	})
}

// newFrom returns an id behind all that exist, whatever the clocks said that made them.
func (o *own) newFrom(ctx context.Context, m shard.Map) (bytebites.UserID, error) {
	from := bytebites.NewUserID(time.Now())
	err := o.walk(ctx, m, from, func(_ context.Context, found []shardstore.Found) error {
		from = found[len(found)-1].User + "~"
		return nil
	})
	return from, err
}

// work does what a stop does to rows.
func (o *own) work(ctx context.Context, at, done int) error {
	switch at {
	case int(shard.Backfill):
		return o.backfill(ctx)
	case int(shard.Verify):
		return o.verify(ctx)
	case int(shard.DarkReads):
		return o.darkReads(ctx)
	case done:
		if err := ownPause(ctx, 2*serverTimeout); err != nil { // for copies that began by the map before
			return err
		}
		now := o.control.Map()
		return o.walk(ctx, now, "", func(ctx context.Context, found []shardstore.Found) error { return o.clean(ctx, now, found) })
	default:
		return nil
	}
}

// backfill copies every subscriber who moves. The marks come first and the cursor last, so a batch in
// which the mover dies is copied again.
func (o *own) backfill(ctx context.Context) error {
	now := o.control.Map()
	return o.walk(ctx, now, now.Cursor, func(ctx context.Context, found []shardstore.Found) error {
		if err := o.clean(ctx, now, found); err != nil {
			return err
		}
		for place, group := range o.groups(now, found) {
			if err := shard.MarkAll(ctx, o.rows.Pools[place.Home], now.Version, group); err != nil {
				return err
			}
		}
		if err := o.rows.CopyAll(ctx, now, shardstore.Users(found)); err != nil {
			return err
		}
		if err := o.control.SaveCursor(ctx, found[len(found)-1].User); err != nil {
			return err
		}
		return ownPause(ctx, ownBatchPause)
	})
}

// verify compares home and mirror of all subscribers who move, from the first on.
func (o *own) verify(ctx context.Context) error {
	now := o.control.Map()
	return o.walk(ctx, now, "", func(ctx context.Context, found []shardstore.Found) error {
		for place, group := range o.groups(now, found) {
			for began := time.Now(); len(group) > 0; {
				if err := o.parts.Settle(ctx, o.rows, now); err != nil {
					return err
				}
				differ, err := shardstore.Differing(ctx, o.rows.Pools[place.Home], o.rows.Pools[place.Mirror], group)
				if err != nil {
					return err
				}
				if group = differ; len(differ) == 0 {
					break
				}
				if time.Since(began) > ownCompareTimeout {
					return fmt.Errorf("home %d and mirror %d differ for %d subscribers, such as %s", place.Home, place.Mirror, len(differ), differ[0])
				}
				if err := ownPause(ctx, ownComparePause); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// darkReads waits for reads that gave the same answers on home and mirror.
func (o *own) darkReads(ctx context.Context) error {
	for began := time.Now(); ; {
		compared, differed, err := o.control.DarkReads(ctx)
		switch {
		case err != nil:
			return err
		case differed > 0:
			return fmt.Errorf("%d of %d dark reads differed", differed, compared)
		case compared >= ownDarkReads:
			return nil
		case time.Since(began) > ownDarkTimeout:
			return fmt.Errorf("%d dark reads in %s, want %d", compared, ownDarkTimeout, ownDarkReads)
		}
		if err := ownPause(ctx, ownComparePause); err != nil {
			return err
		}
	}
}

// clean deletes rows from shards that are neither home nor mirror of their subscriber.
func (o *own) clean(ctx context.Context, m shard.Map, found []shardstore.Found) error {
	for _, f := range found {
		place := o.parts.Router.Place(m, f.User)
		for _, server := range f.On {
			if server == place.Home || server == place.Mirror || server == shard.Old {
				continue
			}
			if err := shard.Delete(ctx, o.rows.Pools[server], []bytebites.UserID{f.User}); err != nil {
				return err
			}
		}
	}
	return nil
}

// groups returns the subscribers who have a mirror, by place.
func (o *own) groups(m shard.Map, found []shardstore.Found) map[shard.Place][]bytebites.UserID {
	groups := make(map[shard.Place][]bytebites.UserID)
	for _, f := range found {
		if place := o.parts.Router.Place(m, f.User); place.Mirrored() {
			groups[place] = append(groups[place], f.User)
		}
	}
	return groups
}

func (o *own) walk(ctx context.Context, m shard.Map, after bytebites.UserID, visit func(context.Context, []shardstore.Found) error) error {
	return shardstore.Walk(ctx, o.rows.Pools, mover.InUse(m), after, visit)
}

func ownPause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
