package shard

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

const (
	// turnPoll is the interval at which a mover asks for the mover's lock.
	turnPoll = 250 * time.Millisecond
	// closeTimeout bounds how long Switch waits for writers inside a fence, while all other writers
	// are kept out. A writer that sends nothing is removed earlier, after idleTimeout.
	closeTimeout = 5 * time.Second
	// openTimeout bounds opening the fences. It does not depend on the caller's context, because a
	// closed fence keeps all writers out.
	openTimeout = 10 * time.Second
	// openPause is the pause after a failed attempt to open a fence.
	openPause = 250 * time.Millisecond
	// writeTimeout bounds a change of the control tables.
	writeTimeout = 5 * time.Second
)

var (
	// errTurnOver says that a later mover has had its turn, and nothing was changed.
	errTurnOver = errors.New("another mover has taken over")
	// errUnknown says that it is unknown whether the map was changed.
	errUnknown = errors.New("outcome of the map change unknown: fences stay closed until the next mover or a replica opens them")
)

// Mover changes the map. An advisory lock on the control database allows one mover at a time. The
// lock ends with the mover's connection.
//
// A mover may be suspended, lose its connection, and resume while the next mover works. So turns
// are numbered; the number is a fencing token. Map and fences store the number of the last mover
// that changed them, and refuse changes of an earlier mover.
//
// Make one change at a time with a Mover. Map may be called at any time.
type Mover struct {
	// Servers are the servers of user data, indexed by number; Old is the first.
	Servers []*sql.DB
	Logger  *slog.Logger

	control *sql.DB
	session *sql.Conn // holds the lock
	turn    int64

	mu      sync.Mutex
	current Map
}

// NewMover waits for its turn. It repairs fences that a dead mover may have left closed, or at an
// older version than the map. Close ends its turn.
//
// Servers that the map does not name need not answer.
func NewMover(ctx context.Context, control *sql.DB, servers []*sql.DB, logger *slog.Logger) (_ *Mover, err error) {
	if err := prepareControl(ctx, control); err != nil {
		return nil, err
	}
	session, err := control.Conn(ctx)
	if err != nil {
		return nil, postgres.Wrap(ctx, "connect to control database", err)
	}
	m := &Mover{Servers: servers, Logger: logger, control: control, session: session}
	defer func() {
		if err != nil {
			_ = m.Close() // err says more
		}
	}()
	if err := m.wait(ctx); err != nil {
		return nil, err
	}
	err = session.QueryRowContext(ctx, `UPDATE shard_map SET turn = turn + 1 RETURNING turn`).Scan(&m.turn)
	if err != nil {
		return nil, postgres.Wrap(ctx, "begin turn", err)
	}
	if m.current, _, err = readMap(ctx, session, 0); err != nil {
		return nil, err
	}
	return m, m.recoverFences(ctx)
}

// wait polls for the mover's lock. It cannot wait inside one statement, because that would exceed
// the server's statement_timeout.
func (m *Mover) wait(ctx context.Context) error {
	for told := false; ; {
		var locked bool
		if err := m.session.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, moverLock).Scan(&locked); err != nil {
			return postgres.Wrap(ctx, "wait for turn", err)
		}
		if locked {
			return nil
		}
		if !told {
			m.Logger.LogAttrs(ctx, slog.LevelInfo, "waiting for another mover")
			told = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for turn: another mover is running: %w", context.Cause(ctx))
		case <-time.After(turnPoll):
		}
	}
}

// recoverFences opens all fences for the map, and stores the new turn in them.
func (m *Mover) recoverFences(ctx context.Context) error {
	used := inUse(m.current)
	needed := func(server Server) bool { return slices.Contains(used, server) }
	return prepareFences(ctx, m.Servers, needed, m.Logger, func(ctx context.Context, server Server) error {
		if err := forgetLeft(ctx, m.Servers[server], m.current.Version); err != nil {
			return err
		}
		return m.open(ctx, server, m.current.Version)
	})
}

