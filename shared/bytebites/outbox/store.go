package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

const (
	// readTimeout bounds the reading of a batch.
	readTimeout = 5 * time.Second
	// settleTimeout bounds the rest of a Relay after its events are published.
	settleTimeout = 5 * time.Second
	// retryDelay is the time after which Relay retries an event that was not confirmed.
	retryDelay = time.Second
)

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
	h, err := s.hold(ctx, limit)
	if h == nil {
		return 0, err
	}
	f := h.publish(ctx, publish)
	n, err := h.settle(f)
	return n, errors.Join(f.failed, err)
}

// RelayAll relays batches as Relay does, one after the other, until the outbox has no full batch
// left. While it publishes a batch, it deletes the one before and reads the one after: so
// publishing does not wait for the database. It stops early when an event is not confirmed or
// cannot be decoded, and when ctx ends. It returns the number of confirmed events.
//
// It has at most three transactions open, each on a connection of its own. With fewer connections
// it reads a batch when the one before is deleted.
func (s *Store) RelayAll(ctx context.Context, limit int, publish Publish) (int, error) {
	h, err := s.hold(ctx, limit)
	if h == nil {
		return 0, err
	}
	total := 0
	settling := inBackground(func() (int, error) { return 0, nil }) // there is no batch before the first
	for {
		reading := inBackground(func() (*held, error) {
			if !h.full(limit) {
				return nil, nil
			}
			return s.hold(ctx, limit)
		})
		f := h.publish(ctx, publish)
		before := <-settling
		total += before.value
		settled := h // the next turn of the loop has another
		settling = inBackground(func() (int, error) { return settled.settle(f) })
		// On a pool of one connection the reading gets it from this settling, so it is not waited
		// for any earlier.
		next := <-reading
		if next.value == nil || before.err != nil || !f.complete() || ctx.Err() != nil {
			next.value.release()
			last := <-settling
			return total + last.value, errors.Join(before.err, f.failed, last.err, next.err)
		}
		h = next.value
	}
}

// result is what a function returned.
type result[T any] struct {
	value T
	err   error
}

// inBackground starts a function and returns the channel on which its result comes.
func inBackground[T any](f func() (T, error)) <-chan result[T] {
	out := make(chan result[T], 1)
	go func() {
		value, err := f()
		out <- result[T]{value, err}
	}()
	return out
}

// held is a batch whose events an open transaction has locked.
type held struct {
	batch
	tx *sql.Tx
	// ctx is of the transaction, and end ends it. It outlives the caller's context, because a
	// confirmed event that is not deleted is published again.
	ctx context.Context
	end context.CancelFunc
}

// hold locks the next events. Without any it returns nil. Until they are locked, the end of the
// caller's context ends the transaction.
func (s *Store) hold(ctx context.Context, limit int) (_ *held, err error) {
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	h := &held{}
	h.ctx, h.end = context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(reading, h.end)
	defer release()
	if h.tx, err = s.db.BeginTx(h.ctx, nil); err != nil {
		h.end()
		return nil, postgres.Wrap(reading, "begin relay", err)
	}
	if h.batch, err = take(h.ctx, h.tx, limit); err != nil {
		h.release()
		return nil, postgres.Wrap(reading, "read outbox", err)
	}
	if len(h.events)+len(h.unreadable) == 0 {
		h.release()
		return nil, nil
	}
	if !release() {
		h.release()
		return nil, fmt.Errorf("relay: %w", context.Cause(reading))
	}
	return h, nil
}

// release unlocks the events. After settle it changes nothing. It may be called on nil.
func (h *held) release() {
	if h != nil {
		_ = h.tx.Rollback()
		h.end()
	}
}

// full reports whether the outbox may hold more events than the batch.
func (h *held) full(limit int) bool { return len(h.events)+len(h.unreadable) == limit }

// fate is what became of the events of a batch.
type fate struct {
	asked     int
	confirmed []bytebites.EventID
	failed    error // of publish
}

// complete reports whether each event was confirmed.
func (f fate) complete() bool { return f.failed == nil && len(f.confirmed) == f.asked }

// publish calls publish with the events of the batch.
func (h *held) publish(ctx context.Context, publish Publish) fate {
	f := fate{asked: len(h.events)}
	if f.asked > 0 {
		f.confirmed, f.failed = publish(ctx, h.events)
	}
	return f
}

// settle deletes the confirmed events from the outbox and releases the others. It returns the
// number of deleted events. Its error also names the events that cannot be decoded.
func (h *held) settle(f fate) (int, error) {
	defer h.release()
	defer time.AfterFunc(settleTimeout, h.end).Stop()
	n, err := h.batch.settle(h.ctx, h.tx, f.confirmed, f.failed == nil)
	if err != nil {
		return 0, postgres.Wrap(h.ctx, "empty outbox", err)
	}
	return n, h.unread
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
	stored := make(map[bytebites.EventID]bool, len(confirmed))
	for _, id := range confirmed {
		stored[id] = true
	}
	var done pq.StringArray
	tried := b.unreadable
	for _, event := range b.events {
		switch {
		case stored[event.ID]: // ignores confirmed ids that are not in this batch
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
