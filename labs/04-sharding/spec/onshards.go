package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// copyBatch is how many subscribers are copied at a time.
	copyBatch = 400
	// mapAge is a little more than the age at which a replica stops using a map (2 s, see
	// shard.ErrStale). After that time every replica uses the new map.
	mapAge = 2250 * time.Millisecond
)

// moveToShards brings all subscribers to the shards, by the subject's Plan but without its
// mover. So the checks of stores.go need no mover, and none of its pauses. After the check
// migration there is nothing left to do: the subject's mover has moved everybody.
//
// No subscriber writes meanwhile.
func (l *trial) moveToShards(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	now, err := l.readMap(ctx)
	if err != nil {
		return nil, err
	}
	var plan shard.Assignment
	err = guarded(lab.Look{File: "router.go", Func: "router.Plan"}, func() error {
		plan = l.subject.Router.Plan(now.Source, serversUpTo(shards))
		return wantShares(plan, serversUpTo(shards))
	})
	if err != nil {
		return nil, err
	}
	untouched := now.Phase == shard.Settled && now.Source == shard.Assignment{} // all buckets are on shard.Old
	switch {
	case now.Phase == shard.Settled && now.Source == plan:
		return nil, nil
	case !untouched:
		return nil, &lab.Failure{
			Expected: "a mover that reaches its goal, so that all subscribers are on shards",
			Seen:     "it stopped in phase " + now.Phase.String(),
			Look:     lab.Look{File: "migrate.go", Func: "migrate", Hint: "make the check migration pass, or run the checks of this step alone"},
		}
	}
	if err := l.emptyShards(ctx); err != nil {
		return nil, err
	}
	return nil, l.switchTo(ctx, plan)
}

// emptyShards gives the shards their tables and removes what a mover may have copied.
func (l *trial) emptyShards(ctx context.Context) error {
	preparing, ctx := errgroup.WithContext(ctx)
	for _, n := range l.nodes[:1+shards] {
		preparing.Go(func() error {
			if err := postgres.MigrateUserData(ctx, n.pool); err != nil {
				return fmt.Errorf("prepare %s: %w", n.server.Name(), err)
			}
			if err := shard.Prepare(ctx, n.pool); err != nil {
				return fmt.Errorf("prepare %s: %w", n.server.Name(), err)
			}
			if n.number == shard.Old {
				return nil
			}
			_, err := n.pool.ExecContext(ctx, `TRUNCATE shard_marks, `+strings.Join(userTables(), ", ")+` CASCADE`)
			if err != nil {
				return fmt.Errorf("empty %s: %w", n.server.Name(), err)
			}
			return nil
		})
	}
	return preparing.Wait()
}

// switchTo copies all subscribers behind closed fences, publishes the plan as the map, and
// waits until every replica uses it.
func (l *trial) switchTo(ctx context.Context, plan shard.Assignment) (err error) {
	var pools []*sql.DB // by number
	for _, n := range l.nodes {
		pools = append(pools, n.pool)
	}
	mover, err := shard.NewMover(ctx, l.servers.Pool, pools, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("start the workshop's mover: %w", err)
	}
	defer func() { err = errors.Join(err, mover.Close()) }()
	err = mover.Switch(ctx,
		func(ctx context.Context) error { return l.copyEverybody(ctx, plan) },
		func(context.Context) (shard.Map, error) {
			return shard.Map{Phase: shard.Settled, Source: plan, Target: plan}, nil
		})
	if err != nil {
		return fmt.Errorf("move all subscribers to the shards: %w", err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(mapAge):
		return nil
	}
}

// copyEverybody copies all subscribers from the old server to the shards of a plan.
func (l *trial) copyEverybody(ctx context.Context, plan shard.Assignment) error {
	old := l.nodes[shard.Old].pool
	for after, more := bytebites.UserID(""), true; more; {
		users, err := shard.Users(ctx, old, after, copyBatch)
		if err != nil {
			return err
		}
		groups := make(map[shard.Server][]bytebites.UserID)
		for _, user := range users {
			server := plan[l.bucket(user)]
			groups[server] = append(groups[server], user)
		}
		copying, ctx := errgroup.WithContext(ctx)
		for server, group := range groups {
			copying.Go(func() error {
				read, err := shard.Read(ctx, old, group)
				if err != nil {
					return err
				}
				return shard.Replace(ctx, l.nodes[server].pool, read)
			})
		}
		if err := copying.Wait(); err != nil {
			return err
		}
		if more = len(users) == copyBatch; more {
			after = users[len(users)-1]
		}
	}
	return nil
}
