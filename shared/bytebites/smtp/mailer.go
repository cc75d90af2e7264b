// Package smtp sends confirmation mails over SMTP.
package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"time"

	"github.com/emersion/go-smtp"

	"bytebites.example/workshop/shared/bytebites"
)

// Mailer opens a new connection for each mail, as the monolith does. It is safe for concurrent
// use.
type Mailer struct {
	addr string
	from mail.Address
	now  func() time.Time
}

// New returns a mailer that delivers to the SMTP server at addr (host:port). from is the sender.
// If now is nil, the mailer uses time.Now.
func New(addr string, from mail.Address, now func() time.Time) *Mailer {
	if now == nil {
		now = time.Now
	}
	return &Mailer{addr: addr, from: from, now: now}
}

// ConfirmOrder sends the confirmation of an order. It returns when the server has accepted the
// mail, or when ctx ends, at any step of the SMTP dialogue. The error matches bytebites.ErrBusy if
// it tells nothing about the mail: the server cannot be reached, gives no answer, or refuses with a
// temporary code.
func (m *Mailer) ConfirmOrder(ctx context.Context, email string, order bytebites.Order) error {
	to, err := mail.ParseAddress(email)
	if err != nil {
		return fmt.Errorf("parse recipient: %w", err)
	}
	message, err := confirmation(m.from, mail.Address{Address: to.Address}, order, m.now())
	if err != nil {
		return fmt.Errorf("write confirmation: %w", err)
	}
	if err := m.deliver(ctx, to.Address, message); err != nil {
		if ctx.Err() != nil { // err is the closed connection, and ctx has the reason
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
		if temporary(err) {
			err = fmt.Errorf("%w: %w", bytebites.ErrBusy, err)
		}
		return fmt.Errorf("deliver to %s: %w", m.addr, err)
	}
	return nil
}

// temporary reports whether a later try may succeed: there was no answer, or one with a 4xx code
// (RFC 5321, 4.2.1).
func temporary(err error) bool {
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		return answer.Temporary()
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func (m *Mailer) deliver(ctx context.Context, to string, message []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", m.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	// The client sets its own deadlines on the connection, so a deadline set here would be
	// overwritten. Closing the connection ends any step.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	client := smtp.NewClient(conn)
	if err := client.SendMail(m.from.Address, []string{to}, bytes.NewReader(message)); err != nil {
		return err
	}
	// The server has accepted the mail. An error of QUIT must not make the caller send it again.
	_ = client.Quit()
	return nil
}
