package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lib/pq"
)

// PoolConfig bounds a connection pool.
type PoolConfig struct {
	MaxOpen         int           // connections at most; 0 means no bound
	MaxIdle         int           // of these kept while unused; 0 means database/sql's default, 2
	ConnMaxLifetime time.Duration // after which a connection is replaced; 0 means never
	// Silence is how long the server may send nothing to somebody who waits for it, before
	// it is taken for gone and the connection is given up; 0 means for ever. A context's
	// deadline alone does not help against a server that hangs: the driver asks it to break off
	// the statement, and waits for that too.
	Silence time.Duration
}

// defaults are the settings of a connection whose URL does not have them. A statement
// that outlives 10 s lost its reader long ago; connect_timeout is in seconds. Compiling
// a statement costs more than any of ours takes, and more still on a small server.
func defaults() map[string]string {
	return map[string]string{
		"application_name":  "bytebites",
		"connect_timeout":   "5",
		"jit":               "off",
		"statement_timeout": "10000",
	}
}

// Open connects to the server that a postgres:// URL names and makes sure that it
// answers. Settings in the URL's query, such as statement_timeout, replace the defaults.
// No error carries the password.
func Open(ctx context.Context, databaseURL string, pool PoolConfig) (*sql.DB, error) {
	config, err := parse(databaseURL)
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

// OpenLater is Open for a server that may be down: it does not connect, so that each call
// on the pool finds out by itself whether the server answers.
func OpenLater(databaseURL string, pool PoolConfig) (*sql.DB, error) {
	config, err := parse(databaseURL)
	if err != nil {
		return nil, err
	}
	return unconnected(config, pool)
}

func parse(databaseURL string) (pq.Config, error) {
	dsn, err := withDefaults(databaseURL)
	if err != nil {
		return pq.Config{}, err
	}
	config, err := pq.NewConfig(dsn)
	if err != nil {
		// The driver's error may quote what it could not parse, password and all.
		return pq.Config{}, errors.New("database URL: not understood by the driver")
	}
	return config, nil
}

// unconnected returns a pool without connections.
func unconnected(config pq.Config, pool PoolConfig) (*sql.DB, error) {
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("configure connections to %s: %w", config.Host, err)
	}
	if pool.Silence > 0 {
		connector.Dialer(impatient{silence: pool.Silence})
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(pool.MaxOpen)
	if pool.MaxIdle > 0 {
		db.SetMaxIdleConns(pool.MaxIdle)
	}
	db.SetConnMaxLifetime(pool.ConnMaxLifetime)
	return db, nil
}

// withDefaults adds the settings that the URL lacks.
func withDefaults(databaseURL string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Host == "" {
		return "", errors.New("database URL: want postgres://user:password@host:port/database")
	}
	query := u.Query()
	for name, value := range defaults() {
		if !query.Has(name) {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
