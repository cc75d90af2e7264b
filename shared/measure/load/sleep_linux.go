package load

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// fineSleep sleeps with a precision of about 0.1 ms, and returns when ctx ends, up to 3 ms
// later. The runtime's timers wait in epoll_wait, whose timeouts are whole milliseconds. With
// them alone half of all requests are late by 0.7 ms or more, and the 99th percentile exceeds
// the 2 ms limit of a round.
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
		// After an interrupted sleep the loop sleeps for the remaining time.
		_ = unix.Nanosleep(&t, nil)
	}
}
