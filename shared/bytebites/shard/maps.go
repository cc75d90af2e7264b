package shard

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// readEvery is the interval at which a replica reads the map.
	readEvery = 250 * time.Millisecond
	// readTimeout bounds one read of the map.
	readTimeout = time.Second
	// staleAfter is the age at which a map must not be used any more.
	staleAfter = 2 * time.Second
	// countTimeout bounds one write of the counts.
	countTimeout = time.Second
	// newFenceTimeout bounds making a fence on a server that is not in use yet.
	newFenceTimeout = 2 * time.Second
)

// Maps is a replica's view of the map. It reads the map a few times a second.
type Maps struct {
	control *sql.DB
	servers []*sql.DB // those that the replica knows, by number
	name    string
	logger  *slog.Logger

	flight    singleflight.Group
	refreshed atomic.Bool // a writer was turned away since the last look at the fences
	reopening sync.WaitGroup
	looking   atomic.Bool // the fences are being looked at
	last      atomic.Pointer[reading]
	keep      sync.Mutex // held while last is replaced

	mu     sync.Mutex
	counts map[int64]count // not written yet, by version of the map

	ctx   context.Context // ends with Close
	close func() error
}

// reading is a map with the time at which its read began.
type reading struct {
	m  Map
	at time.Time
}

// Watch reads the map, and continues to read it until Close. It makes the control tables in the
// catalogue's database if they are missing. The first map has version 1 and phase Settled, with all
// buckets on Old. Watch then opens the fences of all servers for it; servers[0] is Old. name is the
// replica's name.
//
// A map that names a server beyond servers is an error, because no pool could answer for its
// subscribers. If such a map comes later, Current soon returns ErrStale.
//
// A server that does not answer is not an error, unless it is Old and has all user data. The next
// replica makes its fence, or the mover, which needs it.
func Watch(ctx context.Context, control *sql.DB, servers []*sql.DB, name string, logger *slog.Logger) (*Maps, error) {
	if err := prepareControl(ctx, control); err != nil {
		return nil, err
	}
	at := time.Now()
	first, _, err := readMap(ctx, control, 0)
	if err != nil {
		return nil, err
	}
	if err := known(first, len(servers)); err != nil {
		return nil, fmt.Errorf("read map: %w", err)
	}
	if err := newFences(ctx, servers, first, logger); err != nil {
		return nil, err
	}
	m := &Maps{control: control, servers: servers, name: name, logger: logger, counts: make(map[int64]count)}
	m.last.Store(&reading{m: first, at: at})
	m.begin(ctx)
	// Making the fences may have taken longer than staleAfter.
	if _, err := m.Refresh(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// begin starts to follow the map.
func (m *Maps) begin(ctx context.Context) {
	var cancel context.CancelFunc
	m.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.follow()
	}()
	m.close = sync.OnceValue(func() error {
		cancel()
		<-done
		m.reopening.Wait()
		// A read in flight ends soon, or this one fails at once.
		_, _, _ = m.flight.Do(flightKey, m.read)
		return m.handOver(context.WithoutCancel(ctx))
	})
}

// newFences makes the missing fences and opens the new ones.
func newFences(ctx context.Context, servers []*sql.DB, first Map, logger *slog.Logger) error {
	needed := func(server Server) bool { return server == Old && first.Version == firstVersion }
	return prepareFences(ctx, servers, needed, logger, func(ctx context.Context, server Server) error {
		return openNew(ctx, servers[server])
	})
}

// Current returns the map as last read. It returns ErrStale if that read is older than staleAfter
// (2 s).
func (m *Maps) Current() (Map, error) {
	last := m.last.Load()
	if age := time.Since(last.at); age > staleAfter {
		return Map{}, fmt.Errorf("read %v ago: %w", age.Round(time.Millisecond), ErrStale)
	}
	return last.m, nil
}

// Version returns the version of the map as last read.
func (m *Maps) Version() int64 { return m.last.Load().m.Version }

// Refresh reads the map now. Concurrent calls share one query, which may have begun a moment before
// the call. A writer that a fence turns away calls it. So Maps then looks at the fences too, in the
// background, and opens those that a dead mover left closed.
func (m *Maps) Refresh(ctx context.Context) (Map, error) {
	m.refreshed.Store(true)
	select {
	case <-ctx.Done():
		return Map{}, fmt.Errorf("read map: %w", context.Cause(ctx))
	case result := <-m.flight.DoChan(flightKey, m.read):
		if result.Err != nil {
			return Map{}, result.Err
		}
		return result.Val.(*reading).m, nil
	}
}

const flightKey = "map"

// read reads the map for all waiting callers. It returns a *reading.
func (m *Maps) read() (any, error) {
	ctx, cancel := context.WithTimeout(m.ctx, readTimeout)
	defer cancel()
	at := time.Now()
	have := m.last.Load()
	next, changed, err := readMap(ctx, m.control, have.m.Version)
	if err != nil {
		return nil, err
	}
	if !changed {
		next = have.m
	} else if err := known(next, len(m.servers)); err != nil {
		return nil, fmt.Errorf("read map: %w", err)
	}
	m.keep.Lock()
	defer m.keep.Unlock()
	now := &reading{m: next, at: at}
	// Reads follow one another and versions only grow. This check does not rely on that.
	if last := m.last.Load(); last.m.Version > next.Version {
		now.m = last.m
	}
	m.last.Store(now)
	if now.m.Version != have.m.Version {
		m.logger.LogAttrs(m.ctx, slog.LevelInfo, "map changed",
			slog.Int64("version", now.m.Version), slog.String("phase", now.m.Phase.String()))
	}
	return now, nil
}

// follow reads the map and writes the counts until Close.
func (m *Maps) follow() {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		_, err, _ := m.flight.Do(flightKey, m.read)
		m.lookAtFences()
		if err == nil {
			err = m.handOver(m.ctx)
		}
		if m.ctx.Err() == nil && (err != nil) != failing {
			failing = err != nil
			if failing {
				m.logger.LogAttrs(m.ctx, slog.LevelWarn, "read map failed", slog.Any("error", err))
			} else {
				m.logger.LogAttrs(m.ctx, slog.LevelInfo, "read map works again")
			}
		}
	}
}

