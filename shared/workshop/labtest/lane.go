package labtest

import (
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/hostcpu"
)

// lane is how many subtests run at a time.
type lane struct {
	least func() int // at any time
	most  int        // while the machine has roomCores idle
}

// always is a least that does not change.
func always(n int) func() int { return func() int { return n } }

const (
	// roomCores is how many cores must be idle before a lane starts more than its least.
	roomCores = 0.8
	// roomFor is how long they must have been idle just now, after the last start. A subtest that starts works at
	// once.
	roomFor = time.Second
)

// run starts subtests in their order, and returns when all have ended. idle returns how many cores were idle
// for roomFor just now.
func (l lane) run(t *testing.T, idle func() float64, subtests []func(*testing.T)) {
	t.Helper()
	done := make(chan struct{})
	running, last := 0, time.Now()
	for _, subtest := range subtests {
		for running >= l.least() {
			if running < l.most && time.Since(last) >= roomFor && idle() >= roomCores {
				break
			}
			select {
			case <-done:
				running--
			case <-time.After(roomFor / 5):
			}
		}
		running, last = running+1, time.Now()
		go func() {
			defer func() { done <- struct{}{} }() // also for a subtest that ends by FailNow
			subtest(t)
		}()
	}
	for ; running > 0; running-- {
		<-done
	}
}

// idleCores returns the function that lane.run asks, and what ends its watch. A system that does not tell its times
// has no idle cores.
func idleCores(t *testing.T) (idle func() float64, stop func()) {
	t.Helper()
	machine, stop := hostcpu.Watch(t.Context())
	return func() float64 {
		now := time.Now()
		cores, _ := machine.Busiest(now.Add(-roomFor), now, roomFor)
		return cores
	}, stop
}
