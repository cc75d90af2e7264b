package postgres

import (
	"context"
	"database/sql"
	"sync"
)

// prepared is a statement that each connection of a pool parses once. Without that, the driver has a
// statement with arguments parsed in every call, by a round trip of its own. It is for the few
// statements that run in almost every request.
type prepared struct {
	db   *sql.DB
	text string

	mu        sync.Mutex
	statement *sql.Stmt // nil until the first call
}

// query runs the statement. In a transaction (see Join) it is parsed in each call.
func (p *prepared) query(ctx context.Context, args ...any) (*sql.Rows, error) {
	if q := Join(ctx, p.db); q != Querier(p.db) {
		return q.QueryContext(ctx, p.text, args...)
	}
	statement, err := p.prepare(ctx) //nolint:sqlclosecheck // later calls use it; it ends with the pool
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}

// prepare returns the statement. The database is not called under the lock, because callers must not
// wait for the database beyond the end of their own contexts.
func (p *prepared) prepare(ctx context.Context) (*sql.Stmt, error) {
	if statement := p.get(); statement != nil {
		return statement, nil
	}
	statement, err := p.db.PrepareContext(ctx, p.text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.statement != nil { // another caller was first
		defer func() { _ = statement.Close() }() // the result of the query counts
		return p.statement, nil
	}
	p.statement = statement
	return statement, nil
}

func (p *prepared) get() *sql.Stmt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.statement
}
