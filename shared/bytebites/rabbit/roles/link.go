package roles

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites/rabbit"
)

// Link is a connection to publish over. A broker that is short of memory or disk blocks it: it
// reads nothing more from it for as long as that lasts.
type Link struct {
	conn *amqp.Connection

	mu      sync.Mutex
	blocked bool
	changed chan struct{} // closed when blocked is another
}

// NewLink returns the link over a connection, which it watches for as long as that lasts.
func NewLink(conn *amqp.Connection, meter *rabbit.Meter) *Link {
	l := &Link{conn: conn, changed: make(chan struct{})}
	news := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	go func() {
		for n := range news { // until the connection is closed
			l.set(n.Active)
			meter.Blocked(n.Active)
		}
		meter.Blocked(false)
	}()
	return l
}

func (l *Link) set(blocked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked = blocked
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) state() (blocked bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocked, l.changed
}

// Channel opens a channel over the connection, when that is not blocked. The library's own call
// knows no context; left behind here, it ends with the connection.
func (l *Link) Channel(ctx context.Context) (*amqp.Channel, error) {
	if err := l.Ready(ctx); err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	type result struct {
		ch  *amqp.Channel
		err error
	}
	opened := make(chan result, 1)
	go func() {
		ch, err := l.conn.Channel()
		opened <- result{ch, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, fmt.Errorf("open channel: %w", r.err)
		}
		return r.ch, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("open channel: %w", context.Cause(ctx))
	}
}

// Blocked reports whether the broker has blocked the connection. It does so only when
// something is published, so that a fresh connection is not blocked yet.
func (l *Link) Blocked() bool {
	blocked, _ := l.state()
	return blocked
}

// Ready waits until the connection is not blocked. It returns the cause of ctx when that ends
// first.
func (l *Link) Ready(ctx context.Context) error {
	for {
		blocked, changed := l.state()
		if !blocked {
			return context.Cause(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
