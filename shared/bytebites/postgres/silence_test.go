package postgres_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

// TestSilence uses a server that lets everybody in and then says nothing more. The call must end after the
// silence and not after its own, longer time.
func TestSilence(t *testing.T) {
	t.Parallel()
	// AuthenticationOk and ReadyForQuery, see "Message Formats" of PostgreSQL's documentation.
	url := server(t, "R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I")
	const silence = 100 * time.Millisecond
	took, err := ask(t, url, postgres.PoolConfig{MaxOpen: 1, Silence: silence}, 4*time.Second)
	if err == nil || took < silence || took > 3*time.Second {
		t.Errorf("given up after %v with %v, want about %v", took, err, silence)
	}
}

// TestSilentLogin uses a server that does not even let anybody in. The call ends with its own time, and the
// login after connect_timeout, so a later call does not wait for it.
func TestSilentLogin(t *testing.T) {
	t.Parallel()
	const patience = 100 * time.Millisecond
	took, err := ask(t, server(t, ""), postgres.PoolConfig{MaxOpen: 1, Silence: time.Millisecond}, patience)
	if err == nil || took < patience || took > 3*time.Second {
		t.Errorf("given up after %v with %v, want about %v", took, err, patience)
	}
	took, err = ask(t, server(t, "")+"&connect_timeout=1", postgres.PoolConfig{MaxOpen: 1}, 10*time.Second)
	if err == nil || took < time.Second || took > 5*time.Second {
		t.Errorf("given up after %v with %v, want about a second", took, err)
	}
}

// server returns the URL of a server that says one thing to each connection.
func server(t *testing.T, says string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, says); err != nil {
				return
			}
		}
	}()
	return "postgres://a:b@" + listener.Addr().String() + "/c?sslmode=disable"
}

// ask runs a statement, and returns how long that took.
func ask(t *testing.T, url string, pool postgres.PoolConfig, patience time.Duration) (took time.Duration, err error) {
	t.Helper()
	db, err := postgres.OpenLater(url, pool)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = db.ExecContext(ctx, "SELECT 1")
	return time.Since(began), err
}
