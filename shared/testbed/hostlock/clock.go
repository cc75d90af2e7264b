package hostlock

import (
	"context"
	"sync"
	"time"
)

// WithTimeout returns a context that ends after d, as context.WithTimeout does. The time in which
// Lock, Slot or Core waits does not count, because that wait is no part of the work. The call must have
// this context, or one made from it. The cause of the end is context.DeadlineExceeded. The context has no
// Deadline, because the wait is not known before.
func WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	parent, cancel := context.WithCancel(parent)
	ctx, lift := WithLimit(parent, d)
	return ctx, func() {
		lift()
		cancel()
	}
}

// WithLimit is WithTimeout for a context that outlives the work that d bounds. Lift takes the
// limit away. It reports whether the context had not ended by it before.
func WithLimit(parent context.Context, d time.Duration) (ctx context.Context, lift func() bool) {
	ctx, cancel := context.WithCancelCause(parent)
	c := &clock{left: d, expire: func() { cancel(context.DeadlineExceeded) }}
	c.outer, _ = parent.Value(clockKey{}).(*clock)
	c.change(0)
	return context.WithValue(ctx, clockKey{}, c), c.stop
}

type clockKey struct{}

// clock is the time that a context has left. It stands still while a call waits for a lock.
type clock struct {
	outer  *clock // of the context that this one was made from; may be nil
	expire func()

	mu      sync.Mutex
	left    time.Duration // when the timer was last started
	began   time.Time     // when that was
	timer   *time.Timer   // nil while the clock stands still
	waiting int           // calls that wait for a lock
	stopped bool
	expired bool
}

// wait stops the clocks of a context until the returned function is called.
func wait(ctx context.Context) (resume func()) {
	innermost, _ := ctx.Value(clockKey{}).(*clock)
	for c := innermost; c != nil; c = c.outer {
		c.change(1)
	}
	return func() {
		for c := innermost; c != nil; c = c.outer {
			c.change(-1)
		}
	}
}

func (c *clock) change(by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting += by
	c.run()
}

// stop stops the clock for good. It reports whether the clock had not run out.
func (c *clock) stop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.run()
	return !c.expired
}

// runOut ends the context, unless a call has begun to wait meanwhile.
func (c *clock) runOut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == 0 && !c.stopped {
		c.expired = true
		c.expire()
	}
}

// run starts or stops the timer. The caller holds mu.
func (c *clock) run() {
	runs := c.waiting == 0 && !c.stopped
	switch {
	case runs && c.timer == nil:
		c.began = time.Now()
		c.timer = time.AfterFunc(c.left, c.runOut)
	case !runs && c.timer != nil:
		c.timer.Stop()
		c.timer = nil
		c.left -= time.Since(c.began)
	}
}
