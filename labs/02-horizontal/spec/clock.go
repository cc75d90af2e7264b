package spec

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites/pgconn"
)

// shifted is a connector to a database whose clock is ahead of this process by shift, as a
// program sees it: times go in earlier by shift and come out later by it, and the real server
// compares them with its real clock. A time may go in as a time, as a text in RFC 3339, or as
// seconds, milliseconds or microseconds since 1970.
type shifted struct {
	driver.Connector
	shift time.Duration
}

// openShifted returns a pool of the database at url, with a clock that is ahead by shift.
func openShifted(url string, shift time.Duration, connections int) (*sql.DB, error) {
	connector, err := pgconn.Connector(url)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(shifted{connector, shift})
	db.SetMaxOpenConns(connections)
	return db, nil
}

// Connect opens a connection.
func (s shifted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(pqConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("shift the clock: a connection of type %T", conn), conn.Close())
	}
	return &shiftedConn{full, s.shift}, nil
}

// pqConn is what a connection of the driver can do.
type pqConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.QueryerContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
	driver.Pinger
}

type shiftedConn struct {
	pqConn
	shift time.Duration
}

// into returns arguments as the server gets them.
func into(shift time.Duration, args []driver.NamedValue) []driver.NamedValue {
	shiftedArgs := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		arg.Value = earlier(arg.Value, shift, time.Now())
		shiftedArgs[i] = arg
	}
	return shiftedArgs
}

// timeRange is how far from now a number may lie, as a time, to be taken for one.
const timeRange = 30 * 24 * time.Hour

// earlier returns an argument as the server gets it, see shifted. It returns a value that is
// no time unchanged.
func earlier(value driver.Value, shift time.Duration, now time.Time) driver.Value {
	switch v := value.(type) {
	case time.Time:
		return v.Add(-shift)
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t.Add(-shift).Format(time.RFC3339Nano)
		}
	case int64:
		for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
			if at := time.Unix(0, 0).Add(time.Duration(v) * unit); v < now.UnixMicro()*2 && at.Sub(now).Abs() < timeRange {
				return v - int64(shift/unit)
			}
		}
	case float64:
		if at := time.UnixMicro(int64(v * 1e6)); at.Sub(now).Abs() < timeRange {
			return v - shift.Seconds()
		}
	}
	return value
}

// QueryContext runs a query.
func (c *shiftedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.pqConn.QueryContext(ctx, query, into(c.shift, args))
	if err != nil {
		return nil, err
	}
	return shiftedRows{rows, c.shift}, nil
}

// ExecContext runs a statement.
func (c *shiftedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.pqConn.ExecContext(ctx, query, into(c.shift, args))
}

// PrepareContext prepares a statement.
func (c *shiftedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.pqConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	full, ok := stmt.(pqStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("shift the clock: a statement of type %T", stmt), stmt.Close())
	}
	return shiftedStmt{full, c.shift}, nil
}

// pqStmt is what a statement of the driver can do.
type pqStmt interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

type shiftedStmt struct {
	pqStmt
	shift time.Duration
}

// QueryContext runs the query.
func (s shiftedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.pqStmt.QueryContext(ctx, into(s.shift, args))
	if err != nil {
		return nil, err
	}
	return shiftedRows{rows, s.shift}, nil
}

// ExecContext runs the statement.
func (s shiftedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.pqStmt.ExecContext(ctx, into(s.shift, args))
}

type shiftedRows struct {
	driver.Rows
	shift time.Duration
}

// Next reads a row.
func (r shiftedRows) Next(dest []driver.Value) error {
	if err := r.Rows.Next(dest); err != nil {
		return err
	}
	for i, value := range dest {
		if t, ok := value.(time.Time); ok {
			dest[i] = t.Add(r.shift)
		}
	}
	return nil
}
