package postgres

import (
	"context"
	"database/sql"
	"errors"
)

// Each runs a query, and calls visit for each row with the function that scans it. An error of visit
// ends the reading, and Each returns it.
func Each(ctx context.Context, q Querier, query string, args []any, visit func(scan func(...any) error) error) (err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := visit(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

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
