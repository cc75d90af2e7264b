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
	// heartbeat is how often both sides say that they are there. Who says nothing for two of
	// them is taken for gone.
	heartbeat = 5 * time.Second
	// dialTimeout bounds the connection and the handshake after it.
	dialTimeout = 5 * time.Second
	// closeTimeout bounds the farewell.
	closeTimeout = 2 * time.Second
	// The pause before the next try doubles from the first to the last.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// ErrLost is why the context of work ends when its connection is lost.
var ErrLost = errors.New("connection to broker lost")

// Options say which broker, and who connects.
type Options struct {
	URL    string // amqp://..., which no error and no log repeats
	Name   string // of the connection, as the broker shows it
	Logger *slog.Logger
}

// Keep connects to a broker and calls work with the connection. When the connection is lost, or
// work fails, it does so again after a pause; pauses grow from 100 ms to 5 s, less up to half
// of it at random, so that not everybody comes back to a broker at the same moment.
//
// Work's context ends when ctx does, and with ErrLost as its cause when the connection is lost.
// Work must return soon then, and leave it to Keep to close the connection.
//
// Keep returns nil when work returned nil, over a connection that was there to the end or because
// ctx ended. When ctx ended otherwise the error matches its error.
func Keep(ctx context.Context, o Options, work func(ctx context.Context, conn *amqp.Connection) error) error {
	var pause pauses
	for {
		began := time.Now()
		err := once(ctx, o, work)
		if err == nil {
			return nil
		}
		if time.Since(began) > lastPause {
			pause = pauses{} // it went well for a while
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

// once connects and calls work, once.
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
		_ = farewell(conn) // what it was told, work has done
		return failed
	}
	if errors.Is(context.Cause(working), ErrLost) {
		return errors.Join(context.Cause(working), failed)
	}
	return errors.Join(failed, farewell(conn))
}

// lostBecause returns ErrLost with the library's reason, which is nil when the connection was
// closed on this side.
func lostBecause(reason *amqp.Error) error {
	if reason == nil {
		return ErrLost
	}
	return fmt.Errorf("%w: %w", ErrLost, reason)
}

// farewell closes a connection; an error says that it was lost, or is no more than half there.
func farewell(conn *amqp.Connection) error {
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
			// The handshake knows no context.
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

// pauses are those before the next try.
type pauses struct{ last time.Duration }

func (p *pauses) next() time.Duration {
	p.last = min(max(2*p.last, firstPause), lastPause)
	return p.last - rand.N(p.last/2)
}
