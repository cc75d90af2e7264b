package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/mailsink"
)

const (
	mailControlPort = 8025
	mailSinkPackage = "./shared/cmd/mailsink"
	staticReady     = 30 * time.Second
)

// MailSinkOptions describe a mail sink.
type MailSinkOptions struct {
	Name  string        // "mailsink" when empty
	Type  instance.Type // the zero Type has no CPU quota and 2 GiB
	Delay time.Duration // before it accepts a message; none when 0
}

// MailSink is an SMTP server that keeps messages instead of sending them.
type MailSink struct{ *Server }

// MailSink builds and starts a mail sink.
func (b *Bed) MailSink(ctx context.Context, o MailSinkOptions) (*MailSink, error) {
	if o.Name == "" {
		o.Name = "mailsink"
	}
	const options = "mailsink" // the delay can be set while it runs
	if parked, err := takeOver[MailSink](ctx, b, o.Name, options, o.Type); err != nil {
		return nil, err
	} else if parked != nil {
		return parked, parked.SetDelay(ctx, o.Delay)
	}
	s, err := b.static(ctx, mailSinkPackage, spec{
		kind:  "mailsink",
		name:  o.Name,
		cmd:   []string{"-delay", o.Delay.String()},
		ports: []int{SMTPPort, mailControlPort},
		typ:   o.Type,
		ready: httpReady(mailControlPort, "/healthz", staticReady),
	})
	if err != nil {
		return nil, err
	}
	m := &MailSink{Server: s}
	b.offer(&reusable{server: s, value: m, options: options, restore: m.renew})
	return m, nil
}

// InternalAddress is where servers on the bed send mail.
func (m *MailSink) InternalAddress() string { return m.Server.InternalAddress(SMTPPort) }

// SMTPAddress is where this process sends mail.
func (m *MailSink) SMTPAddress() string { return m.Address(SMTPPort) }

// SetDelay sets how long the sink takes to accept a message, in whole milliseconds.
func (m *MailSink) SetDelay(ctx context.Context, delay time.Duration) error {
	body, err := json.Marshal(map[string]int64{"delay_ms": delay.Milliseconds()})
	if err != nil {
		return fmt.Errorf("set mail delay: %w", err)
	}
	if _, err := m.control(ctx, http.MethodPut, "/delay", body); err != nil {
		return fmt.Errorf("set mail delay: %w", err)
	}
	return nil
}

// SetFailureRate sets the share of messages, from 0 to 1, that the sink rejects with a
// temporary error.
func (m *MailSink) SetFailureRate(ctx context.Context, rate float64) error {
	body, err := json.Marshal(map[string]float64{"rate": rate})
	if err != nil {
		return fmt.Errorf("set mail failure rate: %w", err)
	}
	if _, err := m.control(ctx, http.MethodPut, "/failure", body); err != nil {
		return fmt.Errorf("set mail failure rate: %w", err)
	}
	return nil
}

// Stats returns the sink's counters.
func (m *MailSink) Stats(ctx context.Context) (mailsink.Stats, error) {
	var stats mailsink.Stats
	data, err := m.control(ctx, http.MethodGet, "/stats", nil)
	if err == nil {
		err = json.Unmarshal(data, &stats)
	}
	if err != nil {
		return mailsink.Stats{}, fmt.Errorf("read mail stats: %w", err)
	}
	return stats, nil
}

// Messages returns the latest messages to an address, or to all addresses when to is empty,
// at most 10,000.
func (m *MailSink) Messages(ctx context.Context, to string) ([]mailsink.Message, error) {
	query := url.Values{"limit": {"10000"}}
	if to != "" {
		query.Set("to", to)
	}
	var messages []mailsink.Message
	data, err := m.control(ctx, http.MethodGet, "/messages?"+query.Encode(), nil)
	if err == nil {
		err = json.Unmarshal(data, &messages)
	}
	if err != nil {
		return nil, fmt.Errorf("read mail: %w", err)
	}
	return messages, nil
}

// Reset deletes the sink's messages and sets its counters to zero.
func (m *MailSink) Reset(ctx context.Context) error {
	if _, err := m.control(ctx, http.MethodDelete, "/messages", nil); err != nil {
		return fmt.Errorf("reset mail sink: %w", err)
	}
	return nil
}

// renew makes the sink as new. A restart would do so too, but takes the engine seconds of CPU time.
func (m *MailSink) renew(ctx context.Context) error {
	if _, err := m.control(ctx, http.MethodDelete, "/everything", nil); err != nil {
		return fmt.Errorf("renew mail sink: %w", err)
	}
	return nil
}

const (
	controlTimeout   = 5 * time.Second
	maxControlAnswer = 16 << 20 // bytes
)

func (m *MailSink) control(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+m.Address(mailControlPort)+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxControlAnswer))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, data)
	}
	return data, nil
}
