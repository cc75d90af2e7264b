// Package preflight looks whether all that is simpler than sharding has been done: queries
// that use indexes, memory that holds what is read, and the largest machine that there is.
// Shards of a server that reads whole tables are several servers that read whole tables.
//
// It judges by PostgreSQL's own counts, so some load must have run, or be running.
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

// The environment variables that say what the server of user data runs on: names of instance
// types.
const (
	EnvType    = "BYTEBITES_DATABASE_TYPE"
	EnvLargest = "BYTEBITES_LARGEST_TYPE"
)

// Window is how long a check looks at what the server is doing now.
const Window = 2 * time.Second

// Machine is what a server runs on, and the largest that it might run on, by the names of their
// types; empty for what is not known.
type Machine struct{ Type, Largest string }

// Report is what a check has found.
type Report struct{ findings, notes []string }

// Findings returns what must be done before sharding, a sentence each.
func (r Report) Findings() []string { return slices.Clone(r.findings) }

// Notes returns what could not be judged and why, a sentence each.
func (r Report) Notes() []string { return slices.Clone(r.notes) }

// Allowed reports whether nothing needs to be done before sharding.
func (r Report) Allowed() bool { return len(r.findings) == 0 }

// Check judges a server of user data, on a machine. It takes as long as Window. What the server did in that
// time counts, if it is enough to judge by; else what it did since its counts were last reset.
// So an index that was made a moment ago is seen, as long as there is load.
func Check(ctx context.Context, db *sql.DB, machine Machine) (Report, error) {
	var r Report
	if err := r.judgeMachine(machine); err != nil {
		return Report{}, fmt.Errorf("pre-flight: %w", err)
	}
	before, err := read(ctx, db)
	if err != nil {
		return Report{}, fmt.Errorf("pre-flight: %w", err)
	}
	select {
	case <-ctx.Done():
		return Report{}, fmt.Errorf("pre-flight: %w", context.Cause(ctx))
	case <-time.After(Window):
	}
	after, err := read(ctx, db)
	if err != nil {
		return Report{}, fmt.Errorf("pre-flight: %w", err)
	}
	r.judge(after, after.since(before))
	return r, nil
}

// counts is what a server has done.
type counts struct {
	tables    []table
	pagesHit  int64 // pages found in memory
	pagesRead int64 // pages that were not
	// roomy says that the whole database has room in the server's memory for pages: what is
	// not found there has not been asked for before.
	roomy bool
}

// table is what was done with a table.
type table struct {
	name string
	rows int64 // at present, about
	// whole is how many scans read the whole table, and indexed how many used an index.
	whole, indexed int64
	// wholeRows is how many rows the former read.
	wholeRows int64
	// builds is how many of the former made an index or looked at a foreign key of the table,
	// at most: each of these begins with one, which nobody's request asked for.
	builds int64
}

// since returns what was done since earlier counts.
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

// read reads a server's counts. Tables of user data are those with a user_id; those of the move
// itself are left out.
func read(ctx context.Context, db *sql.DB) (c counts, err error) {
	err = db.QueryRowContext(ctx, `
SELECT blks_hit, blks_read,
       pg_database_size(datid) <= pg_size_bytes(current_setting('shared_buffers'))
FROM pg_stat_database WHERE datname = current_database()`).
		Scan(&c.pagesHit, &c.pagesRead, &c.roomy)
	if err != nil {
		return counts{}, postgres.Wrap(ctx, "read counts of pages", err)
	}
	rows, err := db.QueryContext(ctx, `
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
