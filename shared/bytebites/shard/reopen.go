package shard

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

const (
	// deadAfter is how long a fence must have been closed before it is opened again although no mover
	// holds the lock. The next mover, if one starts, comes first.
	deadAfter = time.Second
	// closingLease is how long a mover may keep a fence closed. It is longer than closeTimeout and a
	// settling together. After it the mover counts as dead, although its session is still there.
	closingLease = 10 * time.Second
	// lookTimeout bounds one look at a fence.
	lookTimeout = time.Second
)

// stuck is a fence that lets no writer with the present map in.
type stuck struct {
	server Server
	age    time.Duration // 0 for a fence that lets writers in
}

// reopen opens the fences that a dead mover left closed, or at an older map. A writer that was turned
// away calls for it, so that writes do not stop until a person starts the next mover.
//
// It takes a turn, as a mover does. So a mover that was only suspended finds its turn over: it can
// neither publish its map nor move a fence. If that mover published its map before, the fences open
// for that map.
func reopen(ctx context.Context, control *sql.DB, servers []*sql.DB, logger *slog.Logger) error {
	var turn int64
	var changed float64 // seconds
	err := control.QueryRowContext(ctx, `SELECT turn, extract(epoch FROM now() - changed_at) FROM shard_map`).Scan(&turn, &changed)
	if err != nil {
		return postgres.Wrap(ctx, "read turn", err)
	}
	m, _, err := readMap(ctx, control, 0)
	if err != nil {
		return err
	}
	if err := known(m, len(servers)); err != nil {
		return err
	}
	oldest := oldestStuck(ctx, servers, m, seconds(changed))
	if oldest.age < deadAfter {
		return nil
	}
	session, err := control.Conn(ctx)
	if err != nil {
		return postgres.Wrap(ctx, "connect to control database", err)
	}
	defer func() {
		// Do not return the connection to the pool. Closing it ends the lock.
		_ = session.Raw(func(any) error { return driver.ErrBadConn })
		_ = session.Close()
	}()
	var locked bool
	if err := session.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, moverLock).Scan(&locked); err != nil {
		return postgres.Wrap(ctx, "look for a mover", err)
	}
	if !locked && oldest.age < closingLease {
		return nil // a mover is at work
	}
	mover := &Mover{Servers: servers, Logger: logger, control: control, session: session}
	// If another mover has had a turn since, it has opened the fences, or will.
	err = session.QueryRowContext(ctx, `UPDATE shard_map SET turn = turn + 1 WHERE turn = $1 RETURNING turn`, turn).Scan(&mover.turn)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return postgres.Wrap(ctx, "begin turn", err)
	}
	if mover.current, _, err = readMap(ctx, session, 0); err != nil {
		return err
	}
	logger.LogAttrs(ctx, slog.LevelWarn, "opening fences that a mover left",
		slog.Int("server", int(oldest.server)), slog.Duration("age", oldest.age), slog.Int64("version", mover.current.Version))
	return mover.openAll(ctx, inUse(mover.current), mover.current.Version)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// oldestStuck returns the fence that has been stuck for longest. changed is the age of the map. A
// server that does not answer is left out.
func oldestStuck(ctx context.Context, servers []*sql.DB, m Map, changed time.Duration) stuck {
	used := inUse(m)
	all := make([]stuck, len(used))
	var group errgroup.Group
	for i, server := range used {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, lookTimeout)
			defer cancel()
			var open bool
			var version int64
			var moved float64 // seconds ago
			err := servers[server].QueryRowContext(ctx,
				`SELECT open, version, extract(epoch FROM clock_timestamp() - moved_at) FROM shard_fence`).Scan(&open, &version, &moved)
			all[i].server = server
			switch {
			case err != nil || open && version >= m.Version:
			case open: // the mover moves the fences after it has published the map
				all[i].age = changed
			default:
				all[i].age = seconds(moved)
			}
			return nil
		})
	}
	_ = group.Wait() // it returns no error
	oldest := stuck{}
	for _, s := range all {
		if s.age > oldest.age {
			oldest = s
		}
	}
	return oldest
}
