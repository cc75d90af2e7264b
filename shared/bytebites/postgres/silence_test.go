package postgres_test

import (
	"context"
	"net"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

// TestSilence uses a server that accepts connections and never answers. The attempt must end
// after the silence and not after the driver's own, longer connect timeout.
func TestSilence(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
		}
	}()
	const silence = 100 * time.Millisecond
	db, err := postgres.OpenLater("postgres://a:b@"+listener.Addr().String()+"/c?sslmode=disable", postgres.PoolConfig{MaxOpen: 1, Silence: silence})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	began := time.Now()
	if err := db.PingContext(ctx); err == nil {
		t.Fatal("a server that sends nothing has answered")
	}
	if took := time.Since(began); took < silence || ctx.Err() != nil {
		t.Errorf("given up after %v, want about %v", took, silence)
	}
}
