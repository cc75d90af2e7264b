package load

import (
	"context"
	"time"
)

// timerSleep waits for d or until ctx ends, by a timer of the runtime.
func timerSleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
