package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bytebites.example/workshop/shared/postgres"
)

const (
	// openFor is how long a database may take to come up when the service starts.
	openFor   = 30 * time.Second
	openPause = 250 * time.Millisecond
)

// databases are the pools of a service. When both URLs are equal, both names lead to
// one pool: fault 6, one database, and with the baseline's pool of one, one connection.
type databases struct {
	catalogue, userData *sql.DB
	// health are connections of their own for /readyz: see readiness.
	health map[string]pinger
	open   []*sql.DB
}

func openDatabases(ctx context.Context, config Config, pool postgres.PoolConfig, logger *slog.Logger) (_ *databases, err error) {
	d := &databases{health: make(map[string]pinger)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.catalogue, err = d.add(ctx, "catalogue", config.CatalogueURL, pool, logger); err != nil {
		return nil, err
	}
	if config.UserDataURL == config.CatalogueURL {
		d.userData = d.catalogue
		return d, nil
	}
	if d.userData, err = d.add(ctx, "user data", config.UserDataURL, pool, logger); err != nil {
		return nil, err
	}
	return d, nil
}

// add opens the pool of a database, and the one connection that checks its health.
func (d *databases) add(ctx context.Context, name, url string, pool postgres.PoolConfig, logger *slog.Logger) (*sql.DB, error) {
	db, err := openPatiently(ctx, url, pool, logger)
	if err != nil {
		return nil, fmt.Errorf("open %s database: %w", name, err)
	}
	d.open = append(d.open, db)
	health, err := openPatiently(ctx, url, postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1}, logger)
	if err != nil {
		return nil, fmt.Errorf("open %s database for health checks: %w", name, err)
	}
	d.open = append(d.open, health)
	d.health[name] = health
	return db, nil
}

// openPatiently opens a pool and tries again for as long as the database may take to
// come up, for services and databases are started together.
func openPatiently(ctx context.Context, url string, pool postgres.PoolConfig, logger *slog.Logger) (*sql.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, openFor)
	defer cancel()
	for {
		db, err := postgres.Open(ctx, url, pool)
		if err == nil {
			return db, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(openPause):
			logger.DebugContext(ctx, "database not up yet", "error", err)
		}
	}
}

// Close closes every pool.
func (d *databases) Close() error {
	var failures []error
	for _, db := range d.open {
		failures = append(failures, db.Close())
	}
	return errors.Join(failures...)
}
