// Package mailsink is a mail server that delivers nothing. It accepts every message after a
// delay, as a real server does that greylists and scans. It counts messages and keeps their
// headers. Its control interface sets the delay and a failure rate while it runs.
package mailsink

import (
	"fmt"
	"io"
	"net/mail"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	// maxDelay rejects a mistyped delay that would stop the mail.
	maxDelay = 5 * time.Minute
	// defaultKeep is how many of the latest messages the sink keeps.
	defaultKeep = 100_000
	// maxRecipients is how many recipients a message may have.
	maxRecipients = 10
)

// Message is the part of a mail that the sink keeps.
type Message struct {
	MessageID  string    `json:"message_id"`
	To         []string  `json:"to"`
	Subject    string    `json:"subject"`
	ReceivedAt time.Time `json:"received_at"`
}

// Stats counts mail since the start or the last reset.
type Stats struct {
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
	// Duplicates counts accepted messages whose Message-ID an earlier kept message has.
	Duplicates int64 `json:"duplicates"`
	// Distinct counts the Message-IDs of the kept messages.
	Distinct int `json:"distinct"`
	// Waiting counts the messages that wait for the end of the delay now.
	Waiting int `json:"waiting"`
	// MostWaiting is the highest value of Waiting.
	MostWaiting int     `json:"most_waiting"`
	DelayMillis int64   `json:"delay_ms"`
	FailureRate float64 `json:"failure_rate"`
}

// Sink accepts mail. It is safe for concurrent use.
type Sink struct {
	keep int
	stop chan struct{} // closed when delays must end

	mu          sync.Mutex
	delay       time.Duration
	failureRate float64
	permanent   bool    // rejections are for good
	failures    float64 // share of the next failure that has built up, below 1
	accepted    int64
	rejected    int64
	duplicates  int64
	waiting     int
	mostWaiting int
	messages    []Message // a ring of at most keep; when it is full, the oldest is at next
	next        int
	seen        map[string]int // number of kept messages by Message-ID
}

// New returns a sink that waits for delay before it accepts a message. It keeps the latest
// keep messages, or 100,000 when keep is not positive.
func New(delay time.Duration, keep int) (*Sink, error) {
	if keep <= 0 {
		keep = defaultKeep
	}
	s := &Sink{keep: keep, stop: make(chan struct{}), seen: make(map[string]int)}
	return s, s.SetDelay(delay)
}

// SetDelay sets how long each message waits; at most five minutes. A message that already
// waits keeps the delay of its arrival.
func (s *Sink) SetDelay(delay time.Duration) error {
	if delay < 0 || delay > maxDelay {
		return fmt.Errorf("delay %v: want 0 to %v", delay, maxDelay)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = delay
	return nil
}

// SetFailureRate sets the share of messages, 0 to 1, that the sink rejects after the delay
// with a temporary error, or a permanent one after SetPermanent. The rejections are evenly spaced and not random, so that a test
// knows their number.
func (s *Sink) SetFailureRate(rate float64) error {
	if !(rate >= 0 && rate <= 1) { // NaN is neither
		return fmt.Errorf("failure rate %v: want 0 to 1", rate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failureRate, s.failures = rate, 0
	return nil
}

// SetPermanent sets whether the sink rejects messages with a permanent error, as a server does
// that knows no such recipient.
func (s *Sink) SetPermanent(permanent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.permanent = permanent
}

// Stats returns the counts.
func (s *Sink) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Accepted: s.accepted, Rejected: s.rejected, Duplicates: s.duplicates,
		Distinct: len(s.seen), Waiting: s.waiting, MostWaiting: s.mostWaiting,
		DelayMillis: s.delay.Milliseconds(), FailureRate: s.failureRate,
	}
}

// Messages returns the latest limit kept messages to a recipient, or to all for "". The
// oldest comes first.
func (s *Sink) Messages(to string, limit int) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []Message{}
	for i := len(s.messages) - 1; i >= 0 && len(found) < limit; i-- {
		m := s.messages[(s.next+i)%len(s.messages)]
		if to == "" || slices.Contains(m.To, to) {
			found = append(found, m)
		}
	}
	slices.Reverse(found)
	return found
}

// Reset deletes all kept messages and sets the counts to zero. Messages that wait are kept
// and still counted, and so are the delay and the failure rate.
func (s *Sink) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted, s.rejected, s.duplicates, s.failures = 0, 0, 0, 0
	s.mostWaiting = s.waiting
	s.messages, s.next, s.seen = nil, 0, make(map[string]int)
}

// take waits for the delay, and then accepts or rejects the message.
func (s *Sink) take(m Message) error {
	s.mu.Lock()
	delay := s.delay
	s.waiting++
	s.mostWaiting = max(s.mostWaiting, s.waiting)
	s.mu.Unlock()

	stopped := false
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stop:
		stopped = true
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	if stopped || s.fails() {
		s.rejected++
		if s.permanent && !stopped {
			return &smtp.SMTPError{
				Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such recipient",
			}
		}
		return &smtp.SMTPError{
			Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later",
		}
	}
	m.ReceivedAt = time.Now().UTC()
	s.accepted++
	s.remember(m)
	return nil
}

func (s *Sink) fails() bool {
	// The small term makes the float sum of ten times 0.1 reach 1.
	s.failures += s.failureRate + 1e-12
	if s.failureRate == 0 || s.failures < 1 {
		return false
	}
	s.failures--
	return true
}

func (s *Sink) remember(m Message) {
	if m.MessageID != "" {
		if s.seen[m.MessageID] > 0 {
			s.duplicates++
		}
		s.seen[m.MessageID]++
	}
	if len(s.messages) < s.keep {
		s.messages = append(s.messages, m)
		return
	}
	s.forget(s.messages[s.next].MessageID)
	s.messages[s.next] = m
	s.next = (s.next + 1) % s.keep
}

func (s *Sink) forget(id string) {
	if s.seen[id]--; s.seen[id] <= 0 {
		delete(s.seen, id)
	}
}

// session is one SMTP connection.
type session struct {
	sink *Sink
	to   []string
}

// Mail begins a message.
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data reads the message and passes it to the sink.
func (s *session) Data(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return &smtp.SMTPError{
			Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "malformed message",
		}
	}
	if _, err := io.Copy(io.Discard, message.Body); err != nil {
		return err
	}
	return s.sink.take(Message{
		MessageID: clip(message.Header.Get("Message-Id")),
		To:        s.to,
		Subject:   clip(message.Header.Get("Subject")),
	})
}

// clip bounds the memory that a sender's header can use, to 200 bytes.
func clip(s string) string { return s[:min(len(s), 200)] }

// Reset drops the message in progress.
func (s *session) Reset() { s.to = nil }

// Logout ends the connection.
func (s *session) Logout() error { return nil }
