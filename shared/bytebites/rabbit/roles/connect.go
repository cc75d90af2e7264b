package roles

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/bytebites/service"
)

// declareTimeout bounds declaring the topology, which takes less than a second.
const declareTimeout = 10 * time.Second

// keep keeps a connection to the broker until work is done. It returns nil if the program is told
// to stop, even without a connection.
func keep(ctx context.Context, r service.Resources, name string, work func(context.Context, *amqp.Connection) error) error {
	if r.Config.BrokerURL == "" {
		return errors.New("no broker configured: set BYTEBITES_AMQP")
	}
	options := rabbit.Options{URL: r.Config.BrokerURL, Name: r.Config.Instance + " " + name, Logger: r.Logger}
	err := rabbit.Keep(ctx, options, work)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// connected keeps the two connections of a Broker and declares the topology.
func connected(ctx context.Context, r service.Resources, name string, declare Declare, work func(context.Context, Broker) error) error {
	meter, err := rabbit.NewMeter(r.Metrics)
	if err != nil {
		return err
	}
	return keep(ctx, r, name, func(ctx context.Context, conn *amqp.Connection) error {
		if err := declareOn(ctx, conn, declare); err != nil {
			return err
		}
		return keep(ctx, r, name+", publishing", func(ctx context.Context, publishing *amqp.Connection) error {
			return work(ctx, Broker{Conn: conn, Link: NewLink(publishing, meter), Meter: meter, Logger: r.Logger})
		})
	})
}

// declareOn declares the topology on a separate channel. The library's calls take no context. A
// call that the broker does not answer ends with the connection.
func declareOn(ctx context.Context, conn *amqp.Connection, declare Declare) error {
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	release := context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) })
	defer release()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if err := declare(ch); err != nil {
		return errors.Join(err, ctx.Err())
	}
	return ch.Close()
}
