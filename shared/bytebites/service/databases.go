package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

const (
	// openFor is how long a database may take to come up when the service starts.
	openFor   = 30 * time.Second
	openPause = 250 * time.Millisecond
	// shardSilence is how long the API waits for a shard that sends nothing. Its subscribers
	// are told by then, whatever the driver does with a deadline, and its connections are free
	// again. A role has time: longer than any statement may take. But what waits for a shard
	// that hangs must end, or a worker has no hands left for the others.
	shardSilence = time.Second
	roleSilence  = 15 * time.Second
	// userDataConnections is how many connections the API has, at most, to each server of user data
	// alone. Such a server is small. What it is asked for beyond what it can do waits better here,
	// where giving up costs nothing, than there: a statement that is given up ends its connection, and
	// the next one is a fork, a handshake and an empty cache of plans, which a tenth of a core does
	// instead of answering.
	userDataConnections = 3
)

// pools bound the connections of a service.
type pools struct {
	catalogue postgres.PoolConfig
	// userData is for the server of user data, where that is not the catalogue's, and shard for
	// each shard.
	userData, shard postgres.PoolConfig
}

// apiPools are those of the API, where the composition bounds a pool like this.
func apiPools(composed postgres.PoolConfig) pools {
	few := composed
	if few.MaxOpen == 0 || few.MaxOpen > userDataConnections {
		few.MaxOpen, few.MaxIdle = userDataConnections, userDataConnections
	}
	p := pools{catalogue: composed, userData: few, shard: few}
	p.shard.Silence = shardSilence
	return p
}

// rolePools are those of a role, which works on much at once for nobody who waits.
func rolePools(composed postgres.PoolConfig) pools {
	p := pools{catalogue: composed, userData: composed, shard: composed}
	p.shard.Silence = roleSilence
	return p
}

// databases are the pools of a service. When both URLs are equal, both names lead to
// one pool: fault 6, one database, and with the baseline's pool of one, one connection.
type databases struct {
	catalogue, userData *sql.DB
	shards              []*sql.DB
	open                []*sql.DB
}

// openDatabases opens all of them. It waits for the catalogue's and the user data's, but not
// for shards: with one of them down, most subscribers can be served.
func openDatabases(ctx context.Context, config Config, bounds pools, logger *slog.Logger) (_ *databases, err error) {
	d := &databases{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.catalogue, err = d.add(ctx, "catalogue", config.CatalogueURL, bounds.catalogue, logger); err != nil {
		return nil, err
	}
	d.userData = d.catalogue
	if config.UserDataURL != config.CatalogueURL {
		if d.userData, err = d.add(ctx, "user data", config.UserDataURL, bounds.userData, logger); err != nil {
			return nil, err
		}
	}
	for i, url := range config.ShardURLs {
		shard, err := postgres.OpenLater(url, bounds.shard)
		if err != nil {
			return nil, fmt.Errorf("open database of shard %d: %w", i+1, err)
		}
		d.open = append(d.open, shard)
		d.shards = append(d.shards, shard)
	}
	return d, nil
}

// openHealth opens a connection of its own to each database that the service cannot do
// without, by which to see whether it is there: see readiness.
func (d *databases) openHealth(ctx context.Context, config Config, logger *slog.Logger) (map[string]pinger, error) {
	urls := map[string]string{"catalogue": config.CatalogueURL}
	if d.userData != d.catalogue {
		urls["user data"] = config.UserDataURL
	}
	health := make(map[string]pinger)
	for name, url := range urls {
		db, err := d.add(ctx, name, url, postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1}, logger)
		if err != nil {
			return nil, fmt.Errorf("check health: %w", err)
		}
		health[name] = db
	}
	return health, nil
}

// add opens the pool of a database that must be there.
func (d *databases) add(ctx context.Context, name, url string, pool postgres.PoolConfig, logger *slog.Logger) (*sql.DB, error) {
	db, err := openPatiently(ctx, url, pool, logger)
	if err != nil {
		return nil, fmt.Errorf("open %s database: %w", name, err)
	}
	d.open = append(d.open, db)
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
