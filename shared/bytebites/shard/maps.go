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

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

const (
	// readEvery is how often a replica reads the map.
	readEvery = 250 * time.Millisecond
	// readTimeout bounds one reading.
	readTimeout = time.Second
	// staleAfter is how old what was read may get before nobody relies on it.
	staleAfter = 2 * time.Second
	// countTimeout bounds one handing over of counts.
	countTimeout = time.Second
	// newFenceTimeout bounds the making of a fence on a server that is not in use yet.
	newFenceTimeout = 2 * time.Second
)

// Maps is a replica's view of the map. It is read anew a few times a second.
type Maps struct {
	control *sql.DB
	servers int // that the replica knows
	name    string
	logger  *slog.Logger

	flight singleflight.Group
	last   atomic.Pointer[reading]
	keep   sync.Mutex // for who replaces last

	mu     sync.Mutex
	counts map[int64]count // not handed over yet, by version of the map

	ctx   context.Context // ends with Close
	close func() error
}

// reading is a map, and when its reading began.
type reading struct {
	m  Map
	at time.Time
}

// Watch makes the control tables in the catalogue's database where they are not there yet,
// reads the map and goes on reading it until Close. Where there is no map yet it is one with
// everything on Old, Settled, at version 1, and the fences of all servers (the first of them
// is Old) are opened for it. name is the replica's.
//
// A map that names a server which is not among servers is an error: their people are nobody's
// to answer. If it comes later, Current fails soon, with ErrStale.
//
// A server that does not answer is no error, unless it is Old and has everybody's data: its
// fence is made by the next replica, or by the mover, which needs it.
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
	m := &Maps{control: control, servers: len(servers), name: name, logger: logger, counts: make(map[int64]count)}
	m.last.Store(&reading{m: first, at: at})
	m.begin(ctx)
	// The fences may have taken longer than a map is good for.
	if _, err := m.Refresh(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// begin begins to follow the map.
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
		// Whoever is reading still is done soon, or this fails at once.
		_, _, _ = m.flight.Do(flightKey, m.read)
		return m.handOver(context.WithoutCancel(ctx))
	})
}

// newFences makes the fences that are missing, and opens those that are new.
func newFences(ctx context.Context, servers []*sql.DB, first Map, logger *slog.Logger) error {
	var group errgroup.Group
	for number, server := range servers {
		group.Go(func() error {
			needed := Server(number) == Old && first.Version == firstVersion
			bounded := ctx
			if !needed {
				var cancel context.CancelFunc
				bounded, cancel = context.WithTimeout(ctx, newFenceTimeout)
				defer cancel()
			}
			err := prepareFence(bounded, server)
			if err == nil {
				err = openNew(bounded, server)
			}
			if err != nil && !needed && ctx.Err() == nil {
				logger.LogAttrs(ctx, slog.LevelWarn, "fence not made", slog.Int("server", number), slog.Any("error", err))
				return nil
			}
			if err != nil {
				return fmt.Errorf("server %d: %w", number, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Current returns the map as it was read last; ErrStale when that is over two seconds ago.
func (m *Maps) Current() (Map, error) {
	last := m.last.Load()
	if age := time.Since(last.at); age > staleAfter {
		return Map{}, fmt.Errorf("read %v ago: %w", age.Round(time.Millisecond), ErrStale)
	}
	return last.m, nil
}

// Refresh reads the map now. Many who ask at the same time share one question: the answer may
// be to one that was asked a moment before the call.
func (m *Maps) Refresh(ctx context.Context) (Map, error) {
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

// read reads the map for all who ask; it returns a *reading.
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
	} else if err := known(next, m.servers); err != nil {
		return nil, fmt.Errorf("read map: %w", err)
	}
	m.keep.Lock()
	defer m.keep.Unlock()
	now := &reading{m: next, at: at}
	// Flights follow one another, and versions only grow; this holds whatever becomes of that.
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

// follow reads the map, and hands over counts, until Close.
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
		if err == nil {
			err = m.handOver(m.ctx)
		}
		if m.ctx.Err() == nil && (err != nil) != failing {
			failing = err != nil
			if failing {
				m.logger.LogAttrs(m.ctx, slog.LevelWarn, "map cannot be read", slog.Any("error", err))
			} else {
				m.logger.LogAttrs(m.ctx, slog.LevelInfo, "map can be read again")
			}
		}
	}
}

// Compared counts a dark read, and whether it came to the same. The counts are added up in
// the control table, for the mover of all replicas.
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

// handOver adds the counts to those in the control table. What cannot be handed over is kept
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

// Close stops reading.
func (m *Maps) Close() error { return m.close() }
