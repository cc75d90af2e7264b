package spec

import (
	"context"
	"net/http"
	"slices"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// outageAfter is how long a write may fail before that counts as an outage. It is far longer
	// than a mover or a replica takes to start again. retryPause is the pause between two tries.
	outageAfter = 10 * time.Second
	retryPause  = 50 * time.Millisecond
)

// store sends a write, to one replica after the other until it is acknowledged. It remembers the
// write, and reads it by the other replica. It reports whether the write was acknowledged. Errors
// are noted in the ledger.
func (l *trial) store(ctx context.Context, p *person, w write) bool {
	began := time.Now()
	for sends := 1; ; sends++ {
		a, err := l.enter(ctx, p, w.request)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil && slices.Contains(w.status, a.Status):
			if err := w.acknowledged(a); err != nil {
				l.ledger.sawf(lab.Waited{}, "%s of %s (%s): an answer that cannot be read: %v", w.what, p.user, l.when(), err)
				return false
			}
			l.ledger.wrote(began, sends)
			l.look(ctx, p, w)
			return true
		case err == nil && a.Status < http.StatusInternalServerError:
			l.ledger.sawf(lab.Waited{}, "%s of %s was refused %s: status %d: %.200s", w.what, p.user, l.when(), a.Status, a.Body)
			return false
		case time.Since(began) > outageAfter:
			l.ledger.sawf(lateAnswer(a, err), "%s of %s failed for %s, %s: last %s", w.what, p.user, outageAfter, l.when(), failureOf(a, err))
			return false
		}
		_ = rig.Pause(ctx, retryPause) // the next request fails when ctx has ended
	}
}

// lateAnswer returns the wait that a request without a good answer rests on.
func lateAnswer(a rig.Answer, err error) lab.Waited {
	if err != nil {
		return lab.Late(err)
	}
	return a.Waited()
}

func failureOf(a rig.Answer, err error) string {
	if err != nil {
		return err.Error()
	}
	return a.String()
}

// when returns the phase of the move, as a phrase.
func (l *trial) when() string { return "in phase " + l.phaseNow().String() }

// enter sends a subscriber's request to the replica of their next turn.
func (l *trial) enter(ctx context.Context, p *person, r request) (rig.Answer, error) {
	p.turn++
	return l.enterAs(ctx, p.turn, r)
}

// enterAs sends a request to the replica of a turn.
func (l *trial) enterAs(ctx context.Context, turn int, r request) (rig.Answer, error) {
	replica, leave := l.doors.enter(turn)
	defer leave()
	return l.ask(ctx, replica, r)
}

// readTries is how often a subscriber tries to read their write. A read may fail while servers
// start and stop.
const readTries = 3

// look reads a new write by the other replica, and demands that it is there.
func (l *trial) look(ctx context.Context, p *person, w write) {
	if w.view == "" {
		return
	}
	for range readTries {
		a, err := l.enter(ctx, p, request{method: http.MethodGet, path: w.view, cookie: p.cookie})
		if err != nil || a.Status >= http.StatusInternalServerError {
			_ = rig.Pause(ctx, retryPause) // as above
			continue
		}
		same, err := w.same(a.Body)
		if err != nil || a.Status != http.StatusOK || !same {
			l.ledger.sawf(lab.Waited{}, "%s of %s was acknowledged, and was not there right after, %s: status %d: %.300s",
				w.what, p.user, l.when(), a.Status, a.Body)
		}
		l.ledger.looked()
		return
	}
}
