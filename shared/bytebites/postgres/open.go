package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites/pgconn"
)

// PoolConfig bounds a connection pool.
type PoolConfig struct {
	MaxOpen         int           // maximum of open connections; 0 means no bound
	MaxIdle         int           // maximum of idle connections; 0 means database/sql's default, 2
	ConnMaxLifetime time.Duration // age at which a connection is replaced; 0 means never
	// Silence bounds each wait for data from the server, but for the login, which connect_timeout
	// bounds. After it, the connection counts as lost and is closed. 0 means no bound. A context's
	// deadline is not enough when the server hangs: the driver asks it to cancel the statement, and
	// waits for that answer too.
	Silence time.Duration
	// Lasting keeps the connection of a call that gives up: the call returns at its deadline, and the
	// statement goes on. The driver would cancel it and end the connection, and the next login costs the
	// server many times what a statement costs. Such a statement counts towards MaxOpen, which must be
	// set. It ends after half the Silence (statement_timeout). All rows of an answer are read into memory.
	Lasting bool
	// NoStatementTimeout lets a statement take any time, unless the URL says otherwise. It is for
	// changes of the schema.
	NoStatementTimeout bool
}

// defaults are the settings that a connection gets unless its URL has them. connect_timeout bounds a
// login, also when the call that began it has given up (see logins). It is in seconds and statement_timeout in milliseconds: after 10 s no request waits for the answer.
// jit is off, because compiling costs more time than any statement of the service takes.
func defaults() map[string]string {
	return map[string]string{
		"application_name":  "bytebites",
		"connect_timeout":   "5",
		"jit":               "off",
		"statement_timeout": "10000",
	}
}

// Open connects to the server of a postgres:// URL and pings it. Settings in the URL's query,
// such as statement_timeout, replace the defaults. No error contains the password.
func Open(ctx context.Context, databaseURL string, pool PoolConfig) (*sql.DB, error) {
	config, err := parse(databaseURL, pool)
	if err != nil {
		return nil, err
	}
	db, err := unconnected(config, pool)
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(wrap(ctx, fmt.Sprintf("connect to %s:%d", config.Host, config.Port), err), db.Close())
	}
	return db, nil
}

// OpenLater is Open for a server that may be down. It does not connect, so a call on the pool
// fails if the server does not answer.
func OpenLater(databaseURL string, pool PoolConfig) (*sql.DB, error) {
	config, err := parse(databaseURL, pool)
	if err != nil {
		return nil, err
	}
	return unconnected(config, pool)
}

func parse(databaseURL string, pool PoolConfig) (pq.Config, error) {
	settings := defaults()
	switch {
	case pool.NoStatementTimeout:
		settings["statement_timeout"] = "0"
	case pool.Lasting && pool.Silence > 0:
		settings["statement_timeout"] = strconv.FormatInt((pool.Silence / 2).Milliseconds(), 10)
	}
	dsn, err := withDefaults(databaseURL, settings)
	if err != nil {
		return pq.Config{}, err
	}
	return pgconn.Config(dsn)
}

// unconnected returns a pool that has not connected yet.
func unconnected(config pq.Config, pool PoolConfig) (*sql.DB, error) {
	connector, err := connector(config, pool)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	pool.Limit(db)
	return db, nil
}

// Limit gives a pool of connections its bounds.
func (pool PoolConfig) Limit(db *sql.DB) {
	db.SetMaxOpenConns(pool.MaxOpen)
	if pool.MaxIdle > 0 {
		db.SetMaxIdleConns(pool.MaxIdle)
	}
	db.SetConnMaxLifetime(pool.ConnMaxLifetime)
}

// withDefaults adds the settings that the URL does not have.
func withDefaults(databaseURL string, settings map[string]string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Host == "" {
		return "", errors.New("database URL: want postgres://user:password@host:port/database")
	}
	query := u.Query()
	for name, value := range settings {
		if !query.Has(name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
