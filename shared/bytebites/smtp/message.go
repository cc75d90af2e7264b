package smtp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// MessageID returns the Message-ID of an order's confirmation. It is always the same for one
// order, so that a repeated mail is recognised as a duplicate. An order id that does not fit
// the dot-atom of RFC 5322 is hashed.
func MessageID(order bytebites.OrderID, domain string) string {
	left := string(order)
	if !isAtom(left) {
		sum := sha256.Sum256([]byte(left))
		left = hex.EncodeToString(sum[:16])
	}
	return "<" + left + "@" + domain + ">"
}

func isAtom(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// confirmation returns the mail. Text from outside is either part of the body or encoded. In
// header fields it is encoded as RFC 2047 words, which contain no line break.
func confirmation(from, to mail.Address, order bytebites.Order, now time.Time) ([]byte, error) {
	_, domain, ok := strings.Cut(from.Address, "@")
	if !ok {
		return nil, fmt.Errorf("sender %q: no domain", from.Address)
	}
	var b bytes.Buffer
	for _, field := range [][2]string{
		{"From", from.String()},
		{"To", to.String()},
		{"Subject", mime.QEncoding.Encode("utf-8", subject(order))},
		{"Date", now.Format(time.RFC1123Z)},
		{"Message-ID", MessageID(order.ID, domain)},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		if strings.ContainsAny(field[1], "\r\n") && field[0] != "Subject" {
			return nil, fmt.Errorf("header %s: line break", field[0])
		}
		fmt.Fprintf(&b, "%s: %s\r\n", field[0], field[1])
	}
	b.WriteString("\r\n")
	body := quotedprintable.NewWriter(&b)
	if _, err := body.Write([]byte(text(order))); err != nil {
		return nil, err
	}
	if err := body.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func subject(order bytebites.Order) string {
	if len(order.Lines) == 1 {
		return "Your dinner is on its way: " + order.Lines[0].Name
	}
	return fmt.Sprintf("Your %d dinners are on their way", len(order.Lines))
}

func text(order bytebites.Order) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Thank you for your order %s.\n\n", order.ID)
	for _, line := range order.Lines {
		fmt.Fprintf(&b, "%3d x %s, %s each\n", line.Quantity, line.Name, euros(line.Price))
	}
	fmt.Fprintf(&b, "\nTotal: %s\n", euros(order.Total))
	return b.String()
}

func euros(c bytebites.Cents) string { return fmt.Sprintf("EUR %d.%02d", c/100, c%100) }
