package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lib/pq"
)

// logins is a connector whose logins outlive the calls that want them, and of which few go on at a time.
//
// A login costs the server a process and its caches, many times what a statement costs. With the driver's
// connector a login ends with the deadline of the call that began it. So a server that is slow for a moment
// works for logins that nobody waits for any longer. All calls fail for as long as calls come (Bronson
// et al., "Metastable Failures in Distributed Systems", HotOS 2021). Here the next call gets the connection.
type logins struct {
	open  func(context.Context) (driver.Conn, error)
	of    driver.Driver
	turn  chan struct{}    // holds a token for each login that is under way
	ready chan driver.Conn // connections whose callers have given up

	// room has a token for each connection if they are lasting, and else is nil. What goes on although
	// its call has given up counts too.
	room chan struct{}

	life context.Context // ends with Close
	end  context.CancelFunc
}

// newLogins returns a connector of so many logins at once. open is bounded by its own timeout. most is the maximum of
// lasting connections. 0 means that the connections do not last.
func newLogins(of driver.Driver, open func(context.Context) (driver.Conn, error), atOnce, most int) *logins {
	life, end := context.WithCancel(context.Background())
	l := &logins{open: open, of: of, turn: make(chan struct{}, atOnce), ready: make(chan driver.Conn, max(atOnce, most)), life: life, end: end}
	if most > 0 {
		l.room = make(chan struct{}, most)
	}
	return l
}

// Connect implements driver.Connector. It returns the next connection that is ready, from a login of its
// own or of another call. Its error is that of its own login, or ctx's.
func (l *logins) Connect(ctx context.Context) (driver.Conn, error) {
	// A call has one login under way at most. Another call may take its connection, so it may begin again.
	over, turn := make(chan error, 1), l.turn
	for {
		select { // what is ready comes before a new login
		case conn := <-l.ready:
			return l.handed(conn), nil
		default:
		}
		select {
		case conn := <-l.ready:
			return l.handed(conn), nil
		case err := <-over:
			if err != nil {
				return nil, err
			}
			turn = l.turn
		case turn <- struct{}{}:
			turn = nil
			go l.login(over)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.life.Done():
			return nil, errors.New("the pool of connections is closed")
		}
	}
}

// handed returns the connection as the pool gets it.
func (l *logins) handed(conn driver.Conn) driver.Conn {
	if l.room == nil {
		return conn
	}
	return &lasting{session: conn.(session), home: l}
}

// login makes a connection ready. Then it tells the call that wanted it that it is over, with its error. It ends the
// turn.
func (l *logins) login(over chan<- error) {
	defer func() { <-l.turn }()
	if l.room != nil {
		select {
		case l.room <- struct{}{}:
		case <-l.life.Done():
			return
		}
	}
	conn, err := l.open(l.life)
	if err != nil {
		l.free()
	} else {
		l.offer(conn)
	}
	over <- err // never blocks: there is room for one, and the call has one login at most
}

// offer makes a connection ready, unless the pool is closed.
func (l *logins) offer(conn driver.Conn) {
	select {
	case l.ready <- conn:
	case <-l.life.Done():
		_ = l.leave(conn)
	}
	if l.life.Err() != nil {
		l.discard()
	}
}

// settle takes the session of a lasting connection back when nothing is under way on it. tx is its open
// transaction, or nil.
func (l *logins) settle(s session, tx driver.Tx) {
	var err error
	if tx != nil {
		err = tx.Rollback()
	}
	if err == nil {
		// The settings, locks and statements of the last caller are not for the next.
		_, err = s.ExecContext(l.life, "DISCARD ALL", nil)
	}
	if err != nil || !s.IsValid() {
		_ = l.leave(s)
		return
	}
	l.offer(s)
}

// leave closes a connection for good.
func (l *logins) leave(conn driver.Conn) error {
	defer l.free()
	return conn.Close()
}

// free ends the count of a connection.
func (l *logins) free() {
	if l.room != nil {
		<-l.room
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

// discard closes the connections that are ready.
func (l *logins) discard() {
	for {
		select {
		case conn := <-l.ready:
			_ = l.leave(conn)
		default:
			return
		}
	}
}

// loginShare is which part of a pool may log in at a time: a third. A small server has a small pool, and so one login at
// a time. In a larger pool a burst of calls does not wait for one login after the other.
const loginShare = 3

// loginsAtOnce returns how many logins of a pool may be under way. A pool without a bound has as many as one of a dozen.
func loginsAtOnce(maxOpen int) int {
	const unbounded = 12
	if maxOpen <= 0 {
		maxOpen = unbounded
	}
	return max(1, maxOpen/loginShare)
}

// connector returns the connector of a pool.
func connector(config pq.Config, pool PoolConfig) (*logins, error) {
	plain, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("configure connections to %s: %w", config.Host, err)
	}
	most, atOnce := 0, loginsAtOnce(pool.MaxOpen)
	if pool.Lasting {
		most = pool.MaxOpen
	}
	if pool.Silence <= 0 {
		return newLogins(plain.Driver(), plain.Connect, atOnce, most), nil
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
	}, atOnce, most), nil
}
