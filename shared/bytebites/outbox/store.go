package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// settleFor bounds what is left of a Relay when its events are published: it does not end with
// the caller's context, for what is confirmed and not deleted would be published again.
const settleFor = 5 * time.Second

// againAfter is when what was handed on in vain has its next turn.
const againAfter = time.Second

// Store is the outbox of one server.
type Store struct{ db *sql.DB }

// New returns the outbox in a database that has Schema.
func New(db *sql.DB) *Store { return &Store{db: db} }

// Add keeps events of one subscriber; see bytebites.Outbox. The transaction is one on the same
// *sql.DB, see postgres.Join. An error also for an event that is not whole (see Encode), or
// another subscriber's.
func (s *Store) Add(ctx context.Context, user bytebites.UserID, events ...bytebites.Event) error {
	if len(events) == 0 {
		return nil
	}
	var ids, topics, bodies pq.StringArray
	for _, event := range events {
		if event.User != user {
			return fmt.Errorf("add to outbox: event %q is another subscriber's", event.ID)
		}
		body, err := Encode(event)
		if err != nil {
			return fmt.Errorf("add to outbox: %w", err)
		}
		ids, topics, bodies = append(ids, string(event.ID)), append(topics, string(event.Topic)), append(bodies, string(body))
	}
	_, err := postgres.Join(ctx, s.db).ExecContext(ctx, `
INSERT INTO outbox (event_id, user_id, topic, body)
SELECT event_id, $1, topic, body::jsonb FROM unnest($2::text[], $3::text[], $4::text[]) AS event (event_id, topic, body)
ON CONFLICT (event_id) DO NOTHING`, string(user), ids, topics, bodies)
	return postgres.Wrap(ctx, "add to outbox", err)
}

// Publish hands events on, and returns the ids of those that have arrived for certain. An
// error says why others have not; it does not undo what is confirmed.
type Publish = func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error)

// Relay hands the oldest events to publish, at most limit, and takes those that are confirmed
// out of the outbox. It returns how many these are, with the error of publish if there was one.
// Several may relay at once: each gets events that no other has in hand. One that dies in
// between leaves its events in the outbox, also those that were published.
//
// An event that publish does not confirm, without an error, has its next turn a second later, and
// after all that were not tried yet: however many nobody wants, the others are not held up. So it
// is with one that cannot be read, which is in the error. Publish is not called when there is
// nothing to publish.
func (s *Store) Relay(ctx context.Context, limit int, publish Publish) (int, error) {
	outliving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	// Until there is something to lose, the caller's context rules.
	release := context.AfterFunc(ctx, end)
	defer release()
	tx, err := s.db.BeginTx(outliving, nil)
	if err != nil {
		return 0, postgres.Wrap(ctx, "begin relay", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this changes nothing
	next, err := take(outliving, tx, limit)
	if err != nil {
		return 0, postgres.Wrap(ctx, "read outbox", err)
	}
	if len(next.events)+len(next.unreadable) == 0 {
		return 0, nil
	}
	if !release() {
		return 0, fmt.Errorf("relay: %w", context.Cause(ctx))
	}
	var confirmed []bytebites.EventID
	var failed error
	if len(next.events) > 0 {
		confirmed, failed = publish(ctx, next.events)
	}
	defer time.AfterFunc(settleFor, end).Stop()
	n, err := next.settle(outliving, tx, confirmed, failed == nil)
	if err != nil {
		return 0, errors.Join(failed, postgres.Wrap(outliving, "empty outbox", err))
	}
	return n, errors.Join(failed, next.unread)
}

// batch is what a relay has in hand.
type batch struct {
	events     []bytebites.Event
	unreadable pq.StringArray // ids of those that cannot be read
	unread     error          // why
}

// take locks the events whose turn it is and that nobody else has locked, and returns them.
func take(ctx context.Context, tx *sql.Tx, limit int) (b batch, err error) {
	rows, err := tx.QueryContext(ctx, `
SELECT event_id, body FROM outbox
WHERE tried_at IS NULL OR tried_at < clock_timestamp() - $2 * interval '1 second'
ORDER BY tried_at NULLS FIRST, added_at, event_id LIMIT $1 FOR UPDATE SKIP LOCKED`, max(limit, 0), againAfter.Seconds())
	if err != nil {
		return batch{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return batch{}, err
		}
		event, err := Decode(body)
		if err == nil && string(event.ID) != id {
			err = fmt.Errorf("it names itself %q", event.ID)
		}
		if err != nil {
			b.unreadable = append(b.unreadable, id)
			b.unread = errors.Join(b.unread, fmt.Errorf("event %q in outbox: %w", id, err))
			continue
		}
		b.events = append(b.events, event)
	}
	return b, rows.Err()
}

// settle deletes those of the events that are confirmed, commits, and returns how many. The others
// were tried, if they were published; what cannot be read was tried in any case.
func (b batch) settle(ctx context.Context, tx *sql.Tx, confirmed []bytebites.EventID, published bool) (int, error) {
	var done pq.StringArray
	tried := b.unreadable
	for _, event := range b.events {
		switch {
		case slices.Contains(confirmed, event.ID): // what is confirmed and was not handed out is somebody else's
			done = append(done, string(event.ID))
		case published:
			tried = append(tried, string(event.ID))
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE event_id = ANY ($1)`, done); err != nil {
		return 0, err
	}
	if len(tried) > 0 {
		if _, err := tx.ExecContext(ctx, `UPDATE outbox SET tried_at = clock_timestamp() WHERE event_id = ANY ($1)`, tried); err != nil {
			return 0, err
		}
	}
	return len(done), tx.Commit()
}

// Backlog is what waits in an outbox.
type Backlog struct {
	Events int
	Oldest time.Duration // how long the oldest has waited; 0 when there is none
}

// Backlog returns what waits in the outbox.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	var seconds float64
	err := s.db.QueryRowContext(ctx, `
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(added_at)), 0)::float8 FROM outbox`).Scan(&b.Events, &seconds)
	b.Oldest = time.Duration(max(seconds, 0) * float64(time.Second))
	return b, postgres.Wrap(ctx, "read backlog", err)
}
