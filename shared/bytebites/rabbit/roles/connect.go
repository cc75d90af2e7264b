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

// declareFor bounds the declaration of everything, which takes part of a second.
const declareFor = 10 * time.Second

// keep keeps a connection to the broker. A program that is told to stop has not failed, though
// there be no broker.
func keep(ctx context.Context, r service.Resources, name string, work func(context.Context, *amqp.Connection) error) error {
	if r.Config.BrokerURL == "" {
		return errors.New("there is no broker: BYTEBITES_AMQP")
	}
	options := rabbit.Options{URL: r.Config.BrokerURL, Name: r.Config.Instance + " " + name, Logger: r.Logger}
	err := rabbit.Keep(ctx, options, work)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// connected keeps the two connections of a Broker, and has everything declared.
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

// declareOn declares everything on a channel of its own. The library's calls know no context: one
// that the broker does not answer ends with the connection.
func declareOn(ctx context.Context, conn *amqp.Connection, declare Declare) error {
	ctx, cancel := context.WithTimeout(ctx, declareFor)
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
