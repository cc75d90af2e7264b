package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"bytebites.example/workshop/labs/03-cache/kit"
	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Cache stands in front of a service's stores. Its entries are in Redis, which all replicas
// share.
type Cache struct {
	redis   *redis.Client
	meter   *meter.Meter
	logger  *slog.Logger
	evicted kit.Evictions

	breaker *breaker // see stretch_breaker.go
	owed    owed     // see stretch_deletions.go
}

// Open returns the cache of a service. It does not call Redis, so that a site starts while Redis
// is away.
func Open(r service.Resources) (*Cache, error) {
	if r.Config.RedisAddr == "" {
		return nil, errors.New("BYTEBITES_REDIS: required, such as localhost:6379")
	}
	counts, err := meter.New(r.Metrics)
	if err != nil {
		return nil, err
	}
	c := &Cache{redis: redis.NewClient(options(r.Config.RedisAddr)), meter: counts, logger: r.Logger, breaker: newBreaker(r.Logger)}
	if err := c.meter.Watch(c.evictedKeys, c.breaker.asking); err != nil {
		return nil, errors.Join(err, c.redis.Close())
	}
	stop := c.payInBackground()
	r.OnClose(func() error {
		stop()
		return c.redis.Close()
	})
	return c, nil
}

// options returns the settings of the client for Redis.
func options(addr string) *redis.Options {
	return &redis.Options{
		Addr: addr,
		// TODO(lab 03): step 2. Set the dial, read and write timeouts to 100 ms, allow no
		// retry and one dial, and bound the pool. With the defaults, a call to a Redis that hangs
		// takes seconds, and is made four times.

		// Messages of a managed Redis to its clients. The Redis of the workshop sends none.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// ask makes a call to Redis, and counts and names its error.
func (c *Cache) ask(ctx context.Context, operation string, call func() error) error {
	if err := c.breaker.call(ctx, call); err != nil {
		c.meter.Failed(operation)
		return fmt.Errorf("redis %s: %w", operation, err)
	}
	return nil
}

// look returns what Redis has under keys, in their order.
func (c *Cache) look(ctx context.Context, keys []string) ([]kit.Found, error) {
	var all []kit.Found
	err := c.ask(ctx, "look", func() (err error) {
		all, err = kit.Get(ctx, c.redis, keys)
		return err
	})
	for i := range all {
		all[i].There = all[i].There && !c.owed.has(keys[i])
	}
	return all, err
}

// fill stores loaded entries. An error is only counted: the caller has the values, and the next
// caller loads them again.
func (c *Cache) fill(ctx context.Context, entries []kit.Entry) {
	_ = c.ask(ctx, "fill", func() error { return kit.Set(ctx, c.redis, entries) })
}

// write stores a value that is new in the database. An error is only counted: it leaves nothing
// old behind, and the next read loads the value.
func (c *Cache) write(ctx context.Context, e kit.Entry) {
	_ = c.ask(ctx, "write", func() error { return kit.Replace(ctx, c.redis, e, leaseKeys(e.Key)) })
}

// forget deletes keys. A deletion that fails is owed.
func (c *Cache) forget(ctx context.Context, keys ...string) {
	if err := c.tryForget(ctx, keys...); err != nil {
		c.owed.add(keys...)
	}
}

// tryForget deletes keys. It returns an error when Redis does not answer.
func (c *Cache) tryForget(ctx context.Context, keys ...string) error {
	all := append(keys[:len(keys):len(keys)], leaseKeys(keys...)...)
	return c.ask(ctx, "delete", func() error { return kit.Delete(ctx, c.redis, all) })
}

// evictedKeys returns the number of keys that Redis has evicted.
func (c *Cache) evictedKeys() float64 {
	return c.evicted.Read(func() (stats string, err error) {
		err = c.ask(context.Background(), "info", func() (err error) {
			stats, err = c.redis.Info(context.Background(), "stats").Result()
			return err
		})
		return stats, err
	})
}
