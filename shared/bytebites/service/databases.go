package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

const (
	// openTimeout is how long a database may take to come up when the service starts.
	openTimeout = time.Minute
	openPause   = 250 * time.Millisecond
	// databaseSilence is how long a connection of the API waits for a server that sends nothing, and
	// shardSilence for a shard. After it the connection is closed. No request waits that long, because
	// these connections are lasting. A role waits for a shard for roleSilence, which is longer than any
	// statement may take. That wait must end too, because a shard that hangs would occupy all
	// goroutines of a worker.
	databaseSilence = 20 * time.Second
	shardSilence    = 4 * time.Second
	roleSilence     = 15 * time.Second
	// warmFor is how long a start waits for the first connections to the shards.
	warmFor = time.Second
	// userDataConnections bounds the connections of the API to each server that holds only user data.
	// Such a server is small, so excess statements wait in the pool instead. What gives up there
	// costs nothing.
	userDataConnections = 3
	// partsConnections bounds those of a role that works with the parts of the API to each shard. It is
	// lower, because the backlog of a broker that was down must not slow down the people of that shard.
	partsConnections = 2
)

// pools bound the connections of a service.
type pools struct {
	catalogue postgres.PoolConfig
	// userData is for the server of user data if it is not the catalogue's. shard is for each
	// shard.
	userData, shard postgres.PoolConfig
}

// apiPools returns the API's pools for a composition's Pool.
func apiPools(composed postgres.PoolConfig) pools {
	composed.Silence, composed.Lasting = databaseSilence, true
	few := composed
	if few.MaxOpen == 0 || few.MaxOpen > userDataConnections {
		few.MaxOpen, few.MaxIdle = userDataConnections, userDataConnections
	}
	p := pools{catalogue: composed, userData: few, shard: few}
	p.shard.Silence = shardSilence
	return p
}

// partsPools returns the pools of a role that works with the parts of the API. No request waits for it.
func partsPools(composed postgres.PoolConfig) pools {
	p := apiPools(composed)
	p.shard.Silence = roleSilence
	p.shard.MaxOpen, p.shard.MaxIdle = min(p.shard.MaxOpen, partsConnections), min(p.shard.MaxIdle, partsConnections)
	return p
}

// jobPools returns the pools of a job with statements of its own. A move does much work at once, and its
// steps hold several connections to a server.
func jobPools(composed postgres.PoolConfig) pools {
	p := pools{catalogue: composed, userData: composed, shard: composed}
	p.shard.Silence = roleSilence
	return p
}

// databases are the pools of a service. If both URLs are equal, catalogue and userData are the same
// pool. That is fault 6: one database, and with the baseline's pool of one, one connection.
type databases struct {
	catalogue, userData *sql.DB
	shards              []*sql.DB
	open                []*sql.DB
}

// openDatabases opens all databases. It waits for those of the catalogue and of user data. It does
// not wait for shards, because most subscribers can be served while one shard is down.
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
	if bounds.shard.Lasting {
		warm(ctx, d.shards)
	}
	return d, nil
}

// warm connects to each server before a request needs that. A login on a small and busy server can take
// longer than a request waits. A server may be down, so this ends after warmFor.
func warm(ctx context.Context, servers []*sql.DB) {
	ctx, cancel := context.WithTimeout(ctx, warmFor)
	defer cancel()
	var logins sync.WaitGroup
	for _, server := range servers {
		logins.Go(func() { _ = server.PingContext(ctx) }) // the first request says what is wrong
	}
	logins.Wait()
}

// openHealth opens a separate connection to each database that the service cannot work without.
// Readiness checks use these connections: see readiness.
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

// add opens the pool of a required database.
func (d *databases) add(ctx context.Context, name, url string, pool postgres.PoolConfig, logger *slog.Logger) (*sql.DB, error) {
	db, err := openWithRetries(ctx, url, pool, logger)
	if err != nil {
		return nil, fmt.Errorf("open %s database: %w", name, err)
	}
	d.open = append(d.open, db)
	return db, nil
}

// openWithRetries opens a pool and tries again until openTimeout, because services and databases
// are started together.
func openWithRetries(ctx context.Context, url string, pool postgres.PoolConfig, logger *slog.Logger) (*sql.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
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