// known returns an error if the map names a server with a number of servers or above.
func known(m Map, servers int) error {
	if last := slices.Max(inUse(m)); int(last) >= servers {
		return fmt.Errorf("the map names server %d, but only servers 0 to %d are known", last, servers-1)
	}
	return nil
}

// inUse returns the servers that the maps name, in order.
func inUse(all ...Map) []Server {
	seen := make(map[Server]bool)
	for _, m := range all {
		for b := range m.Source {
			seen[m.Source[b]], seen[m.Target[b]] = true, true
		}
	}
	servers := make([]Server, 0, len(seen))
	for server := range seen {
		servers = append(servers, server)
	}
	slices.Sort(servers)
	return servers
}

// Map returns the map.
func (m *Mover) Map() Map {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

func (m *Mover) keep(next Map) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = next
}

// Publish replaces the map by next and then moves every server's fence to it. It ignores
// next.Version. Until a server's fence is moved, writers there use the old map, so both maps must
// have the same homes. It returns when no writer uses the old map any more.
//
// If ctx ends before the map is published, nothing changes. After that the fences are moved even if
// ctx ends. After an error the next mover moves the remaining fences.
func (m *Mover) Publish(ctx context.Context, next Map) error {
	before := m.Map()
	after, err := m.publish(ctx, before, next)
	if err != nil {
		return err
	}
	return m.openAll(ctx, inUse(before, after), after.Version)
}

// Switch closes every fence and waits for the writers inside, so that no writer is left. Then it
// calls settle and next, publishes the map that next returns, and opens the fences for it. That map
// may have other homes. next runs behind closed fences, so it can look at the final rows. If settle
// fails or ctx ends before the map is published, Switch opens the fences for the old map.
//
// It closes the fences of the servers that the map names, because no writer uses others. settle and
// next must obey their context, because all writers wait for them. If they take longer than
// closingLease, or the mover dies, replicas open the fences for the old map, and the mover's turn is
// over.
func (m *Mover) Switch(ctx context.Context, settle func(ctx context.Context) error, next func(ctx context.Context) (Map, error)) error {
	before := m.Map()
	used := inUse(before)
	begun := time.Now()
	after, err := m.settled(ctx, before, settle, next)
	switch {
	case errors.Is(err, errUnknown):
		return err
	case err != nil:
		return errors.Join(err, m.openAll(ctx, used, before.Version))
	}
	if err := m.openAll(ctx, inUse(before, after), after.Version); err != nil {
		return err
	}
	m.Logger.LogAttrs(ctx, slog.LevelInfo, "switched", slog.Int64("version", after.Version),
		slog.String("phase", after.Phase.String()), slog.Duration("pause", time.Since(begun)))
	return nil
}

// settled closes the fences, runs settle and publishes the next map, which it returns.
func (m *Mover) settled(ctx context.Context, before Map, settle func(ctx context.Context) error, next func(ctx context.Context) (Map, error)) (Map, error) {
	if err := m.closeAll(ctx, inUse(before), before.Version); err != nil {
		return Map{}, err
	}
	if err := settle(ctx); err != nil {
		return Map{}, fmt.Errorf("settle: %w", err)
	}
	after, err := next(ctx)
	if err != nil {
		return Map{}, fmt.Errorf("choose next map: %w", err)
	}
	return m.publish(ctx, before, after)
}

