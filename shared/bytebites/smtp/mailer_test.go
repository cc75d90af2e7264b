package smtp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/smtp"
)

var _ bytebites.Mailer = (*smtp.Mailer)(nil)

// received is a mail that a server received.
type received struct {
	from string
	to   []string
	data []byte
}

// inbox is a mail server that stores the mails it receives.
type inbox struct {
	mails chan received
	fail  error // answer to each message
	mail  received
}

func (i *inbox) Mail(from string, _ *gosmtp.MailOptions) error {
	i.mail = received{from: from}
	return nil
}

func (i *inbox) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	i.mail.to = append(i.mail.to, to)
	return nil
}

func (i *inbox) Data(r io.Reader) (err error) {
	if i.mail.data, err = io.ReadAll(r); err != nil {
		return err
	}
	if i.fail == nil {
		i.mails <- i.mail
	}
	return i.fail
}

func (i *inbox) Reset()        {}
func (i *inbox) Logout() error { return nil }

func serve(t testing.TB, i *inbox) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return i, nil }))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

func sender() mail.Address {
	return mail.Address{Name: "ByteBites", Address: "dinner@bytebites.example"}
}

func order(names ...string) bytebites.Order {
	o := bytebites.Order{ID: "ord_abc123", Total: 1250}
	for _, name := range names {
		o.Lines = append(o.Lines, bytebites.OrderLine{Meal: "m1", Name: name, Quantity: 2, Price: 625})
	}
	return o
}

func TestConfirmOrder(t *testing.T) {
	i := &inbox{mails: make(chan received, 1)}
	mailer := smtp.New(serve(t, i), sender(), func() time.Time { return time.Unix(1e9, 0).UTC() })
	if err := mailer.ConfirmOrder(t.Context(), "anna@example.com", order("Kürbissuppe", "Stew")); err != nil {
		t.Fatal(err)
	}
	got := <-i.mails
	if got.from != "dinner@bytebites.example" || len(got.to) != 1 || got.to[0] != "anna@example.com" {
		t.Errorf("envelope: from %q to %q", got.from, got.to)
	}
	message, body := parse(t, got.data)
	for name, want := range map[string]string{
		"From":       `"ByteBites" <dinner@bytebites.example>`,
		"To":         "<anna@example.com>",
		"Subject":    "Your 2 dinners are on their way",
		"Message-Id": "<ord_abc123@bytebites.example>",
		"Date":       "Sun, 09 Sep 2001 01:46:40 +0000",
	} {
		if message.Header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, message.Header.Get(name), want)
		}
	}
	for _, want := range []string{"ord_abc123", "2 x Kürbissuppe, EUR 6.25 each", "Total: EUR 12.50"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in the body:\n%s", want, body)
		}
	}
}

// parse parses a mail. It must be 7-bit and have no bare line feeds.
func parse(t testing.TB, data []byte) (*mail.Message, string) {
	t.Helper()
	for at, c := range data {
		if c > 0x7e || (c == '\n' && (at == 0 || data[at-1] != '\r')) {
			t.Errorf("byte %#x at %d", c, at)
		}
	}
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	if err != nil {
		t.Fatal(err)
	}
	return message, string(body)
}

