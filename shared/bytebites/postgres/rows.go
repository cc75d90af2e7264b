package postgres

import (
	"database/sql"
	"errors"
)

// collect scans all rows of a query. It also takes the query's error, so that a caller can pass
// both results of a query to it.
func collect[T any](rows *sql.Rows, err error, fields func(*T) []any) (_ []T, failed error) {
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, rows.Close()) }()
	var all []T
	for rows.Next() {
		var one T
		if err := rows.Scan(fields(&one)...); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
