package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// heartbeat is the interval of the heartbeats in both directions. A side that is silent for two
	// intervals counts as gone.
	heartbeat = 5 * time.Second
	// dialTimeout bounds connecting, including the handshake.
	dialTimeout = 5 * time.Second
	// closeTimeout bounds closing the connection.
	closeTimeout = 2 * time.Second
	// The pause between two attempts doubles from minPause to maxPause.
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// ErrLost is the cause with which work's context ends if its connection is lost.
var ErrLost = errors.New("connection to broker lost")

// Options name the broker and the client.
type Options struct {
	URL    string // amqp://...; no error and no log repeats it
	Name   string // of the connection; the broker's management page shows it
	Logger *slog.Logger
}

// Keep connects to a broker and calls work with the connection. If the connection is lost or work
// fails, Keep pauses, connects again and calls work again. The pauses grow from 100 ms to 5 s. Each
// is shortened at random by up to half, so that clients do not all reconnect at the same moment.
//
// Work's context ends when ctx ends. If the connection is lost, it ends with the cause ErrLost.
// Work must return soon after that, and must not close the connection; Keep does.
//
// Keep returns nil if work returned nil while the connection was open, or because ctx ended. If ctx
// ends in any other state, the error matches ctx.Err().
func Keep(ctx context.Context, o Options, work func(ctx context.Context, conn *amqp.Connection) error) error {
	var pause pauses
	for {
		began := time.Now()
		err := once(ctx, o, work)
		if err == nil {
			return nil
		}
		if time.Since(began) > maxPause {
			pause = pauses{} // the connection worked for a while, so start again with short pauses
		}
		wait := pause.next()
		if ctx.Err() == nil {
			o.Logger.WarnContext(ctx, "no broker", "connection", o.Name, "error", err, "again_in", wait.String())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("broker connection %s: %w: %w", o.Name, ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

// once connects once and calls work.
func once(ctx context.Context, o Options, work func(ctx context.Context, conn *amqp.Connection) error) error {
	conn, err := dial(ctx, o)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	lost := conn.NotifyClose(make(chan *amqp.Error, 1))
	o.Logger.InfoContext(ctx, "connected to broker", "connection", o.Name)
	working, end := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case reason := <-lost:
			end(lostBecause(reason))
		case <-working.Done():
		}
	}()
	failed := work(working, conn)
	end(nil)
	<-watching
	if ctx.Err() != nil {
		_ = closeConnection(conn) // the result of work counts, not that of closing
		return failed
	}
	if errors.Is(context.Cause(working), ErrLost) {
		return errors.Join(context.Cause(working), failed)
	}
	return errors.Join(failed, closeConnection(conn))
}

// lostBecause returns ErrLost with the library's reason. The reason is nil if this side closed the
// connection.
func lostBecause(reason *amqp.Error) error {
	if reason == nil {
		return ErrLost
	}
	return fmt.Errorf("%w: %w", ErrLost, reason)
}

// closeConnection closes a connection. Its error means that the connection was lost or half open.
func closeConnection(conn *amqp.Connection) error {
	if err := conn.CloseDeadline(time.Now().Add(closeTimeout)); err != nil {
		return fmt.Errorf("close: %w: %w", ErrLost, err)
	}
	return nil
}

func dial(ctx context.Context, o Options) (*amqp.Connection, error) {
	if _, err := amqp.ParseURI(o.URL); err != nil {
		// The library's error may quote the password.
		return nil, errors.New("broker URL: want one such as amqp://user:password@host:5672/")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(o.Name)
	var raw net.Conn
	release := func() bool { return true }
	conn, err := amqp.DialConfig(o.URL, amqp.Config{
		Heartbeat:  heartbeat,
		Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			var dialer net.Dialer
			opened, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The library's handshake takes no context.
			raw, release = opened, context.AfterFunc(ctx, func() { _ = opened.Close() })
			return opened, nil
		},
	})
	if !release() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil && raw != nil {
		_ = raw.Close()
	}
	return conn, err
}

// pauses computes the pauses between attempts.
type pauses struct{ last time.Duration }

func (p *pauses) next() time.Duration {
	p.last = min(max(2*p.last, minPause), maxPause)
	return p.last - rand.N(p.last/2)
}