func TestNobodyAddsHeaders(t *testing.T) {
	i := &inbox{mails: make(chan received, 1)}
	mailer := smtp.New(serve(t, i), sender(), nil)
	evil := "Soup\r\nBcc: victim@example.com\r\n\r\nBuy now"
	if err := mailer.ConfirmOrder(t.Context(), "anna@example.com", order(evil)); err != nil {
		t.Fatal(err)
	}
	got := <-i.mails
	message, body := parse(t, got.data)
	if len(got.to) != 1 || message.Header.Get("Bcc") != "" || strings.HasPrefix(body, "Buy") {
		t.Errorf("a meal's name became a header:\n%s", got.data)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	if err != nil || !strings.HasSuffix(subject, evil) {
		t.Errorf("subject %q, %v: the name must come through as it is", subject, err)
	}
}

func TestEvilRecipientsAreRefused(t *testing.T) {
	i := &inbox{mails: make(chan received, 1)}
	mailer := smtp.New(serve(t, i), sender(), nil)
	for _, email := range []string{
		"", "anna", "anna@example.com\r\nBcc: victim@example.com", "a@example.com, b@example.com",
		"a@example.com>\r\nRCPT TO:<b@example.com", "\"a\r\nb\"@example.com",
	} {
		if err := mailer.ConfirmOrder(t.Context(), email, order("Soup")); err == nil {
			t.Errorf("%q was mailed to: %q", email, (<-i.mails).to)
		}
	}
}

func FuzzHeadersStayWhole(f *testing.F) {
	i := &inbox{mails: make(chan received, 1)}
	mailer := smtp.New(serve(f, i), sender(), nil)
	f.Add("Soup", "ord_1")
	f.Add("Soup\r\nBcc: x@example.com", "ord\r\n1")
	f.Add("=?utf-8?q?=0d=0a?=", "<>@")
	f.Add(strings.Repeat("ü", 300), "")
	f.Fuzz(func(t *testing.T, name, id string) {
		o := order(name)
		o.ID = bytebites.OrderID(id)
		if err := mailer.ConfirmOrder(context.Background(), "anna@example.com", o); err != nil {
			t.Skip(err) // such as for a line that is too long
		}
		got := <-i.mails
		message, _ := parse(t, got.data)
		if len(message.Header) != 9 || len(got.to) != 1 {
			t.Errorf("%d header fields, %d recipients:\n%s", len(message.Header), len(got.to), got.data)
		}
	})
}

// An error that tells nothing about the mail is busy, so that nothing gives the mail up.
func TestBusy(t *testing.T) {
	refusing := func(code int) string {
		return serve(t, &inbox{fail: &gosmtp.SMTPError{Code: code, Message: "no"}})
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	hangUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp.Close() //nolint:errcheck // only a test
	go func() {
		for {
			conn, err := hangUp.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // only a test
	for _, test := range []struct {
		name, address, email string
		busy                 bool
	}{
		{"temporary refusal", refusing(451), "anna@example.com", true},
		{"permanent refusal", refusing(550), "anna@example.com", false},
		{"nothing listens", closed.Addr().String(), "anna@example.com", true},
		{"hangs up", hangUp.Addr().String(), "anna@example.com", true},
		{"silent", silent.Addr().String(), "anna@example.com", true},
		{"no address", refusing(451), "anna", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := smtp.New(test.address, sender(), nil).ConfirmOrder(ctx, test.email, order("Soup"))
			if err == nil || errors.Is(err, bytebites.ErrBusy) != test.busy {
				t.Errorf("%v, want busy %t", err, test.busy)
			}
		})
	}
}

func TestRefusalIsReported(t *testing.T) {
	i := &inbox{fail: &gosmtp.SMTPError{Code: 451, Message: "try again later"}}
	err := smtp.New(serve(t, i), sender(), nil).ConfirmOrder(t.Context(), "anna@example.com", order("Soup"))
	var refusal *gosmtp.SMTPError
	if !errors.As(err, &refusal) || refusal.Code != 451 {
		t.Errorf("got %v, want 451", err)
	}
}

// TestEveryStepEndsWithTheContext uses a server that stops answering after a number of lines.
func TestEveryStepEndsWithTheContext(t *testing.T) {
	answers := []string{
		"220 hello\r\n", "250 mailsink\r\n", "250 from\r\n", "250 to\r\n", "354 go on\r\n",
	}
	for spoken := range len(answers) + 1 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			buffer := make([]byte, 4096)
			for _, answer := range answers[:spoken] {
				if _, err := io.WriteString(conn, answer); err != nil {
					return
				}
				if _, err := conn.Read(buffer); err != nil {
					return
				}
			}
			_, _ = io.Copy(io.Discard, conn) // no answer until the client closes the connection
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		begin := time.Now()
		err = smtp.New(listener.Addr().String(), sender(), nil).ConfirmOrder(ctx, "anna@example.com", order("Soup"))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("silent after %d answers: got %v, want the deadline", spoken, err)
		}
		if d := time.Since(begin); d > 3*time.Second {
			t.Errorf("silent after %d answers: took %v", spoken, d)
		}
		_ = listener.Close()
	}
}

func TestMessageID(t *testing.T) {
	for _, id := range []bytebites.OrderID{"ord_1", "", "a>b", "a\r\nb", bytebites.OrderID(strings.Repeat("x", 500))} {
		first, second := smtp.MessageID(id, "x.example"), smtp.MessageID(id, "x.example")
		if first != second || strings.ContainsAny(first[1:len(first)-1], "<>\r\n ") || len(first) > 100 {
			t.Errorf("order %q: %q and %q", id, first, second)
		}
	}
	if smtp.MessageID("a>b", "x.example") == smtp.MessageID("a>c", "x.example") {
		t.Error("two orders have one Message-ID")
	}
}
