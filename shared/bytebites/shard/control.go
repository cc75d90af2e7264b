package shard

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// firstVersion is the version of the map before any move.
const firstVersion = 1

// makeControl returns the SQL that makes the control tables and the first map. It is sent in one
// piece, so it is one transaction.
//
// Subscriber ids are bytea here, because the id at which a move begins may be one that no
// subscriber can have.
func makeControl() string {
	return fmt.Sprintf(`
SELECT pg_advisory_xact_lock(%d);
DO $do$ BEGIN
    IF to_regclass('shard_map') IS NULL THEN
        CREATE TABLE shard_map (
            only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            version    bigint NOT NULL,
            phase      text NOT NULL,
            home       smallint[] NOT NULL, -- the server of each bucket
            target     smallint[] NOT NULL,
            new_from   bytea NOT NULL,
            cursor     bytea NOT NULL,
            dark_from  bigint NOT NULL, -- the version with which the latest dark reads began
            turn       bigint NOT NULL, -- the number of the last mover; see Mover
            changed_at timestamptz NOT NULL DEFAULT now()
        );
        INSERT INTO shard_map (version, phase, home, target, new_from, cursor, dark_from, turn)
        SELECT %d, '%s', array_fill(%[4]d, ARRAY[%[5]d]), array_fill(%[4]d, ARRAY[%[5]d]), '', '', 0, 0;
    END IF;
    IF to_regclass('shard_dark_reads') IS NULL THEN
        CREATE TABLE shard_dark_reads (
            version  bigint, -- of the map by which they were read
            replica  text COLLATE "C",
            compared bigint NOT NULL,
            differed bigint NOT NULL,
            PRIMARY KEY (version, replica)
        );
    END IF;
END $do$;`, prepareLock, firstVersion, Settled, Old, Buckets)
}

// prepareControl makes the control tables if they are missing.
func prepareControl(ctx context.Context, control *sql.DB) error {
	_, err := control.ExecContext(ctx, makeControl())
	return postgres.Wrap(ctx, "make control tables", err)
}

// querier is the common part of *sql.DB and *sql.Conn.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// ReadMap returns the map in the control database, for observers. Code that acts on the map uses
// Maps or a Mover.
func ReadMap(ctx context.Context, control *sql.DB) (Map, error) {
	m, _, err := readMap(ctx, control, 0)
	return m, err
}

// readMap returns the map. changed is false if the map still has the version have.
func readMap(ctx context.Context, control querier, have int64) (m Map, changed bool, err error) {
	var phase string
	var home, target pq.Int64Array
	var newFrom, cursor []byte
	err = control.QueryRowContext(ctx,
		`SELECT version, phase, home, target, new_from, cursor FROM shard_map WHERE version <> $1`, have,
	).Scan(&m.Version, &phase, &home, &target, &newFrom, &cursor)
	if errors.Is(err, sql.ErrNoRows) && have != 0 {
		return Map{}, false, nil
	}
	if err != nil {
		return Map{}, false, postgres.Wrap(ctx, "read map", err)
	}
	m.NewFrom, m.Cursor = bytebites.UserID(newFrom), bytebites.UserID(cursor)
	if m.Phase, err = ParsePhase(phase); err == nil {
		err = errors.Join(m.Source.set(home), m.Target.set(target))
	}
	if err != nil {
		return Map{}, false, fmt.Errorf("read map: %w", err)
	}
	return m, true, nil
}

// set fills the assignment from the database's array.
func (a *Assignment) set(servers []int64) error {
	if len(servers) != len(a) {
		return fmt.Errorf("%d buckets, want %d", len(servers), len(a))
	}
	for bucket, server := range servers {
		if server < 0 {
			return fmt.Errorf("bucket %d: server %d", bucket, server)
		}
		a[bucket] = Server(server)
	}
	return nil
}

func (a *Assignment) array() pq.Int64Array {
	servers := make(pq.Int64Array, len(a))
	for bucket, server := range a {
		servers[bucket] = int64(server)
	}
	return servers
}

// writeMap replaces the map by next, if the map still has that version and no later mover has had a
// turn. Otherwise it returns errTurnOver.
func writeMap(ctx context.Context, control querier, turn, version int64, next Map) error {
	result, err := control.ExecContext(ctx, `
UPDATE shard_map
SET version = version + 1, phase = $3::text, home = $4::smallint[], target = $5::smallint[],
    new_from = $6::bytea, cursor = $7::bytea, changed_at = now(),
    dark_from = CASE WHEN $3::text = $8::text AND phase <> $8::text THEN version + 1 ELSE dark_from END
WHERE turn = $1 AND version = $2`,
		turn, version, next.Phase.String(), next.Source.array(), next.Target.array(),
		[]byte(next.NewFrom), []byte(next.Cursor), DarkReads.String())
	return postgres.Wrap(ctx, "write map", oneRow(result, err))
}

// oneRow returns errTurnOver if a conditional change changed no row.
func oneRow(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = errTurnOver
	}
	return err
}

// count holds the numbers of dark reads compared, and of those that differed.
type count struct{ compared, differed int64 }

// addCount adds a replica's counts for one version of the map.
func addCount(ctx context.Context, control *sql.DB, version int64, replica string, c count) error {
	_, err := control.ExecContext(ctx, `
INSERT INTO shard_dark_reads AS counted (version, replica, compared, differed) VALUES ($1, $2, $3, $4)
ON CONFLICT (version, replica) DO UPDATE
SET compared = counted.compared + excluded.compared, differed = counted.differed + excluded.differed`,
		version, replica, c.compared, c.differed)
	return postgres.Wrap(ctx, "count dark reads", err)
}

// darkReads adds up the counts of all replicas since the phase DarkReads began.
func darkReads(ctx context.Context, control querier) (compared, differed int, err error) {
	err = control.QueryRowContext(ctx, `
SELECT coalesce(sum(compared), 0), coalesce(sum(differed), 0)
FROM shard_dark_reads WHERE version >= (SELECT dark_from FROM shard_map)`).Scan(&compared, &differed)
	return compared, differed, postgres.Wrap(ctx, "add up dark reads", err)
}