// lookAtFences opens fences that a dead mover left closed, if a writer was turned away. It returns at
// once: a server that hangs must not keep the replica from reading the map.
func (m *Maps) lookAtFences() {
	if !m.refreshed.Load() || !m.looking.CompareAndSwap(false, true) {
		return
	}
	m.refreshed.Store(false)
	m.reopening.Go(func() {
		defer m.looking.Store(false)
		if err := reopen(m.ctx, m.control, m.servers, m.logger); err != nil && m.ctx.Err() == nil {
			m.logger.LogAttrs(m.ctx, slog.LevelWarn, "look at fences failed", slog.Any("error", err))
		}
	})
}

// Compared counts a dark read and whether its answers were the same. The counts of all replicas are
// added up in the control table, where the mover reads them.
func (m *Maps) Compared(same bool) {
	version := m.last.Load().m.Version
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts[version]
	c.compared++
	if !same {
		c.differed++
	}
	m.counts[version] = c
}

// handOver adds the counts to those in the control table. Counts that could not be written are kept
// for the next time.
func (m *Maps) handOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	m.mu.Lock()
	counts := m.counts
	m.counts = make(map[int64]count)
	m.mu.Unlock()
	var failures []error
	for version, c := range counts {
		if err := addCount(ctx, m.control, version, m.name, c); err != nil {
			failures = append(failures, err)
			m.mu.Lock()
			kept := m.counts[version]
			m.counts[version] = count{compared: kept.compared + c.compared, differed: kept.differed + c.differed}
			m.mu.Unlock()
		}
	}
	return errors.Join(failures...)
}

// Close stops reading the map, and writes the remaining counts.
func (m *Maps) Close() error { return m.close() }
