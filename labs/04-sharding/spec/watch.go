package spec

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites/shard"
)

const (
	// lookEvery is the pause between two looks at the map of who waits for something.
	lookEvery = 10 * time.Millisecond
	// watchEvery is the same of who only notes when it was what: a map is large, and who moves
	// people has better use for the machine.
	watchEvery = 25 * time.Millisecond
)

// readMap returns the map as it is now.
func (l *trial) readMap(ctx context.Context) (shard.Map, error) {
	m, err := shard.ReadMap(ctx, l.servers.Pool)
	if err != nil {
		return shard.Map{}, fmt.Errorf("look at the map: %w", err)
	}
	l.phase.Store(int64(m.Phase))
	return m, nil
}

// phaseNow is the phase that was seen last.
func (l *trial) phaseNow() shard.Phase { return shard.Phase(l.phase.Load()) }

// sight is a version of the map, and when it was first seen.
type sight struct {
	at      time.Time
	version int64
	phase   shard.Phase
}

// watch looks at the map all the time, and notes when it changes.
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
			time.Sleep(watchEvery)
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

// end stops looking, and returns what was seen.
func (w *watch) end() ([]sight, error) {
	w.stop()
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sights, w.err
}

// firstSeen returns when a phase was seen first; false when it never was.
func firstSeen(sights []sight, phase shard.Phase) (time.Time, bool) {
	for _, s := range sights {
		if s.phase == phase {
			return s.at, true
		}
	}
	return time.Time{}, false
}
