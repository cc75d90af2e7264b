package shard

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// The keys of the advisory locks. The numbers are arbitrary; nothing else in these databases uses
// them.
const (
	// fenceLock is a server's fence. Writers inside hold it shared; a mover takes it exclusively.
	fenceLock = 0x73680001
	// prepareLock is held while tables are made, on any server.
	prepareLock = 0x73680002
	// moverLock is held by the mover on the control database.
	moverLock = 0x73680003
)

const (
	// idleTimeout is how long a writer inside may send nothing before the server ends its session.
	// Without it, a replica that is cut off would block a fence for hours.
	idleTimeout = 2 * time.Second
	// fenceWait bounds one attempt to move a fence while writers are inside. New writers have to
	// wait during an attempt, so it is short. It is repeated after fencePause.
	fenceWait  = 250 * time.Millisecond
	fencePause = 50 * time.Millisecond
)

// makeFence returns the SQL that makes the fence and marks on a server of user data. It is sent in
// one piece, so it is one transaction.
//
// shard_pass reads the fence after it has the lock, because each statement of a volatile function
// gets its own snapshot. It is a function so that passing the fence takes one round trip.
//
// shard_marks_uncopied indexes only the subscribers that still have to be copied. They are few at
// any time.
func makeFence() string {
	return fmt.Sprintf(`
SELECT pg_advisory_xact_lock(%[1]d);
DO $do$ BEGIN
    IF to_regclass('shard_fence') IS NULL THEN
        CREATE TABLE shard_fence (
            only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            version  bigint NOT NULL,
            open     boolean NOT NULL,
            turn     bigint NOT NULL, -- the number of the last mover that moved it; see Mover
            moved_at timestamptz NOT NULL DEFAULT now()
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
    CREATE TABLE IF NOT EXISTS shard_left (user_id text COLLATE "C" PRIMARY KEY, version bigint NOT NULL); -- see Leave
    ALTER TABLE shard_fence ADD COLUMN IF NOT EXISTS moved_at timestamptz NOT NULL DEFAULT now();
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
    UPDATE shard_fence SET version = wanted, open = opened, turn = mover, moved_at = clock_timestamp() WHERE turn <= mover;
    RETURN FOUND;
END $body$;`, prepareLock, fenceLock, idleTimeout.Milliseconds(), fenceWait.Milliseconds())
}

// prepareFence makes a server's fence and the table of marks if they are missing.
func prepareFence(ctx context.Context, server *sql.DB) error {
	_, err := server.ExecContext(ctx, makeFence())
	return postgres.Wrap(ctx, "make fence", err)
}

// prepareFences makes the missing fences of all servers, side by side, and calls then with each server
// that has one. A server that is not needed may be down: its error is logged after newFenceTimeout.
func prepareFences(ctx context.Context, servers []*sql.DB, needed func(Server) bool, logger *slog.Logger, then func(context.Context, Server) error) error {
	var group errgroup.Group
	for number, server := range servers {
		group.Go(func() error {
			needed := needed(Server(number))
			bounded := ctx
			if !needed {
				var cancel context.CancelFunc
				bounded, cancel = context.WithTimeout(ctx, newFenceTimeout)
				defer cancel()
			}
			err := prepareFence(bounded, server)
			if err == nil {
				err = then(bounded, Server(number))
			}
			if err != nil && !needed && ctx.Err() == nil {
				logger.LogAttrs(ctx, slog.LevelWarn, "make fence failed", slog.Int("server", number), slog.Any("error", err))
				return nil
			}
			if err != nil {
				return fmt.Errorf("server %d: %w", number, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Prepare makes a server's fence and the table of marks if they are missing. The server must have
// the schema of user data. A new fence has version 0 and is closed.
func Prepare(ctx context.Context, server *sql.DB) error {
	if err := prepareFence(ctx, server); err != nil {
		return err
	}
	// Each copy reads all rows of an order and deletes the order. Of the tables that refer to
	// orders, only this one has a key that does not start with the order's id.
	_, err := server.ExecContext(ctx, fmt.Sprintf(`
SELECT pg_advisory_xact_lock(%d);
DO $do$ BEGIN
    IF to_regclass('shard_payments') IS NULL THEN
        CREATE INDEX shard_payments ON payment_events (order_id);
    END IF;
END $do$`, prepareLock))
	return postgres.Wrap(ctx, "index payments", err)
}

// openNew opens a fence that no mover has moved yet, for the first map.
func openNew(ctx context.Context, server *sql.DB) error {
	_, err := server.ExecContext(ctx,
		`UPDATE shard_fence SET version = $1, open = true WHERE version = 0 AND turn = 0`, firstVersion)
	return postgres.Wrap(ctx, "open new fence", err)
}

// moveFence makes one attempt to move the fence, and waits up to fenceWait for writers inside.
// moved is false if a later mover has moved the fence. busy is true if a writer is still inside.
func moveFence(ctx context.Context, server *sql.DB, turn, version int64, open bool) (moved, busy bool, err error) {
	err = server.QueryRowContext(ctx, `SELECT shard_move_fence($1, $2, $3)`, turn, version, open).Scan(&moved)
	if pq.As(err, pqerror.LockNotAvailable) != nil {
		return false, true, nil
	}
	return moved, false, postgres.Wrap(ctx, "move fence", err)
}

// Within runs write in a transaction on a server, behind its fence. Stores on the same *sql.DB join
// the transaction if they are called with write's context. If the fence is not at that version,
// write is not called and the error matches ErrMoved. Errors of write are returned unchanged.
func Within(ctx context.Context, server *sql.DB, version int64, write func(ctx context.Context) error) error {
	return postgres.Transact(ctx, server, func(ctx context.Context) error {
		// Without a parameter the query takes one round trip instead of two. A round trip is a
		// tenth of the cost of a small write.
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

// Mark records that the subscriber's rows on this server are about to change and must be copied. It
// belongs to the transaction of ctx (see Within). It returns ErrNotFound for an id that no
// subscriber can have.
func Mark(ctx context.Context, server *sql.DB, user bytebites.UserID) error {
	if !bytebites.ValidName(string(user)) {
		return fmt.Errorf("mark subscriber: %w", bytebites.ErrNotFound)
	}
	return mark(ctx, server, []bytebites.UserID{user})
}

// MarkAll marks subscribers as Mark does, in a separate transaction behind the server's fence.
// Uncopied then finds all of them.
func MarkAll(ctx context.Context, server *sql.DB, version int64, users []bytebites.UserID) error {
	return Within(ctx, server, version, func(ctx context.Context) error { return mark(ctx, server, users) })
}

func mark(ctx context.Context, server *sql.DB, users []bytebites.UserID) error {
	_, err := postgres.Join(ctx, server).ExecContext(ctx, `
INSERT INTO shard_marks (user_id, version) SELECT user_id, 1 FROM unnest($1::text[]) AS marked (user_id)
ON CONFLICT (user_id) DO UPDATE SET version = shard_marks.version + 1`, idsOf(users))
	return postgres.Wrap(ctx, "mark subscribers", err)
}

// idsOf returns the ids as a query parameter: only valid ids, sorted, without duplicates.
// Statements that lock marks therefore lock them in the same order.
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
