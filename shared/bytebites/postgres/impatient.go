package postgres

import (
	"context"
	"net"
	"time"
)

// impatient makes connections that do not wait for ever: see PoolConfig.Silence.
type impatient struct {
	net.Dialer
	silence time.Duration
}

// DialTimeout is for the driver, which asks for it by this name.
func (d impatient) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func (d impatient) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d impatient) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.silence)
	defer cancel()
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return impatientConn{Conn: conn, silence: d.silence}, nil
}

// impatientConn gives up reading after a silence. The driver reads only when it waits for
// an answer, so a connection that nobody uses may be silent as long as it likes.
type impatientConn struct {
	net.Conn
	silence time.Duration
}

func (c impatientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}
