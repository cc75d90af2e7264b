package roles

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites/rabbit"
)

// Link is a connection for publishing. A broker that is short of memory or disk blocks it: the
// broker reads nothing from the connection until the shortage ends.
type Link struct {
	conn *amqp.Connection

	mu      sync.Mutex
	blocked bool
	changed chan struct{} // closed when blocked changes
}

// NewLink returns the link over a connection, and watches the connection until it is closed.
func NewLink(conn *amqp.Connection, meter *rabbit.Meter) *Link {
	l := &Link{conn: conn, changed: make(chan struct{})}
	news := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	go func() {
		for n := range news { // ends when the connection is closed
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

// Channel opens a channel over the connection once the connection is not blocked. The library's
// call takes no context. If ctx ends first, the call stays behind and ends with the connection.
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

// Blocked reports whether the broker has blocked the connection. The broker blocks a connection
// only when it publishes, so a new connection is not blocked.
func (l *Link) Blocked() bool {
	blocked, _ := l.state()
	return blocked
}

// Ready waits until the connection is not blocked. It returns the cause of ctx if ctx ends first.
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
