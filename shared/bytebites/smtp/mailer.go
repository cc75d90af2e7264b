// Package smtp mails confirmations over SMTP.
package smtp

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/mail"
	"time"

	"github.com/emersion/go-smtp"

	"bytebites.example/workshop/shared/bytebites"
)

// Mailer sends each mail over a connection of its own, as the monolith does. It is safe
// for concurrent use.
type Mailer struct {
	addr string
	from mail.Address
	now  func() time.Time
}

// New returns a mailer that delivers to the SMTP server at addr (host:port), from the
// given address. A nil now is time.Now.
func New(addr string, from mail.Address, now func() time.Time) *Mailer {
	if now == nil {
		now = time.Now
	}
	return &Mailer{addr: addr, from: from, now: now}
}

// ConfirmOrder sends the confirmation of an order and returns once the server has
// taken it. It ends when ctx does, at whichever step of the dialogue that is.
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
		if ctx.Err() != nil { // closing the connection hides the reason
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
		return fmt.Errorf("deliver to %s: %w", m.addr, err)
	}
	return nil
}

func (m *Mailer) deliver(ctx context.Context, to string, message []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", m.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	// The client sets deadlines of its own on the connection, so one set here would
	// not last; closing it ends any step.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	client := smtp.NewClient(conn)
	if err := client.SendMail(m.from.Address, []string{to}, bytes.NewReader(message)); err != nil {
		return err
	}
	// The mail is accepted: a failing goodbye must not make the caller send it again.
	_ = client.Quit()
	return nil
}
