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
		did.mu.Lock()
		did.most.Store(max(did.most.Load(), did.now.Add(1)))
		did.mu.Unlock()
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
	began, now, most atomic.Int32
	mu               sync.Mutex
	conns            []*fakeConn
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
		l := newLogins(nil, open, 1, 0)
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

func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	for maxOpen, want := range map[int]int{0: 4, 1: 1, 2: 1, 3: 1, 6: 2, 10: 3} {
		if got := loginsAtOnce(maxOpen); got != want {
			t.Errorf("%d logins at once of a pool of %d, want %d", got, maxOpen, want)
		}
	}
	for atOnce, took := range map[int]time.Duration{1: 5 * time.Second, 2: 3 * time.Second, 5: time.Second} {
		synctest.Test(t, func(t *testing.T) { fiveLogins(t, atOnce, took) })
	}
}

// fiveLogins has five calls log in, each in a second.
func fiveLogins(t *testing.T, atOnce int, want time.Duration) {
	open, did := slow(time.Second)
	l := newLogins(nil, open, atOnce, 0)
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
	if took := time.Since(began); took != want || did.most.Load() != int32(atOnce) {
		t.Errorf("%d at once: 5 logins of a second took %v, want %v; %d were together", atOnce, took, want, did.most.Load())
	}
	seen := make(map[driver.Conn]bool)
	for _, conn := range got {
		seen[conn] = true
	}
	// A call may begin a login and then get the connection of another call. What is left over waits for the next call.
	if n := int(did.began.Load()); len(seen) != len(got) || n < len(got) || n >= len(got)+atOnce {
		t.Errorf("%d at once: %d calls share %d connections of %d logins", atOnce, len(got), len(seen), n)
	}
	synctest.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	synctest.Wait() // no login may be under way at the end
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
	}, 1, 0)
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
		l := newLogins(nil, open, 1, 0)
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
		l := newLogins(nil, open, 1, 0)
		if _, err := connectWithin(t, l, time.Millisecond); err == nil {
			t.Fatal("connected at once")
		}
		time.Sleep(2 * time.Second)
		if err := l.Close(); err != nil || did.conns[0].closed.Load() != 1 {
			t.Errorf("%v, closed %d times; want the connection that nobody took closed once", err, did.conns[0].closed.Load())
		}
	})
}
