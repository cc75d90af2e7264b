package spec

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// pollPause is the pause between two reads of the map in a loop that waits for a change.
	pollPause = 10 * time.Millisecond
	// watchPause is the same for the record of all changes. It is longer, because a map is large
	// and the mover needs the CPU.
	watchPause = 25 * time.Millisecond
)

// readMap reads the map.
func (l *trial) readMap(ctx context.Context) (shard.Map, error) {
	m, err := shard.ReadMap(ctx, l.servers.Pool)
	if err != nil {
		return shard.Map{}, fmt.Errorf("look at the map: %w", err)
	}
	l.phase.Store(int64(m.Phase))
	return m, nil
}

// phaseNow returns the phase that was read last.
func (l *trial) phaseNow() shard.Phase { return shard.Phase(l.phase.Load()) }

// sight is a version of the map, and the time of its first read.
type sight struct {
	at      time.Time
	version int64
	phase   shard.Phase
}

// watch reads the map all the time, and records each change.
type watch struct {
	stop   context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex
	sights []sight
	err    error
}

func (l *trial) startWatch(ctx context.Context) *watch {
	w := &watch{ended: make(chan struct{})}
	ctx, w.stop = context.WithCancel(ctx)
	go func() {
		defer close(w.ended)
		for ctx.Err() == nil {
			m, err := l.readMap(ctx)
			if ctx.Err() == nil {
				w.note(m, err)
			}
			_ = rig.Pause(ctx, watchPause) // the loop ends with ctx
		}
	}()
	return w
}

func (w *watch) note(m shard.Map, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.err = err
		return
	}
	if n := len(w.sights); n == 0 || w.sights[n-1].version != m.Version {
		w.sights = append(w.sights, sight{time.Now(), m.Version, m.Phase})
	}
}

// end stops the watch, and returns the record.
func (w *watch) end() ([]sight, error) {
	w.stop()
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sights, w.err
}

// firstSeen returns the time of the first read of a phase; false when it never was read.
func firstSeen(sights []sight, phase shard.Phase) (time.Time, bool) {
	for _, s := range sights {
		if s.phase == phase {
			return s.at, true
		}
	}
	return time.Time{}, false
}
