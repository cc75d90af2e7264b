package postgres

import (
	"context"
	"database/sql"
)

// Querier is what *sql.DB and *sql.Tx have in common.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// transactionOf is the context key of the transaction that is open on a database.
type transactionOf struct{ db *sql.DB }

// Join returns the transaction on db that ctx belongs to (see Orders.Place), and db
// itself where there is none.
func Join(ctx context.Context, db *sql.DB) Querier {
	if tx, ok := ctx.Value(transactionOf{db}).(*sql.Tx); ok {
		return tx
	}
	return db
}

// transact runs work in the transaction that ctx belongs to, or else in one of its own,
// which it commits unless work fails.
func transact(ctx context.Context, db *sql.DB, work func(ctx context.Context, q Querier) error) error {
	if tx, ok := ctx.Value(transactionOf{db}).(*sql.Tx); ok {
		return work(ctx, tx)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit this changes nothing; else the server has dropped the transaction
	// with the connection, or drops it now, and the error that led here says more.
	defer func() { _ = tx.Rollback() }()
	if err := work(context.WithValue(ctx, transactionOf{db}, tx), tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Transact runs work in the transaction on db that ctx belongs to, or else in one of its
// own, which it commits unless work fails: stores over db that are called with work's
// context take part in it, and Join finds it. An error of work is returned as it is.
func Transact(ctx context.Context, db *sql.DB, work func(ctx context.Context) error) error {
	var failed error
	err := transact(ctx, db, func(ctx context.Context, _ Querier) error {
		failed = work(ctx)
		return failed
	})
	if failed != nil {
		return failed
	}
	return wrap(ctx, "transaction", err)
}
