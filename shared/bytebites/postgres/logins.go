package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lib/pq"
)

// logins is a connector whose logins outlive the calls that want them, one login at a time.
//
// A login costs the server a process and its caches, many times what a statement costs. With the driver's
// connector a login ends with the deadline of the call that began it, so a server that is slow for a moment
// works for logins that nobody waits for any longer, and all calls fail for as long as calls come (Bronson
// et al., "Metastable Failures in Distributed Systems", HotOS 2021). Here the next call gets the connection.
type logins struct {
	open  func(context.Context) (driver.Conn, error)
	of    driver.Driver
	turn  chan struct{}    // holds a token while a login is under way
	ready chan driver.Conn // a connection whose caller has given up, at most one

	life context.Context // ends with Close
	end  context.CancelFunc
}

// newLogins returns a connector. open is bounded by its own timeout.
func newLogins(of driver.Driver, open func(context.Context) (driver.Conn, error)) *logins {
	life, end := context.WithCancel(context.Background())
	return &logins{open: open, of: of, turn: make(chan struct{}, 1), ready: make(chan driver.Conn, 1), life: life, end: end}
}

// Connect implements driver.Connector. It returns the next connection that is ready, from a login of its
// own or of another call. Its error is that of its own login, or ctx's.
func (l *logins) Connect(ctx context.Context) (driver.Conn, error) {
	failed := make(chan error, 1)
	for {
		select {
		case conn := <-l.ready:
			return conn, nil
		default:
		}
		select {
		case conn := <-l.ready:
			return conn, nil
		case err := <-failed:
			return nil, err
		case l.turn <- struct{}{}:
			go l.login(failed)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.life.Done():
			return nil, errors.New("the pool of connections is closed")
		}
	}
}

// login makes a connection ready, or sends the error to the call that wanted it. It ends the turn.
func (l *logins) login(failed chan<- error) {
	defer func() { <-l.turn }()
	conn, err := l.open(l.life)
	if err != nil {
		select {
		case failed <- err:
		default: // the caller has an error already
		}
		return
	}
	select {
	case l.ready <- conn:
	case <-l.life.Done():
		_ = conn.Close()
	}
	if l.life.Err() != nil {
		l.discard()
	}
}

// Driver implements driver.Connector.
func (l *logins) Driver() driver.Driver { return l.of }

// Close ends the logins that are under way. The pool calls it when it is closed.
func (l *logins) Close() error {
	l.end()
	l.discard()
	return nil
}

// discard closes the connection that is ready.
func (l *logins) discard() {
	select {
	case conn := <-l.ready:
		_ = conn.Close()
	default:
	}
}

// connector returns the connector of a pool.
func connector(config pq.Config, pool PoolConfig) (*logins, error) {
	plain, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("configure connections to %s: %w", config.Host, err)
	}
	if pool.Silence <= 0 {
		return newLogins(plain.Driver(), plain.Connect), nil
	}
	return newLogins(plain.Driver(), func(ctx context.Context) (driver.Conn, error) {
		one, err := pq.NewConnectorConfig(config)
		if err != nil {
			return nil, err
		}
		var in atomic.Bool
		one.Dialer(silenceDialer{silence: pool.Silence, in: &in})
		conn, err := one.Connect(ctx)
		in.Store(true)
		return conn, err
	}), nil
}
