package shard

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// The keys of the advisory locks; any numbers will do that nothing else in these databases
// uses.
const (
	// fenceLock is a server's fence: shared by who is inside, exclusive for who moves it.
	fenceLock = 0x73680001
	// prepareLock is held by who makes tables, on whatever server.
	prepareLock = 0x73680002
	// moverLock is held by the mover on the control database.
	moverLock = 0x73680003
)

const (
	// silence is how long somebody inside may send nothing before the server throws them
	// out: else a replica that is cut off would keep a fence from moving for hours.
	silence = 2 * time.Second
	// fenceWait is how long one attempt to move a fence waits for who is inside. Those who
	// come while it waits have to wait too, so it is short, and made again after fencePause.
	fenceWait  = 250 * time.Millisecond
	fencePause = 50 * time.Millisecond
)

// makeFence makes what a server of user data needs. Its statements are one transaction, as
// they are sent in one piece.
//
// shard_pass sees the fence as it is once the lock is held, for each statement of a
// volatile function has a snapshot of its own. It is a function because that is one round trip.
//
// shard_marks_uncopied holds only those who have to be copied, which are few at any time.
func makeFence() string {
	return fmt.Sprintf(`
SELECT pg_advisory_xact_lock(%[1]d);
DO $do$ BEGIN
    IF to_regclass('shard_fence') IS NULL THEN
        CREATE TABLE shard_fence (
            only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            version  bigint NOT NULL,
            open     boolean NOT NULL,
            turn     bigint NOT NULL -- of the mover that moved it last; see Mover
        );
        INSERT INTO shard_fence (version, open, turn) VALUES (0, false, 0);
    END IF;
    IF to_regclass('shard_marks') IS NULL THEN
        CREATE TABLE shard_marks (
            user_id text COLLATE "C" PRIMARY KEY,
            version bigint NOT NULL,
            copied  bigint NOT NULL DEFAULT 0
        );
        CREATE INDEX shard_marks_uncopied ON shard_marks (user_id) WHERE copied < version;
    END IF;
END $do$;
CREATE OR REPLACE FUNCTION shard_pass(wanted bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $body$
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', '%[3]d', true);
    PERFORM pg_advisory_xact_lock_shared(%[2]d);
    RETURN EXISTS (SELECT FROM shard_fence WHERE open AND version = wanted);
END $body$;
CREATE OR REPLACE FUNCTION shard_move_fence(mover bigint, wanted bigint, opened boolean) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $body$
BEGIN
    PERFORM set_config('lock_timeout', '%[4]d', true);
    PERFORM pg_advisory_xact_lock(%[2]d);
    UPDATE shard_fence SET version = wanted, open = opened, turn = mover WHERE turn <= mover;
    RETURN FOUND;
END $body$;`, prepareLock, fenceLock, silence.Milliseconds(), fenceWait.Milliseconds())
}

// prepareFence makes a server's fence and the table of marks, where they are not there yet.
func prepareFence(ctx context.Context, server *sql.DB) error {
	_, err := server.ExecContext(ctx, makeFence())
	return postgres.Wrap(ctx, "make fence", err)
}

// Prepare makes a server's fence and the table of marks, where they are not there yet. The
// schema of user data must be there. A new fence is at version 0 and open to nobody.
func Prepare(ctx context.Context, server *sql.DB) error {
	if err := prepareFence(ctx, server); err != nil {
		return err
	}
	// All of one order are read, and an order is deleted, for each copy. Of the tables that
	// refer to orders this is the one whose key does not start with the order's id.
	_, err := server.ExecContext(ctx, fmt.Sprintf(`
SELECT pg_advisory_xact_lock(%d);
DO $do$ BEGIN
    IF to_regclass('shard_payments') IS NULL THEN
        CREATE INDEX shard_payments ON payment_events (order_id);
    END IF;
END $do$`, prepareLock))
	return postgres.Wrap(ctx, "index payments", err)
}

// openNew opens a fence that nobody has moved yet for the first map.
func openNew(ctx context.Context, server *sql.DB) error {
	_, err := server.ExecContext(ctx,
		`UPDATE shard_fence SET version = $1, open = true WHERE version = 0 AND turn = 0`, firstVersion)
	return postgres.Wrap(ctx, "open new fence", err)
}

// moveFence waits for who is inside and moves the fence, in one attempt. moved is false when a
// later mover has moved it; busy says that somebody is inside still.
func moveFence(ctx context.Context, server *sql.DB, turn, version int64, open bool) (moved, busy bool, err error) {
	err = server.QueryRowContext(ctx, `SELECT shard_move_fence($1, $2, $3)`, turn, version, open).Scan(&moved)
	if pq.As(err, pqerror.LockNotAvailable) != nil {
		return false, true, nil
	}
	return moved, false, postgres.Wrap(ctx, "move fence", err)
}

// Within runs write in a transaction on a server, behind its fence: stores over the same
// *sql.DB that are called with write's context take part in the transaction. The error
// matches ErrMoved when the fence is not at that version; then write was not called. Any
// error of write is returned as it is.
func Within(ctx context.Context, server *sql.DB, version int64, write func(ctx context.Context) error) error {
	return postgres.Transact(ctx, server, func(ctx context.Context) error {
		// Without a parameter it is one round trip, not two: a tenth of what a small write costs its
		// server.
		pass := fmt.Sprintf(`SELECT shard_pass(%d)`, version)
		var passed bool
		err := postgres.Join(ctx, server).QueryRowContext(ctx, pass).Scan(&passed)
		if err != nil {
			return postgres.Wrap(ctx, "pass fence", err)
		}
		if !passed {
			return fmt.Errorf("pass fence at version %d: %w", version, ErrMoved)
		}
		return write(ctx)
	})
}

// Mark notes, in the transaction that ctx belongs to (see Within), that the subscriber's rows
// on this server are about to change and must be copied. ErrNotFound for an id that nobody
// can have.
func Mark(ctx context.Context, server *sql.DB, user bytebites.UserID) error {
	if !bytebites.ValidName(string(user)) {
		return fmt.Errorf("mark subscriber: %w", bytebites.ErrNotFound)
	}
	return mark(ctx, server, []bytebites.UserID{user})
}

// MarkAll marks subscribers as Mark does, in a transaction of its own behind the server's
// fence, so that all of them are found by Uncopied.
func MarkAll(ctx context.Context, server *sql.DB, version int64, users []bytebites.UserID) error {
	return Within(ctx, server, version, func(ctx context.Context) error { return mark(ctx, server, users) })
}

func mark(ctx context.Context, server *sql.DB, users []bytebites.UserID) error {
	_, err := postgres.Join(ctx, server).ExecContext(ctx, `
INSERT INTO shard_marks (user_id, version) SELECT user_id, 1 FROM unnest($1::text[]) AS marked (user_id)
ON CONFLICT (user_id) DO UPDATE SET version = shard_marks.version + 1`, idsOf(users))
	return postgres.Wrap(ctx, "mark subscribers", err)
}

// idsOf is the parameter for subscribers: each that a row can belong to, once, in order, so
// that statements which lock their marks do so in one order.
func idsOf(users []bytebites.UserID) pq.StringArray {
	ids := make(pq.StringArray, 0, len(users))
	for _, user := range users {
		if bytebites.ValidName(string(user)) {
			ids = append(ids, string(user))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
