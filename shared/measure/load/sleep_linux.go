package load

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// fineSleep sleeps to within some 0.1 ms. The runtime's own timers wait in epoll_wait,
// whose timeouts are whole milliseconds: by them alone half of all requests would be
// late by 0.7 ms or more, and the 99th percentile by more than the 2 ms that a round may
// be late.
//
// It returns when ctx ends, up to 3 ms late.
func fineSleep(ctx context.Context, d time.Duration) {
	const coarse = 3 * time.Millisecond
	deadline := time.Now().Add(d)
	if d > coarse {
		timerSleep(ctx, d-coarse) // without holding a thread
		if ctx.Err() != nil {
			return
		}
	}
	for left := time.Until(deadline); left > 0; left = time.Until(deadline) {
		t := unix.NsecToTimespec(left.Nanoseconds())
		// An interrupted sleep goes on with what is left.
		_ = unix.Nanosleep(&t, nil)
	}
}
