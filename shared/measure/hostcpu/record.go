package hostcpu

import (
	"context"
	"runtime"
	"sort"
	"sync"
	"time"
)

const (
	// sampleEvery is the pause between two readings. The kernel counts in steps of 10 ms.
	sampleEvery = 100 * time.Millisecond
	// leastSpan is the shortest span that is judged. In a shorter one a single program that works
	// for a moment looks like a busy machine.
	leastSpan = time.Second
)

// Record is a record of the machine's CPU times.
type Record struct {
	cpus int

	mu       sync.Mutex
	readings []reading
}

type reading struct {
	at time.Time
	Times
}

// Watch records the machine's CPU times until stop is called. On a system that does not tell
// them the record stays empty.
func Watch(ctx context.Context) (r *Record, stop func()) {
	r = &Record{cpus: runtime.NumCPU()}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(sampleEvery)
		defer ticks.Stop()
		for r.read(ctx) {
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return r, func() { cancel(); <-ended }
}

func (r *Record) read(ctx context.Context) bool {
	now, err := Read(ctx)
	if err == nil {
		r.add(time.Now(), now)
	}
	return err == nil
}

func (r *Record) add(at time.Time, t Times) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readings = append(r.readings, reading{at, t})
}

// Busiest looks between two times at every span of that length, which is at least a second. It
// returns the idle CPU time in the busiest of them, in cores, and whether that is less than
// MinIdleCores. A machine whose times are not known is not saturated.
func (r *Record) Busiest(from, to time.Time, length time.Duration) (idleCores float64, saturated bool) {
	length = max(length, leastSpan)
	if to.Sub(from) < length {
		from = to.Add(-length)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.readings) < 2 {
		return 0, false
	}
	least := float64(r.cpus)
	look := func(begin time.Time) {
		end := begin.Add(length)
		if end.After(to) {
			begin, end = to.Add(-length), to
		}
		if first, last := r.at(begin), r.at(end); last.Total > first.Total {
			least = min(least, float64(r.cpus)*IdleShare(first, last))
		}
	}
	look(from)
	for _, each := range r.readings {
		if each.at.After(from) && each.at.Before(to) {
			look(each.at)
		}
	}
	return least, least < MinIdleCores
}

// at returns the CPU times at a moment, between two readings by interpolation. Before the first
// reading and after the last one it returns those.
func (r *Record) at(moment time.Time) Times {
	next := sort.Search(len(r.readings), func(i int) bool { return r.readings[i].at.After(moment) })
	switch next {
	case 0:
		return r.readings[0].Times
	case len(r.readings):
		return r.readings[next-1].Times
	}
	before, after := r.readings[next-1], r.readings[next]
	share := float64(moment.Sub(before.at)) / float64(after.at.Sub(before.at))
	return Times{
		Idle:  before.Idle + share*(after.Idle-before.Idle),
		Total: before.Total + share*(after.Total-before.Total),
	}
}
