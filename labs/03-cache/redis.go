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
		// TODO(lab 03): as it stands, a call to a Redis that hangs takes five seconds, and is
		// then made three times more. A cache answers in a millisecond or it is no use: give
		// it tens of milliseconds to connect, to take a question and to answer, and no second
		// try.
		// Stretch: when it has failed a few times in a row, stop asking for a while
		// (github.com/sony/gobreaker/v2).
	})
	r.OnClose(client.Close)
	return &Cache{redis: client, meter: counts}, nil
}
