package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	// callTimeout bounds each call to Redis, and each dial. Redis answers in less than a
	// millisecond. The rest allows for a pause of its machine or of this one, which has a CPU
	// quota.
	callTimeout = 80 * time.Millisecond
	// maxCalls bounds the calls that are under way at once. Further callers wait here, outside
	// callTimeout: a crowd of callers says nothing about the health of Redis.
	maxCalls = 4
	// breakerThreshold is the number of failed calls in a row that opens the breaker for
	// breakerPause. Then one caller tries for all. It exceeds maxCalls, because all calls
	// under way fail together when this process is paused.
	breakerThreshold = maxCalls + 1
	breakerPause     = 500 * time.Millisecond
)

// Cache stands in front of a service's stores. What it keeps is in Redis, which all
// replicas share. A Redis that is slow or gone costs a request at most a moment, and
// fails none.
type Cache struct {
	redis   *redis.Client
	turns   chan struct{}
	breaker *gobreaker.CircuitBreaker[struct{}]
	meter   *meter.Meter
	logger  *slog.Logger
	owed    owed
	// lastEvicted is the number of evicted keys that Redis named last.
	lastEvicted atomic.Uint64
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
	c := &Cache{
		redis: redis.NewClient(&redis.Options{
			Addr:        r.Config.RedisAddr,
			DialTimeout: callTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout,
			MaxRetries:    -1, // the database answers sooner than a second try
			DialerRetries: 1,
			PoolSize:      maxCalls,
			// What an operator of a managed Redis announces to clients; nobody does here.
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		}),
		turns:  make(chan struct{}, maxCalls),
		meter:  counts,
		logger: r.Logger,
	}
	c.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         "redis",
		Timeout:      breakerPause,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerThreshold },
		IsSuccessful: answered,
		// Of a caller who has left nothing follows.
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			c.logger.Warn("redis breaker", "state", to.String())
		},
	})
	if err := c.meter.Watch(c.evicted, func() bool { return c.breaker.State() != gobreaker.StateOpen }); err != nil {
		return nil, errors.Join(err, c.redis.Close())
	}
	stop := c.payInBackground()
	r.OnClose(func() error {
		stop()
		return c.redis.Close()
	})
	return c, nil
}

// answered reports whether Redis has answered, if only to refuse.
func answered(err error) bool {
	var answer redis.Error
	return err == nil || errors.As(err, &answer)
}

// ask asks Redis, when it is the caller's turn, and not at all while Redis is left alone: who
// has waited for a turn learns that then.
func (c *Cache) ask(ctx context.Context, operation string, question func() error) error {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // both were ready; a time that is up is not Redis's fault
	}
	_, err := c.breaker.Execute(func() (struct{}, error) { return struct{}{}, question() })
	if err != nil {
		c.meter.Failed(operation)
		return fmt.Errorf("redis %s: %w", operation, err)
	}
	return nil
}

// entry is what Redis has under a key.
type entry struct {
	value string
	there bool
}

// look returns what Redis has under keys, in their order.
func (c *Cache) look(ctx context.Context, keys []string) ([]entry, error) {
	entries := make([]entry, len(keys))
	err := c.ask(ctx, "look", func() error {
		values, err := c.redis.MGet(ctx, keys...).Result()
		for i, value := range values {
			text, there := value.(string)
			entries[i] = entry{text, there && !c.owed.has(keys[i])}
		}
		return err
	})
	return entries, err
}

// write puts a value that has just been stored under a key that is new. It returns no error: a
// write that fails leaves nothing old behind, and the next read loads the value.
func (c *Cache) write(ctx context.Context, key, value string, ttl time.Duration) {
	_ = c.ask(ctx, "write", func() error {
		_, err := c.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, key, value, ttl)
			pipe.Del(ctx, leaseKey(key))
			return nil
		})
		return err
	})
}

// evicted asks Redis how many keys it has evicted. When Redis does not say, it returns what Redis
// said last, because a counter that falls to 0 and rises again looks like new evictions.
func (c *Cache) evicted() float64 {
	var stats string
	err := c.ask(context.Background(), "info", func() (err error) {
		stats, err = c.redis.Info(context.Background(), "stats").Result()
		return err
	})
	_, after, _ := strings.Cut(stats, "\nevicted_keys:")
	line, _, _ := strings.Cut(after, "\r")
	if n, parseErr := strconv.ParseUint(line, 10, 64); err == nil && parseErr == nil {
		c.lastEvicted.Store(n)
	}
	return float64(c.lastEvicted.Load())
}
