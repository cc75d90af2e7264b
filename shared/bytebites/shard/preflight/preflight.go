// Package preflight checks that the simpler measures were taken before sharding: queries with
// indexes, enough memory for the pages that are read, and the largest machine. Shards of a server
// that scans whole tables are several servers that scan whole tables.
//
// It judges by PostgreSQL's own counts since their last reset, so some load must run, or must have
// run. A session publishes its counts within a second while it works, and within ten seconds of its
// last statement.
package preflight

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

// The environment variables with the instance types of the server of user data, and of the largest
// possible server.
const (
	EnvType    = "BYTEBITES_DATABASE_TYPE"
	EnvLargest = "BYTEBITES_LARGEST_TYPE"
)

// Window is how long a check observes the server.
const Window = 2 * time.Second

// Machine names the instance types of a server and of the largest possible server. An empty name
// means unknown.
type Machine struct{ Type, Largest string }

// Report is the result of a check.
type Report struct{ findings, notes []string }

// Findings returns the measures to take before sharding, one sentence each.
func (r Report) Findings() []string { return slices.Clone(r.findings) }

// Notes returns what could not be judged and why, one sentence each.
func (r Report) Notes() []string { return slices.Clone(r.notes) }

// Allowed reports whether there are no findings.
func (r Report) Allowed() bool { return len(r.findings) == 0 }

// Check judges a server of user data and its machine. It takes as long as Window. The activity in
// the window decides if there is enough of it; otherwise the activity since the last reset of the
// counts does. So a check under load sees the effect of a new index.
func Check(ctx context.Context, db *sql.DB, machine Machine) (Report, error) {
	var r Report
	if err := r.judgeMachine(machine); err != nil {
		return Report{}, fmt.Errorf("pre-flight: %w", err)
	}
	before, after, err := watch(ctx, db)
	if err != nil {
		return Report{}, fmt.Errorf("pre-flight: %w", err)
	}
	r.judge(after, after.since(before))
	return r, nil
}

// watch reads the counts at both ends of a window.
func watch(ctx context.Context, db *sql.DB) (before, after counts, err error) {
	session, err := db.Conn(ctx)
	if err != nil {
		return counts{}, counts{}, postgres.Wrap(ctx, "open a session", err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if before, err = read(ctx, session); err != nil {
		return counts{}, counts{}, err
	}
	select {
	case <-ctx.Done():
		return counts{}, counts{}, context.Cause(ctx)
	case <-time.After(Window):
	}
	after, err = read(ctx, session)
	return before, after, err
}

// counts are PostgreSQL's counts of a server's activity.
type counts struct {
	tables    []table
	pagesHit  int64 // pages found in memory
	pagesRead int64 // pages not found in memory
	// roomy says that the whole database fits in the server's memory for pages. A page that is not
	// there was never read before.
	roomy bool
}

// table holds the counts of one table.
type table struct {
	name string
	rows int64 // approximate present number
	// whole is the number of scans of the whole table, and indexed the number that used an index.
	whole, indexed int64
	// wholeRows is the number of rows that the scans of the whole table read.
	wholeRows int64
	// builds is the greatest possible number of scans of the whole table for building indexes or
	// checking foreign keys. Each index and key causes one, without any request.
	builds int64
}

// since returns the activity since earlier counts.
func (c counts) since(earlier counts) counts {
	past := make(map[string]table)
	for _, t := range earlier.tables {
		past[t.name] = t
	}
	recent := counts{pagesHit: c.pagesHit - earlier.pagesHit, pagesRead: c.pagesRead - earlier.pagesRead, roomy: c.roomy}
	for _, t := range c.tables {
		then := past[t.name]
		t.whole, t.indexed, t.wholeRows, t.builds = t.whole-then.whole, t.indexed-then.indexed, t.wholeRows-then.wholeRows, 0
		recent.tables = append(recent.tables, t)
	}
	return recent
}

// read reads a server's counts. The tables of user data are those with a user_id, without the
// tables of the move. First the session publishes its own counts, and forgets those of others that
// it has read before.
func read(ctx context.Context, session *sql.Conn) (c counts, err error) {
	for _, statement := range []string{`SELECT pg_stat_force_next_flush()`, `SELECT pg_stat_clear_snapshot()`} {
		if _, err := session.ExecContext(ctx, statement); err != nil {
			return counts{}, postgres.Wrap(ctx, "publish counts", err)
		}
	}
	err = session.QueryRowContext(ctx, `
SELECT blks_hit, blks_read,
       pg_database_size(datid) <= pg_size_bytes(current_setting('shared_buffers'))
FROM pg_stat_database WHERE datname = current_database()`).
		Scan(&c.pagesHit, &c.pagesRead, &c.roomy)
	if err != nil {
		return counts{}, postgres.Wrap(ctx, "read counts of pages", err)
	}
	rows, err := session.QueryContext(ctx, `
SELECT stat.relname, greatest(stat.n_live_tup, class.reltuples::bigint), stat.seq_scan, coalesce(stat.idx_scan, 0), stat.seq_tup_read,
       (SELECT count(*) FROM pg_index WHERE indrelid = stat.relid)
     + (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND stat.relid IN (conrelid, confrelid))
FROM pg_stat_user_tables stat JOIN pg_class class ON class.oid = stat.relid
WHERE EXISTS (SELECT FROM pg_attribute WHERE attrelid = stat.relid AND attname = 'user_id' AND NOT attisdropped)
  AND stat.relname NOT LIKE 'shard\_%'
ORDER BY stat.relname`)
	if err != nil {
		return counts{}, postgres.Wrap(ctx, "read counts of scans", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t table
		if err := rows.Scan(&t.name, &t.rows, &t.whole, &t.indexed, &t.wholeRows, &t.builds); err != nil {
			return counts{}, postgres.Wrap(ctx, "read counts of scans", err)
		}
		c.tables = append(c.tables, t)
	}
	return c, postgres.Wrap(ctx, "read counts of scans", rows.Err())
}
