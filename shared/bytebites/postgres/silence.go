package postgres

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// silenceDialer dials for one login, and later for the driver's requests to cancel a statement. After the
// login its connections wait no longer than the silence: see PoolConfig.Silence.
type silenceDialer struct {
	net.Dialer
	silence time.Duration
	in      *atomic.Bool // the login is over
}

// DialTimeout implements pq.Dialer.
func (d silenceDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func (d silenceDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d silenceDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.in.Load() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.silence)
		defer cancel()
	}
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return silenceConn{Conn: conn, silence: d.silence, in: d.in}, nil
}

// silenceConn is a connection whose reads fail after the silence. The driver reads only while
// it waits for an answer, so an idle connection may be silent for any time.
type silenceConn struct {
	net.Conn
	silence time.Duration
	in      *atomic.Bool
}

func (c silenceConn) Read(p []byte) (int, error) {
	if c.in.Load() {
		if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}
