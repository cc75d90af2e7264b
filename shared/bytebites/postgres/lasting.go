package postgres

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"io"
)

// session is what the driver's connections can do.
type session interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// lasting is a connection that survives a call that gives up: see PoolConfig.Lasting. The call returns at
// its deadline. The statement goes on, and after it the connection is ready for the next caller.
//
// database/sql makes one call at a time.
type lasting struct {
	session
	home *logins
	tx   driver.Tx // that of the session, nil outside of a transaction
	late bool      // a call gave up: the session is not this connection's any more
}

var errLate = errors.New("a call on this connection has given up")

// outlasting does work on the session of c. When ctx ends first it returns ctx's error, and the work goes on.
// If that work succeeds, undo gets its result. Then the pool gets the session back.
func outlasting[T any](ctx context.Context, c *lasting, work func(context.Context) (T, error), undo func(T)) (result T, err error) {
	switch {
	case c.late:
		return result, errLate
	case ctx.Err() != nil:
		return result, ctx.Err()
	case ctx.Done() == nil:
		return work(ctx)
	}
	type outcome struct {
		result T
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		result, err := work(context.WithoutCancel(ctx))
		ended <- outcome{result, err}
	}()
	select {
	case o := <-ended:
		return o.result, o.err
	case <-ctx.Done():
		c.late = true
		go func() {
			if o := <-ended; o.err == nil && undo != nil {
				undo(o.result)
			}
			c.home.settle(c.session, c.tx)
		}()
		return result, ctx.Err()
	}
}

// Close implements driver.Conn.
func (c *lasting) Close() error {
	if c.late {
		return nil
	}
	c.late = true
	return c.home.leave(c.session)
}

// IsValid implements driver.Validator.
func (c *lasting) IsValid() bool { return !c.late && c.session.IsValid() }

// ResetSession implements driver.SessionResetter.
func (c *lasting) ResetSession(ctx context.Context) error {
	if c.late {
		return driver.ErrBadConn
	}
	return c.session.ResetSession(ctx)
}

// Ping implements driver.Pinger.
func (c *lasting) Ping(ctx context.Context) error {
	_, err := outlasting(ctx, c, func(ctx context.Context) (struct{}, error) { return struct{}{}, c.session.Ping(ctx) }, nil)
	return err
}

// BeginTx implements driver.ConnBeginTx.
func (c *lasting) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := outlasting(ctx, c,
		func(ctx context.Context) (driver.Tx, error) { return c.session.BeginTx(ctx, options) },
		func(tx driver.Tx) { _ = tx.Rollback() })
	if err != nil {
		return nil, err
	}
	c.tx = tx
	return lastingTx{ctx, c}, nil
}

// lastingTx is a transaction on a lasting connection.
type lastingTx struct {
	ctx context.Context // that of BeginTx
	c   *lasting
}

// Commit implements driver.Tx.
func (t lastingTx) Commit() error { return t.end(t.c.tx.Commit) }

// Rollback implements driver.Tx. When ctx has ended, it does not wait for the server.
func (t lastingTx) Rollback() error {
	if t.c.late {
		return nil // it is rolled back after the statement that is under way
	}
	err := t.end(t.c.tx.Rollback)
	if t.c.late {
		return nil
	}
	return err
}

// end ends the transaction. When ctx has ended before, the transaction is rolled back.
func (t lastingTx) end(end func() error) error {
	_, err := outlasting(t.ctx, t.c, func(context.Context) (struct{}, error) {
		err := end()
		t.c.tx = nil
		return struct{}{}, err
	}, nil)
	if !t.c.late && t.c.tx != nil {
		t.c.late = true
		go t.c.home.settle(t.c.session, t.c.tx)
	}
	return err
}

// ExecContext implements driver.ExecerContext.
func (c *lasting) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return outlasting(ctx, c, func(ctx context.Context) (driver.Result, error) { return c.session.ExecContext(ctx, query, args) }, nil)
}

// QueryContext implements driver.QueryerContext. It reads all rows, so that nothing on the connection is
// under way when it returns. The API asks for a page at a time.
func (c *lasting) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.rows(ctx, func(ctx context.Context) (driver.Rows, error) { return c.session.QueryContext(ctx, query, args) })
}

func (c *lasting) rows(ctx context.Context, query func(context.Context) (driver.Rows, error)) (driver.Rows, error) {
	return outlasting(ctx, c, func(ctx context.Context) (driver.Rows, error) {
		rows, err := query(ctx)
		if err != nil {
			return nil, err
		}
		return readAll(rows)
	}, nil)
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *lasting) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := outlasting(ctx, c, func(ctx context.Context) (driver.Stmt, error) { return c.session.PrepareContext(ctx, query) }, nil)
	if err != nil {
		return nil, err
	}
	return &lastingStmt{stmt, c}, nil
}

// lastingStmt is a statement that is prepared on a lasting connection.
type lastingStmt struct {
	driver.Stmt
	c *lasting
}

// Close implements driver.Stmt. A session that goes home forgets its statements.
func (s *lastingStmt) Close() error {
	if s.c.late {
		return nil
	}
	return s.Stmt.Close()
}

// ExecContext implements driver.StmtExecContext.
func (s *lastingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return outlasting(ctx, s.c, func(ctx context.Context) (driver.Result, error) {
		return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	}, nil)
}

// QueryContext implements driver.StmtQueryContext.
func (s *lastingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.rows(ctx, func(ctx context.Context) (driver.Rows, error) {
		return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	})
}

// readRows are the rows of an answer that has been read.
type readRows struct {
	columns []string
	values  [][]driver.Value
}

// readAll reads and closes rows.
func readAll(rows driver.Rows) (_ *readRows, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	r := &readRows{columns: rows.Columns()}
	for {
		values := make([]driver.Value, len(r.columns))
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return nil, err
		}
		for i, value := range values {
			if b, ok := value.([]byte); ok {
				values[i] = bytes.Clone(b) // the driver uses its buffer again
			}
		}
		r.values = append(r.values, values)
	}
}

// Columns implements driver.Rows.
func (r *readRows) Columns() []string { return r.columns }

// Next implements driver.Rows.
func (r *readRows) Next(dest []driver.Value) error {
	if len(r.values) == 0 {
		return io.EOF
	}
	copy(dest, r.values[0])
	r.values = r.values[1:]
	return nil
}

// Close implements driver.Rows.
func (r *readRows) Close() error { return nil }
