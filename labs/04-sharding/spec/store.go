package spec

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	// refusedFor is how long a write may be refused before that counts as an outage: far
	// longer than a mover or a replica takes to come back. againAfter is the pause between
	// two tries.
	refusedFor = 10 * time.Second
	againAfter = 50 * time.Millisecond
)

// store has a person store something, on one replica after the other until it is
// acknowledged, remember it, and look at it by the other replica. It reports whether it was
// acknowledged; what went wrong is in the ledger.
func (l *trial) store(ctx context.Context, p *person, w write) bool {
	began := time.Now()
	for sends := 1; ; sends++ {
		a, err := l.enter(ctx, p, w.request)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil && slices.Contains(w.status, a.status):
			if err := w.acknowledged(a); err != nil {
				l.ledger.sawf("%s of %s (%s): an answer that says nothing: %v", w.what, p.user, l.when(), err)
				return false
			}
			l.ledger.wrote(began, sends)
			l.look(ctx, p, w)
			return true
		case err == nil && a.status < http.StatusInternalServerError:
			l.ledger.sawf("%s of %s was refused %s: status %d: %.200s", w.what, p.user, l.when(), a.status, a.body)
			return false
		case time.Since(began) > refusedFor:
			l.ledger.sawf("%s of %s was not taken for %s, %s: last %s", w.what, p.user, refusedFor, l.when(), lastWords(a, err))
			return false
		}
		time.Sleep(againAfter)
	}
}

func lastWords(a answer, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("status %d: %.200s", a.status, a.body)
}

// when says in which phase of a move something was seen.
func (l *trial) when() string { return "in phase " + l.phaseNow().String() }

// enter sends a person's request to the replica whose turn it is.
func (l *trial) enter(ctx context.Context, p *person, r request) (answer, error) {
	p.turn++
	return l.enterAs(ctx, p.turn, r)
}

// enterAs sends a request to the replica whose turn it is.
func (l *trial) enterAs(ctx context.Context, turn int, r request) (answer, error) {
	replica, leave := l.doors.enter(turn)
	defer leave()
	return l.ask(ctx, replica, r)
}

// looks is how often somebody tries to look at what they have written: nobody promises that
// a read is answered while servers come and go.
const looks = 3

// look looks at what was just written, which must be there whichever replica is asked.
func (l *trial) look(ctx context.Context, p *person, w write) {
	if w.view == "" {
		return
	}
	for range looks {
		a, err := l.enter(ctx, p, request{method: http.MethodGet, path: w.view, cookie: p.cookie})
		if err != nil || a.status >= http.StatusInternalServerError {
			time.Sleep(againAfter)
			continue
		}
		same, err := w.same(a.body)
		if err != nil || a.status != http.StatusOK || !same {
			l.ledger.sawf("%s of %s had been acknowledged, and was not there right after, %s: status %d: %.300s",
				w.what, p.user, l.when(), a.status, a.body)
		}
		l.ledger.looked()
		return
	}
}
