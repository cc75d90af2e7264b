package postgres

import (
	"context"
	"net"
	"time"
)

// silenceDialer dials connections whose waits are bounded: see PoolConfig.Silence.
type silenceDialer struct {
	net.Dialer
	silence time.Duration
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
	ctx, cancel := context.WithTimeout(ctx, d.silence)
	defer cancel()
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return silenceConn{Conn: conn, silence: d.silence}, nil
}

// silenceConn is a connection whose reads fail after the silence. The driver reads only while
// it waits for an answer, so an idle connection may be silent for any time.
type silenceConn struct {
	net.Conn
	silence time.Duration
}

func (c silenceConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}
