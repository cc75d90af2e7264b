//go:build !linux

package load

import (
	"context"
	"time"
)

// fineSleep is as fine as the runtime's timers are.
func fineSleep(ctx context.Context, d time.Duration) { timerSleep(ctx, d) }
