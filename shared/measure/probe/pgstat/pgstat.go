// Package pgstat reads pg_stat_statements from PostgreSQL: how often each statement ran, how
// long it took and how many pages it read. Counts are the same on a fast machine and on a busy
// one.
package pgstat

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Statement is one statement in normalised form: the database replaces its constants.
type Statement struct {
	Query string
	Calls int64
	Time  time.Duration // execution time of all calls together
	// Slowest is the execution time of the slowest call.
	Slowest time.Duration
	Rows    int64 // returned or changed by all calls together
	// Pages is how many pages of 8 KiB all calls together read, from memory or from disk.
	Pages int64
}

// PagesPerCall returns the mean number of pages that one call read. It is 0 for a statement
// that never ran.
func (s Statement) PagesPerCall() float64 {
	if s.Calls == 0 {
		return 0
	}
	return float64(s.Pages) / float64(s.Calls)
}

// Typical returns the execution time of all calls together without the slowest one. One pause of the
// machine makes one call slow, and says nothing about the statement. It is 0 for a statement that
// ran once.
func (s Statement) Typical() time.Duration { return s.Time - s.Slowest }

// fromTable finds the first table that a statement reads or changes.
var fromTable = regexp.MustCompile(`(?is)\b(?:from|into|update)\s+"?([a-z_][a-z0-9_]*)"?`)

// Table returns the first table that the statement names, or "".
func (s Statement) Table() string {
	found := fromTable.FindStringSubmatch(s.Query)
	if found == nil {
		return ""
	}
	return strings.ToLower(found[1])
}

// Reset deletes all statistics. The user needs the privilege for
// pg_stat_statements_reset.
func Reset(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `SELECT pg_stat_statements_reset()`); err != nil {
		return fmt.Errorf("reset statement statistics: %w", err)
	}
	return nil
}

// Read returns the statements that ran in the connection's database since the last Reset. The
// statement with the longest Time comes first. Statements that read or reset the statistics
// are left out.
func Read(ctx context.Context, db *sql.DB) ([]Statement, error) {
	rows, err := db.QueryContext(ctx, `
		SELECT s.query, s.calls, s.total_exec_time, s.max_exec_time, s.rows, s.shared_blks_hit + s.shared_blks_read
		FROM pg_stat_statements AS s
		JOIN pg_database AS d ON d.oid = s.dbid
		WHERE d.datname = current_database() AND s.query NOT LIKE '%pg_stat_statements%'
		ORDER BY s.total_exec_time DESC`)
	if err != nil {
		return nil, fmt.Errorf("read statement statistics: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var statements []Statement
	for rows.Next() {
		var s Statement
		var total, slowest float64 // milliseconds
		if err := rows.Scan(&s.Query, &s.Calls, &total, &slowest, &s.Rows, &s.Pages); err != nil {
			return nil, fmt.Errorf("read statement statistics: %w", err)
		}
		s.Time, s.Slowest = time.Duration(total*float64(time.Millisecond)), time.Duration(slowest*float64(time.Millisecond))
		s.Query = strings.Join(strings.Fields(s.Query), " ")
		statements = append(statements, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read statement statistics: %w", err)
	}
	return statements, nil
}
