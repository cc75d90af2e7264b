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
	first time.Duration // the delay of a new sink
	keep  int
	stop  chan struct{} // closed when delays must end

	mu  sync.Mutex
	box *mailbox
}

// mailbox is what a sink knows from its start to a renewal. The sink's lock guards it.
type mailbox struct {
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
	keep        int
}

// New returns a sink that waits for delay before it accepts a message. It keeps the latest
// keep messages, or 100,000 when keep is not positive.
func New(delay time.Duration, keep int) (*Sink, error) {
	if keep <= 0 {
		keep = defaultKeep
	}
	if err := checkDelay(delay); err != nil {
		return nil, err
	}
	s := &Sink{first: delay, keep: keep, stop: make(chan struct{})}
	s.Renew()
	return s, nil
}

// Renew makes the sink as new: it forgets all messages, counts and settings. A connection from
// before gets a temporary error for its next message, and a message that waits is not counted.
func (s *Sink) Renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box = &mailbox{delay: s.first, keep: s.keep, seen: make(map[string]int)}
}

func checkDelay(delay time.Duration) error {
	if delay < 0 || delay > maxDelay {
		return fmt.Errorf("delay %v: want 0 to %v", delay, maxDelay)
	}
	return nil
}

// SetDelay sets how long each message waits; at most five minutes. A message that already
// waits keeps the delay of its arrival.
func (s *Sink) SetDelay(delay time.Duration) error {
	if err := checkDelay(delay); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box.delay = delay
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
	s.box.failureRate, s.box.failures = rate, 0
	return nil
}

// SetPermanent sets whether the sink rejects messages with a permanent error, as a server does
// that knows no such recipient.
func (s *Sink) SetPermanent(permanent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box.permanent = permanent
}

// Stats returns the counts.
func (s *Sink) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box
	return Stats{
		Accepted: b.accepted, Rejected: b.rejected, Duplicates: b.duplicates,
		Distinct: len(b.seen), Waiting: b.waiting, MostWaiting: b.mostWaiting,
		DelayMillis: b.delay.Milliseconds(), FailureRate: b.failureRate,
	}
}

// Messages returns the latest limit kept messages to a recipient, or to all for "". The
// oldest comes first.
func (s *Sink) Messages(to string, limit int) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box
	found := []Message{}
	for i := len(b.messages) - 1; i >= 0 && len(found) < limit; i-- {
		m := b.messages[(b.next+i)%len(b.messages)]
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
	b := s.box
	b.accepted, b.rejected, b.duplicates, b.failures = 0, 0, 0, 0
	b.mostWaiting = b.waiting
	b.messages, b.next, b.seen = nil, 0, make(map[string]int)
}

// open returns the mailbox of a new connection.
func (s *Sink) open() *mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box
}

// take waits for the delay, and then accepts or rejects the message.
func (s *Sink) take(b *mailbox, m Message) error {
	s.mu.Lock()
	delay := b.delay
	b.waiting++
	b.mostWaiting = max(b.mostWaiting, b.waiting)
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
	b.waiting--
	if stopped || b.fails() {
		b.rejected++
		if b.permanent && !stopped {
			return &smtp.SMTPError{
				Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such recipient",
			}
		}
		return &smtp.SMTPError{
			Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later",
		}
	}
	m.ReceivedAt = time.Now().UTC()
	b.accepted++
	b.remember(m)
	return nil
}

func (b *mailbox) fails() bool {
	// The small term makes the float sum of ten times 0.1 reach 1.
	b.failures += b.failureRate + 1e-12
	if b.failureRate == 0 || b.failures < 1 {
		return false
	}
	b.failures--
	return true
}

func (b *mailbox) remember(m Message) {
	if m.MessageID != "" {
		if b.seen[m.MessageID] > 0 {
			b.duplicates++
		}
		b.seen[m.MessageID]++
	}
	if len(b.messages) < b.keep {
		b.messages = append(b.messages, m)
		return
	}
	b.forget(b.messages[b.next].MessageID)
	b.messages[b.next] = m
	b.next = (b.next + 1) % b.keep
}

func (b *mailbox) forget(id string) {
	if b.seen[id]--; b.seen[id] <= 0 {
		delete(b.seen, id)
	}
}

// session is one SMTP connection.
type session struct {
	sink *Sink
	box  *mailbox
	to   []string
}

// Mail begins a message. After a renewal of the sink the client must connect again.
func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.sink.open() != s.box {
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "restarted, connect again"}
	}
	return nil
}

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
	return s.sink.take(s.box, Message{
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
