// Command mailsink is the workshop's mail server: see package mailsink.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"bytebites.example/workshop/shared/bytebites/client"
	"bytebites.example/workshop/shared/cmd/program"
	"bytebites.example/workshop/shared/testbed/mailsink"
)

func main() { program.Main("mailsink", run) }

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("mailsink", flag.ContinueOnError)
	smtpAddr := flags.String("smtp", ":2525", "address to take mail on")
	controlAddr := flags.String("control", ":8025", "address of the control interface")
	delay := flags.Duration("delay", 60*time.Millisecond, "wait before accepting a message; MAILSINK_DELAY if not given")
	healthcheck := flags.Bool("healthcheck", false, "check a running sink on this machine, and exit 0 or 1")
	if value := os.Getenv("MAILSINK_DELAY"); value != "" {
		if err := flags.Set("delay", value); err != nil {
			return fmt.Errorf("MAILSINK_DELAY: %w", err)
		}
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *healthcheck {
		return client.ProbeLocal(ctx, *controlAddr, "/healthz")
	}

	sink, err := mailsink.New(*delay, 0)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	mail, err := listen.Listen(ctx, "tcp", *smtpAddr)
	if err != nil {
		return fmt.Errorf("listen for mail: %w", err)
	}
	control, err := listen.Listen(ctx, "tcp", *controlAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for control: %w", err), mail.Close())
	}
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	logger.Info("serving", "smtp", mail.Addr().String(), "control", control.Addr().String(), "delay", delay.String())
	return sink.Serve(ctx, mail, control, logger)
}
