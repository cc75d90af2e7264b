package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeConn counts how often it is closed. The logins do nothing else with a connection.
type fakeConn struct {
	driver.Conn
	closed atomic.Int32
}

func (c *fakeConn) Close() error {
	c.closed.Add(1)
	return nil
}

// slow returns an open that takes some time, and what it has done.
func slow(took time.Duration) (open func(context.Context) (driver.Conn, error), did *opened) {
	did = &opened{}
	return func(ctx context.Context) (driver.Conn, error) {
		did.began.Add(1)
		if now := did.now.Add(1); now > 1 {
			did.together.Store(true)
		}
		defer did.now.Add(-1)
		select {
		case <-time.After(took):
			conn := &fakeConn{}
			did.mu.Lock()
			did.conns = append(did.conns, conn)
			did.mu.Unlock()
			return conn, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, did
}

type opened struct {
	began, now atomic.Int32
	together   atomic.Bool
	mu         sync.Mutex
	conns      []*fakeConn
}

// connectWithin asks for a connection, and gives up after the patience.
func connectWithin(t *testing.T, l *logins, patience time.Duration) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return l.Connect(ctx)
}

// Each call gives up before a login can be over, as on a server that is slow for a moment.
func TestLoginOutlivesItsCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open, did := slow(3 * time.Second)
		l := newLogins(nil, open, 0)
		for call := range 3 {
			if _, err := connectWithin(t, l, 900*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("call %d: %v, want its deadline", call, err)
			}
		}
		conn, err := connectWithin(t, l, 900*time.Millisecond)
		if err != nil || conn != driver.Conn(did.conns[0]) || did.began.Load() != 1 {
			t.Errorf("%v, %v after %d logins; want the connection of the first", conn, err, did.began.Load())
		}
	})
}

func TestLoginsOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open, did := slow(time.Second)
		l := newLogins(nil, open, 0)
		began := time.Now()
		var calls sync.WaitGroup
		got := make([]driver.Conn, 5)
		for i := range got {
			calls.Go(func() {
				var err error
				if got[i], err = l.Connect(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if took := time.Since(began); took != 5*time.Second || did.together.Load() {
			t.Errorf("5 logins of a second took %v, together %v", took, did.together.Load())
		}
		seen := make(map[driver.Conn]bool)
		for _, conn := range got {
			seen[conn] = true
		}
		if len(seen) != len(got) || did.began.Load() != 5 {
			t.Errorf("%d calls share %d connections of %d logins", len(got), len(seen), did.began.Load())
		}
	})
}

func TestLoginFails(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	tries := 0
	l := newLogins(nil, func(context.Context) (driver.Conn, error) {
		tries++
		if tries == 1 {
			return nil, refused
		}
		return &fakeConn{}, nil
	}, 0)
	if _, err := l.Connect(t.Context()); !errors.Is(err, refused) {
		t.Errorf("%v, want the error of the login", err)
	}
	if _, err := l.Connect(t.Context()); err != nil {
		t.Errorf("the next login: %v", err)
	}
}

func TestLoginsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open, did := slow(time.Second)
		l := newLogins(nil, open, 0)
		if _, err := connectWithin(t, l, time.Millisecond); err == nil {
			t.Fatal("connected at once")
		}
		time.Sleep(2 * time.Second) // its login is over now
		waits := make(chan error)
		go func() {
			for range 2 { // the first gets that connection
				_, err := l.Connect(t.Context())
				waits <- err
			}
		}()
		if err := <-waits; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-waits; err == nil {
			t.Error("a closed pool connects")
		}
		if _, err := l.Connect(t.Context()); err == nil {
			t.Error("a closed pool connects later")
		}
		synctest.Wait() // no login may be under way at the end
		if n := len(did.conns); n != 1 || did.conns[0].closed.Load() != 0 {
			t.Errorf("%d connections, want the one that was given away, open", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		open, did := slow(time.Second)
		l := newLogins(nil, open, 0)
		if _, err := connectWithin(t, l, time.Millisecond); err == nil {
			t.Fatal("connected at once")
		}
		time.Sleep(2 * time.Second)
		if err := l.Close(); err != nil || did.conns[0].closed.Load() != 1 {
			t.Errorf("%v, closed %d times; want the connection that nobody took closed once", err, did.conns[0].closed.Load())
		}
	})
}
