package labtest

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLane(t *testing.T) {
	for _, test := range []struct {
		name string
		idle float64
		want int // at a time
	}{
		{"a busy machine", roomCores - 0.1, 2},
		{"an idle machine", roomCores, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				running, most, ended := 0, 0, 0
				subtests := make([]func(*testing.T), 9)
				for i := range subtests {
					subtests[i] = func(*testing.T) {
						mu.Lock()
						running++
						most = max(most, running)
						mu.Unlock()
						time.Sleep(time.Minute)
						mu.Lock()
						running--
						ended++
						mu.Unlock()
					}
				}
				lane{least: always(2), most: 4}.run(t, func() float64 { return test.idle }, subtests)
				if most != test.want || ended != len(subtests) {
					t.Errorf("%d at a time and %d ended, want %d and %d", most, ended, test.want, len(subtests))
				}
			})
		})
	}
}
