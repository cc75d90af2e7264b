package spec

import (
	"fmt"
	"sync"
	"time"
)

// mostTold is how many of one sort of trouble are told one by one.
const mostTold = 5

// ledger counts what a load has seen. Its methods may be called from several goroutines.
type ledger struct {
	mu sync.Mutex
	ledgerCounts
	troubles []string        // what nobody should see, a sentence each
	waits    []waited        // writes that took long
	tried    map[string]bool // addresses that somebody tried to sign up with
}

type ledgerCounts struct {
	writes  int // that were acknowledged
	looks   int // at what was written, by the other replica
	again   int // writes that had to be sent again
	joined  int // people who signed up
	trouble int
}

// waited is a write that took long to be acknowledged.
type waited struct {
	began, ended time.Time
}

// longWait is what is worth remembering.
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

func (l *ledger) sawf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble++
	if len(l.troubles) < mostTold {
		l.troubles = append(l.troubles, fmt.Sprintf(format, args...))
	}
}

// begin starts a new account of what the next load sees; the addresses stay.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledgerCounts, l.troubles, l.waits = ledgerCounts{}, nil, nil
}

// counts returns the counts, and the troubles that are told.
func (l *ledger) counts() (ledgerCounts, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ledgerCounts, append([]string(nil), l.troubles...)
}

// waitAt returns the longest wait of a write that was under way at a moment or in the
// second after it; 0 when none took long.
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

// attempted reports whether somebody tried to sign up with an address.
func (l *ledger) attempted(email string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tried[email]
}
