//go:build !linux

package load

import (
	"context"
	"time"
)

// fineSleep has the precision of the runtime's timers.
func fineSleep(ctx context.Context, d time.Duration) { timerSleep(ctx, d) }
