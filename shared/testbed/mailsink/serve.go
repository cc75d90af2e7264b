package mailsink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/emersion/go-smtp"
)

const shutdownTimeout = 2 * time.Second

// Serve accepts mail on one listener and commands on the other until ctx ends. Then it
// accepts no new mail, and rejects the waiting messages at once with a temporary error, so
// that senders may try again. It closes both listeners. Call it once for a sink.
func (s *Sink) Serve(ctx context.Context, mail, control net.Listener, logger *slog.Logger) error {
	mailServer := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{sink: s, box: s.open()}, nil
	}))
	mailServer.Domain = "mailsink"
	mailServer.MaxRecipients = maxRecipients
	mailServer.MaxMessageBytes = 1 << 20
	mailServer.ReadTimeout = time.Minute
	mailServer.WriteTimeout = 10 * time.Second
	mailServer.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	controlServer := &http.Server{
		Handler:           s.Control(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 2)
	go func() { failed <- named("mail", mailServer.Serve(mail)) }()
	go func() { failed <- named("control", controlServer.Serve(control)) }()

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	close(s.stop)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(err, stopMail(ctx, mailServer), controlServer.Shutdown(ctx))
}

// stopMail stops the mail server when its connections have ended, or ctx has. A connection
// that a client keeps open stays open until the process ends; that is no error.
func stopMail(ctx context.Context, server *smtp.Server) error {
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return err
}

func named(what string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", what, err)
}
