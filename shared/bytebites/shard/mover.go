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
	// turnPoll is how often a mover asks whether it is its turn.
	turnPoll = 250 * time.Millisecond
	// closeTimeout bounds how long Switch waits for who is inside a fence, while all others
	// are kept out. Whoever sends nothing for the time of silence is thrown out before.
	closeTimeout = 5 * time.Second
	// openTimeout bounds the opening of fences, which goes on when the caller's time is up:
	// a fence that stays closed keeps everybody out.
	openTimeout = 10 * time.Second
	// openPause is how long the opening of a fence waits after an error.
	openPause = 250 * time.Millisecond
	// writeTimeout bounds a change of the control tables.
	writeTimeout = 5 * time.Second
)

var (
	// errTurnOver says that a later mover has had its turn: nothing was changed.
	errTurnOver = errors.New("another mover has taken over")
	// errUnknown says that nobody knows whether the map was changed.
	errUnknown = errors.New("cannot tell whether the map was changed: fences stay closed for the next mover to put right")
)

// Mover changes the map. There is one at a time, whoever starts another: an advisory lock on
// the control database goes with the connection of the one that dies.
//
// A mover may sleep through the end of its connection, and wake when the next one is at work.
// So turns are numbered: map and fences keep the number of the mover that changed them last,
// and what an earlier one wants of them is refused.
//
// A Mover does one thing at a time.
type Mover struct {
	// Servers are the servers of user data by number; Old is the first.
	Servers []*sql.DB
	Logger  *slog.Logger

	control *sql.DB
	session *sql.Conn // holds the lock
	turn    int64

	mu      sync.Mutex
	current Map
}

// NewMover waits for its turn, and puts right what a mover that died may have left: fences
// that are closed, or at an older version than the map. Close ends its turn.
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

// wait waits for the mover's lock. It asks again and again, for a server does not let anybody
// wait inside a statement for longer than its statement_timeout.
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
			m.Logger.LogAttrs(ctx, slog.LevelInfo, "another mover is at work: waiting")
			told = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for turn: another mover is at work: %w", context.Cause(ctx))
		case <-time.After(turnPoll):
		}
	}
}

// recoverFences opens all fences for the map, which also tells them whose turn it is.
func (m *Mover) recoverFences(ctx context.Context) error {
	used := inUse(m.current)
	var group errgroup.Group
	for number, server := range m.Servers {
		group.Go(func() error {
			needed := slices.Contains(used, Server(number))
			bounded := ctx
			if !needed {
				var cancel context.CancelFunc
				bounded, cancel = context.WithTimeout(ctx, newFenceTimeout)
				defer cancel()
			}
			err := prepareFence(bounded, server)
			if err == nil {
				err = m.open(bounded, Server(number), m.current.Version)
			}
			if err != nil && !needed && ctx.Err() == nil {
				m.Logger.LogAttrs(ctx, slog.LevelWarn, "fence not made", slog.Int("server", number), slog.Any("error", err))
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// known returns an error for a map that names a server beyond the first so many.
func known(m Map, servers int) error {
	if last := slices.Max(inUse(m)); int(last) >= servers {
		return fmt.Errorf("it names server %d, and %d of them are known, from 0", last, servers)
	}
	return nil
}

// inUse returns the servers that these maps name, in order.
func inUse(all ...Map) []Server {
	seen := make(map[Server]bool)
	for _, m := range all {
		for b := range m.Home {
			seen[m.Home[b]], seen[m.Target[b]] = true, true
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

// Publish makes next the map, whatever its Version says, and then moves every server's fence to it. Until
// a fence is moved, writers go on by the old map on that server, so both maps must have the same
// home for everybody. It returns when nobody writes by the old map any more.
//
// An end of ctx before the map is published changes nothing; once it is published the fences are
// moved all the same. After an error the next mover puts right what was not moved.
func (m *Mover) Publish(ctx context.Context, next Map) error {
	before := m.Map()
	after, err := m.publish(ctx, before, next)
	if err != nil {
		return err
	}
	return m.openAll(ctx, inUse(before, after), after.Version)
}

// Switch closes every fence and waits for who is inside; nobody writes from then on. It calls
// settle, makes next the map, and opens the fences for it. An error of settle, or an end of ctx before
// the map is published, opens them for the old map. next may have other homes. next is called when the
// fences are closed, so that it can look at what is there.
//
// The fences are those of the servers that the map names: nobody writes to others. Both calls
// must heed their context, for everybody waits meanwhile.
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

// settled closes the fences, and returns the map that it has published then.
func (m *Mover) settled(ctx context.Context, before Map, settle func(ctx context.Context) error, next func(ctx context.Context) (Map, error)) (Map, error) {
	if err := m.closeAll(ctx, inUse(before), before.Version); err != nil {
		return Map{}, err
	}
	if err := settle(ctx); err != nil {
		return Map{}, fmt.Errorf("settle: %w", err)
	}
	after, err := next(ctx)
	if err != nil {
		return Map{}, fmt.Errorf("decide on next map: %w", err)
	}
	return m.publish(ctx, before, after)
}

// publish makes next the map that follows before. The error matches errUnknown when it may
// have done so.
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
	// By way of the session: one that has lost its lock changes nothing.
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

// findOut says whether a change of the map that failed was made all the same: nil when it was.
// The change may be on its way still. So the mover's turn gets another number: from then
// on it has been made, or it never will be.
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
			// Or an earlier attempt of this loop, whose answer was lost.
			return fmt.Errorf("%w: %w: %w", errUnknown, errTurnOver, failure)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errUnknown, failure)
		case <-time.After(openPause):
		}
	}
}

// closeAll closes fences, and waits for who is inside.
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

// openAll moves fences to a version of the map, and opens them. It goes on when ctx has ended.
func (m *Mover) openAll(ctx context.Context, servers []Server, version int64) error {
	ctx = context.WithoutCancel(ctx)
	var group errgroup.Group
	for _, server := range servers {
		group.Go(func() error { return m.open(ctx, server, version) })
	}
	return group.Wait()
}

// open opens one fence. It tries for a while, also where the server does not answer.
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

// move moves one fence, and waits for who is inside until ctx ends.
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
			return fmt.Errorf("server %d: move fence: somebody stays inside: %w", server, context.Cause(ctx))
		case <-time.After(fencePause):
		}
	}
}

// SaveCursor keeps how far backfill, or verify, has come.
func (m *Mover) SaveCursor(ctx context.Context, cursor bytebites.UserID) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	// A statement that is broken off takes the session with it.
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

// DarkReads returns how many dark reads were compared since the phase DarkReads began, and how
// many of these came to something else.
func (m *Mover) DarkReads(ctx context.Context) (compared, differed int, err error) {
	return darkReads(ctx, m.control)
}

// Close ends the mover's turn.
func (m *Mover) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	_, err := m.session.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, moverLock)
	// The connection is not given back to the pool: with it ends the lock, whatever happened.
	_ = m.session.Raw(func(any) error { return driver.ErrBadConn })
	closed := m.session.Close()
	if errors.Is(closed, sql.ErrConnDone) {
		closed = nil
	}
	return errors.Join(postgres.Wrap(ctx, "end turn", err), closed)
}
