package spec

import (
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// ledger is the record of a load. Its methods may be called from several goroutines.
type ledger struct {
	mu sync.Mutex
	ledgerCounts
	troubles mistakes        // errors that no client should get
	waits    []waited        // writes that took longer than longWait
	tried    map[string]bool // email addresses of sign-ups, answered or not
}

type ledgerCounts struct {
	writes int // acknowledged writes
	looks  int // reads of a write by the other replica
	again  int // writes that were sent more than once
	joined int // subscribers who signed up
}

// waited is a write that was acknowledged late.
type waited struct {
	began, ended time.Time
}

// longWait is the least time of a write that is recorded.
const longWait = 100 * time.Millisecond

func newLedger() *ledger { return &ledger{tried: make(map[string]bool)} }

func (l *ledger) wrote(began time.Time, sends int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	if sends > 1 {
		l.again++
	}
	if ended := time.Now(); ended.Sub(began) > longWait {
		l.waits = append(l.waits, waited{began, ended})
	}
}

func (l *ledger) looked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks++
}

func (l *ledger) trying(email string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried[email] = true
}

func (l *ledger) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.joined++
}

// sawf records an error that no client should get, and the wait that it rests on.
func (l *ledger) sawf(waited lab.Waited, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.troubles.addf(waited, format, args...)
}

// begin clears the record for the next load; the email addresses stay.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledgerCounts, l.troubles, l.waits = ledgerCounts{}, mistakes{}, nil
}

// counts returns the counts, and the errors that no client should get.
func (l *ledger) counts() (ledgerCounts, mistakes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	troubles := l.troubles
	troubles.listed = slices.Clone(troubles.listed)
	return l.ledgerCounts, troubles
}

// waitAt returns the longest wait of the writes under way at a moment, or in the second after
// it. It returns 0 when none took longer than longWait.
func (l *ledger) waitAt(moment time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	longest := time.Duration(0)
	for _, w := range l.waits {
		if w.began.Before(moment.Add(time.Second)) && w.ended.After(moment) {
			longest = max(longest, w.ended.Sub(w.began))
		}
	}
	return longest
}

// attempted reports whether a sign-up with an email address was sent.
func (l *ledger) attempted(email string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tried[email]
}
