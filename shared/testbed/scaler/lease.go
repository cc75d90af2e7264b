package scaler

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"sync"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites/pgconn"
)

// PostgresLease is an advisory lock on a connection of its own. PostgreSQL ends the lock with the
// connection, so that a controller that dies releases it.
type PostgresLease struct {
	db      *sql.DB
	sockets *sockets
	key     int64

	mu      sync.Mutex
	session *sql.Conn // that holds the lock; nil without it
}

// NewPostgresLease returns the lease on a fleet, by name, in a database. It does not connect yet.
// Close ends it.
func NewPostgresLease(databaseURL, fleet string) (*PostgresLease, error) {
	config, err := pgconn.Config(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	config.ApplicationName = "scaler"
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	l := &PostgresLease{sockets: &sockets{open: make(map[net.Conn]bool)}, key: leaseKey(fleet)}
	connector.Dialer(l.sockets)
	l.db = sql.OpenDB(connector)
	l.db.SetMaxOpenConns(1)
	return l, nil
}

// leaseKey is the key of the advisory lock. Other locks of the database have other keys: they are
// small numbers, and this is a hash of 64 bits.
func leaseKey(fleet string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("bytebites scaler of " + fleet)) // never fails
	return int64(h.Sum64())                                // a key may be negative
}

// Take takes the lease. It returns false when another session holds it.
func (l *PostgresLease) Take(ctx context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		return false, errors.New("take lease: it is held already, ask Check")
	}
	defer l.bound(ctx)()
	session, err := l.db.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("take lease: %w", err)
	}
	taken := false
	if err := session.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, l.key).Scan(&taken); err != nil {
		end(session) // the server may have given the lock
		return false, fmt.Errorf("take lease: %w", err)
	}
	if !taken {
		return false, ignoreDone(session.Close())
	}
	l.session = session
	return true, nil
}

// heldQuery looks for the lock of this session. PostgreSQL shows the key of an advisory lock in two
// halves, see the view pg_locks in its manual.
const heldQuery = `
SELECT EXISTS (SELECT FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
                  AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = $1)`

// Check asks PostgreSQL whether the session still holds the lock.
func (l *PostgresLease) Check(ctx context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil {
		return false, nil
	}
	defer l.bound(ctx)()
	held := false
	err := l.session.QueryRowContext(ctx, heldQuery, l.key).Scan(&held)
	if err == nil && held {
		return true, nil
	}
	end(l.session)
	l.session = nil
	if err != nil {
		return false, fmt.Errorf("check lease: %w", err)
	}
	return false, nil
}

// Release ends the session, and with it the lock.
func (l *PostgresLease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil {
		return nil
	}
	defer l.bound(ctx)()
	// The unlock is answered when the lock is free. A closed connection frees it a moment later.
	_, err := l.session.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, l.key)
	end(l.session)
	l.session = nil
	if err != nil {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}

// Close releases the lease without a word to the server.
func (l *PostgresLease) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		end(l.session)
		l.session = nil
	}
	return l.db.Close()
}

// bound closes the connection when ctx ends before the returned function is called. The driver
// asks the server to cancel a query, and waits for its answer. A server that hangs gives none.
func (l *PostgresLease) bound(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, l.sockets.closeAll)
}

// end closes a session's connection, instead of returning it to the pool with its lock.
func end(session *sql.Conn) {
	// The pool drops a connection when the function that uses it returns this error.
	_ = session.Raw(func(any) error { return driver.ErrBadConn })
	_ = session.Close() // says that it is done already
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// sockets opens the connections of a lease and keeps hold of them.
type sockets struct {
	dialer net.Dialer
	mu     sync.Mutex
	open   map[net.Conn]bool
}

func (s *sockets) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.Close() // the query in it reports the error
	}
	clear(s.open)
}

// DialContext is called by the driver, see pq.DialerContext.
func (s *sockets) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[conn] = true
	return &socket{Conn: conn, of: s}, nil
}

// Dial and DialTimeout are part of pq.Dialer.
func (s *sockets) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

// DialTimeout is Dial with a time limit.
func (s *sockets) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.DialContext(ctx, network, address)
}

// socket forgets itself when it is closed.
type socket struct {
	net.Conn
	of *sockets
}

func (s *socket) Close() error {
	s.of.mu.Lock()
	delete(s.of.open, s.Conn)
	s.of.mu.Unlock()
	return s.Conn.Close()
}
