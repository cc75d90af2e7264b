package cache

import (
	"errors"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites/service"
)

// Cache stands in front of a service's stores. What it keeps is in Redis, which all
// replicas share.
type Cache struct {
	redis *redis.Client
	meter *meter.Meter
}

// Open returns the cache of a service. It does not wait for Redis: a cache that is down must
// not keep a site from starting.
func Open(r service.Resources) (*Cache, error) {
	if r.Config.RedisAddr == "" {
		return nil, errors.New("BYTEBITES_REDIS: required, such as localhost:6379")
	}
	counts, err := meter.New(r.Metrics)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(&redis.Options{
		Addr: r.Config.RedisAddr,
		// TODO(lab 03): set the dial, read and write timeouts to tens of milliseconds, and
		// allow no retry. As it stands, a call to a Redis that hangs takes five seconds and
		// is made three times more. A cache that does not answer in a millisecond is of no
		// use.
		// Stretch: after a few failures in a row, do not ask for a while
		// (github.com/sony/gobreaker/v2).
	})
	r.OnClose(client.Close)
	return &Cache{redis: client, meter: counts}, nil
}
