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

// settleTimeout bounds the rest of a Relay after its events are published. That rest outlives
// the caller's context, because a confirmed event that is not deleted is published again.
const settleTimeout = 5 * time.Second

// retryDelay is the time after which Relay retries an event that was not confirmed.
const retryDelay = time.Second

// Store is the outbox of one server.
type Store struct{ db *sql.DB }

// New returns the outbox in a database with Schema.
func New(db *sql.DB) *Store { return &Store{db: db} }

// Add stores events of one subscriber; see bytebites.Outbox. It joins a transaction on the same
// *sql.DB; see postgres.Join. It returns an error for an event that Encode refuses and for an
// event of another subscriber, and then adds no event.
func (s *Store) Add(ctx context.Context, user bytebites.UserID, events ...bytebites.Event) error {
	if len(events) == 0 {
		return nil
	}
	var ids, topics, bodies pq.StringArray
	for _, event := range events {
		if event.User != user {
			return fmt.Errorf("add to outbox: event %q belongs to another subscriber", event.ID)
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

// Publish publishes events and returns the ids of the confirmed ones. An error is the reason
// why the others are not confirmed. It does not revoke a confirmation.
type Publish = func(ctx context.Context, events []bytebites.Event) (confirmed []bytebites.EventID, err error)

// Relay passes at most limit events to publish, the oldest first, and deletes the confirmed
// events from the outbox. It returns the number of confirmed events and the error of publish.
// Several relays may run at once, because each locks its events and skips locked ones. A relay
// that dies before its commit leaves all its events in the outbox, including published ones.
//
// If publish returns no error, Relay retries its unconfirmed events after one second, and after
// all events that were not tried yet. Unroutable events therefore never delay routable ones. If
// publish returns an error, its unconfirmed events stay due. An event that cannot be decoded is
// retried like an unconfirmed one, and the returned error names it. Relay does not call publish
// without events.
func (s *Store) Relay(ctx context.Context, limit int, publish Publish) (int, error) {
	outliving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	// Until publish is called, the end of the caller's context ends the relay.
	release := context.AfterFunc(ctx, end)
	defer release()
	tx, err := s.db.BeginTx(outliving, nil)
	if err != nil {
		return 0, postgres.Wrap(ctx, "begin relay", err)
	}
	defer func() { _ = tx.Rollback() }() // changes nothing after a commit
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
	defer time.AfterFunc(settleTimeout, end).Stop()
	n, err := next.settle(outliving, tx, confirmed, failed == nil)
	if err != nil {
		return 0, errors.Join(failed, postgres.Wrap(outliving, "empty outbox", err))
	}
	return n, errors.Join(failed, next.unread)
}

// batch holds the events that a relay has locked.
type batch struct {
	events     []bytebites.Event
	unreadable pq.StringArray // ids of the events that cannot be decoded
	unread     error          // the errors of decoding them
}

// take locks and returns the events that are due. It skips events that another relay has locked.
func take(ctx context.Context, tx *sql.Tx, limit int) (b batch, err error) {
	rows, err := tx.QueryContext(ctx, `
SELECT event_id, body FROM outbox
WHERE tried_at IS NULL OR tried_at < clock_timestamp() - $2 * interval '1 second'
ORDER BY tried_at NULLS FIRST, added_at, event_id LIMIT $1 FOR UPDATE SKIP LOCKED`, max(limit, 0), retryDelay.Seconds())
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
			err = fmt.Errorf("body has id %q", event.ID)
		}
		if err != nil {
			b.unreadable = append(b.unreadable, id)
			b.unread = errors.Join(b.unread, fmt.Errorf("read event %q: %w", id, err))
			continue
		}
		b.events = append(b.events, event)
	}
	return b, rows.Err()
}

// settle deletes the confirmed events, commits, and returns their number. If published is true,
// it records a try of the other events. It always records a try of the unreadable events.
func (b batch) settle(ctx context.Context, tx *sql.Tx, confirmed []bytebites.EventID, published bool) (int, error) {
	var done pq.StringArray
	tried := b.unreadable
	for _, event := range b.events {
		switch {
		case slices.Contains(confirmed, event.ID): // ignores confirmed ids that are not in this batch
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

// Backlog describes the events that wait in an outbox.
type Backlog struct {
	Events int
	Oldest time.Duration // age of the oldest event; 0 in an empty outbox
}

// Backlog returns the number of waiting events and the age of the oldest.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	var seconds float64
	err := s.db.QueryRowContext(ctx, `
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(added_at)), 0)::float8 FROM outbox`).Scan(&b.Events, &seconds)
	b.Oldest = time.Duration(max(seconds, 0) * float64(time.Second))
	return b, postgres.Wrap(ctx, "read backlog", err)
}
