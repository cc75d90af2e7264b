package postgres

import (
	"context"
	"database/sql"
)

// Querier holds the methods that *sql.DB and *sql.Tx have in common.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// transactionOf is the context key of the transaction that is open on a database.
type transactionOf struct{ db *sql.DB }

// Join returns the transaction on db that ctx belongs to (see Orders.Place), or db itself if
// there is no transaction.
func Join(ctx context.Context, db *sql.DB) Querier {
	if tx, ok := ctx.Value(transactionOf{db}).(*sql.Tx); ok {
		return tx
	}
	return db
}

// transact runs work in the transaction that ctx belongs to. Without one, it begins a transaction
// and commits it unless work fails.
func transact(ctx context.Context, db *sql.DB, work func(ctx context.Context, q Querier) error) error {
	if tx, ok := ctx.Value(transactionOf{db}).(*sql.Tx); ok {
		return work(ctx, tx)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit, Rollback changes nothing. Its error is ignored: if the connection is
	// lost, the server has rolled back already and the earlier error says more.
	defer func() { _ = tx.Rollback() }()
	if err := work(context.WithValue(ctx, transactionOf{db}, tx), tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Transact runs work in the transaction on db that ctx belongs to. Without one, it begins a
// transaction and commits it unless work fails. Stores over db that get work's context take part
// in the transaction, and Join returns it. Transact returns an error of work unchanged.
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