// publish publishes next as the map after before. Its error matches errUnknown if the map may have
// been changed.
func (m *Mover) publish(ctx context.Context, before, next Map) (Map, error) {
	if err := known(next, len(m.Servers)); err != nil {
		return Map{}, fmt.Errorf("publish map: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return Map{}, fmt.Errorf("publish map: %w", err)
	}
	next.Version = before.Version + 1
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	// Use the session: if it has lost its lock, the change fails.
	err := writeMap(bounded, m.session, m.turn, before.Version, next)
	if err != nil && !errors.Is(err, errTurnOver) {
		err = m.findOut(ctx, before.Version, err)
	}
	if err != nil {
		return Map{}, fmt.Errorf("publish map: %w", err)
	}
	m.keep(next)
	m.Logger.LogAttrs(ctx, slog.LevelInfo, "map published",
		slog.Int64("version", next.Version), slog.String("phase", next.Phase.String()))
	return next, nil
}

// findOut finds out whether a failed change of the map was made after all; then it returns nil. The
// change may still be in flight. So findOut gives the mover's turn a new number: after that, the
// change either has been made or never will be.
func (m *Mover) findOut(ctx context.Context, before int64, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
	defer cancel()
	for {
		var version int64
		err := m.control.QueryRowContext(ctx,
			`UPDATE shard_map SET turn = turn + 1 WHERE turn = $1 RETURNING turn, version`, m.turn).Scan(&m.turn, &version)
		switch {
		case err == nil && version == before:
			return failure
		case err == nil:
			return nil
		case errors.Is(err, sql.ErrNoRows):
			// Or an earlier attempt of this loop succeeded and its answer was lost.
			return fmt.Errorf("%w: %w: %w", errUnknown, errTurnOver, failure)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errUnknown, failure)
		case <-time.After(openPause):
		}
	}
}

// closeAll closes fences and waits for the writers inside.
func (m *Mover) closeAll(ctx context.Context, servers []Server, version int64) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range servers {
		group.Go(func() error { return m.move(ctx, server, version, false) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("close fences: %w", err)
	}
	return nil
}

// openAll moves fences to a version of the map and opens them. It continues if ctx ends.
func (m *Mover) openAll(ctx context.Context, servers []Server, version int64) error {
	ctx = context.WithoutCancel(ctx)
	var group errgroup.Group
	for _, server := range servers {
		group.Go(func() error { return m.open(ctx, server, version) })
	}
	return group.Wait()
}

// open opens one fence. It retries until openTimeout, even if the server does not answer.
func (m *Mover) open(ctx context.Context, server Server, version int64) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for {
		err := m.move(ctx, server, version, true)
		if err == nil || errors.Is(err, errTurnOver) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("open fence: %w", err)
		case <-time.After(openPause):
		}
	}
}

// move moves one fence, and waits for the writers inside until ctx ends.
func (m *Mover) move(ctx context.Context, server Server, version int64, open bool) error {
	if int(server) >= len(m.Servers) {
		return fmt.Errorf("move fence: the map names server %d of %d", server, len(m.Servers))
	}
	for {
		moved, busy, err := moveFence(ctx, m.Servers[server], m.turn, version, open)
		switch {
		case err != nil:
			return fmt.Errorf("server %d: %w", server, err)
		case moved:
			return nil
		case !busy:
			return fmt.Errorf("server %d: move fence: %w", server, errTurnOver)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("server %d: move fence: timed out waiting for writers inside: %w", server, context.Cause(ctx))
		case <-time.After(fencePause):
		}
	}
}

// SaveCursor stores the last subscriber that the backfill has processed.
func (m *Mover) SaveCursor(ctx context.Context, cursor bytebites.UserID) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	// A cancelled statement would end the session.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	current := m.Map()
	result, err := m.session.ExecContext(bounded,
		`UPDATE shard_map SET cursor = $3::bytea WHERE turn = $1 AND version = $2`, m.turn, current.Version, []byte(cursor))
	if err := oneRow(result, err); err != nil {
		return postgres.Wrap(bounded, "save cursor", err)
	}
	current.Cursor = cursor
	m.keep(current)
	return nil
}

// DarkReads returns how many dark reads were compared since the phase DarkReads began, and how many
// of them differed.
func (m *Mover) DarkReads(ctx context.Context) (compared, differed int, err error) {
	return darkReads(ctx, m.control)
}

// Close ends the mover's turn.
func (m *Mover) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	_, err := m.session.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, moverLock)
	// Do not return the connection to the pool. Closing it ends the lock in any case.
	_ = m.session.Raw(func(any) error { return driver.ErrBadConn })
	closed := m.session.Close()
	if errors.Is(closed, sql.ErrConnDone) {
		closed = nil
	}
	return errors.Join(postgres.Wrap(ctx, "end turn", err), closed)
}
