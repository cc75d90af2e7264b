package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites/service"
)

const (
	// patience is how long Redis may take to answer, or to take a connection. It takes less
	// than a millisecond; the rest is for a pause of its machine or of ours, which has a CPU
	// quota.
	patience = 80 * time.Millisecond
	// turns is how many may ask Redis at the same time. The others wait, and not at Redis's
	// expense: that a crowd has come says nothing against it.
	turns = 4
	// hopeless calls in a row that failed, and Redis is left alone for a rest. Then one
	// caller tries, for all. It takes more than there are turns: when this process stands
	// still for a moment, all calls that are under way fail together.
	hopeless = turns + 1
	rest     = 500 * time.Millisecond
	// leaseFor is how long the right to fill a key lasts at most: longer than a load.
	leaseFor = 2 * loadTimeout
	// payEvery is how often a deletion that failed is tried again.
	payEvery = 250 * time.Millisecond
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
			DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
			MaxRetries:    -1, // the database answers sooner than a second try
			DialerRetries: 1,
			PoolSize:      turns,
			// What an operator of a managed Redis announces to clients; nobody does here.
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		}),
		turns:  make(chan struct{}, turns),
		meter:  counts,
		logger: r.Logger,
	}
	c.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         "redis",
		Timeout:      rest,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= hopeless },
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

// lease is the right to put under a key what is read from the store from now on. Whoever
// deletes the key ends it: then what was read may be older than what made them delete it.
type lease struct {
	key   string
	token string // empty when Redis gave none: then nothing is put
	ours  bool   // nobody else is at it
	entry        // what has come in since the caller looked
}

// leases returns a lease for each key, in their order. A caller whose lease is not ours may
// wait for the one who has it, or go ahead: both may put, and the first who does ends it.
// After an error all are ours, and worth nothing.
func (c *Cache) leases(ctx context.Context, keys []string) ([]lease, error) {
	all := make([]lease, len(keys))
	for i, key := range keys {
		all[i] = lease{key: key, ours: true}
	}
	token := rand.Text()
	holders, values := make([]*redis.StatusCmd, len(keys)), make([]*redis.StringCmd, len(keys))
	err := c.ask(ctx, "lease", func() error {
		pipe := c.redis.Pipeline()
		for i, key := range keys {
			// The lease first, then a look: what is put in between is seen.
			holders[i] = pipe.SetArgs(ctx, leaseKey(key), token, redis.SetArgs{Mode: "NX", TTL: leaseFor, Get: true})
			values[i] = pipe.Get(ctx, key)
		}
		commands, _ := pipe.Exec(ctx) // its error is the first of theirs
		return answers(commands)
	})
	if err != nil {
		return all, err
	}
	for i, key := range keys {
		if c.owed.has(key) {
			continue // whatever is there is not to be trusted
		}
		all[i].token = token
		if holder := holders[i].Val(); holder != "" {
			all[i].token, all[i].ours = holder, false
		}
		all[i].entry = entry{values[i].Val(), values[i].Err() == nil}
	}
	return all, nil
}

// answers returns the first error of a pipeline's commands; that a key is not there is none.
func answers(commands []redis.Cmder) error {
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// filling is what is put under a lease's key. Without a time to live nothing is put, and only
// the lease ends.
type filling struct {
	lease
	value string
	ttl   time.Duration
}

// fillScript puts a value and ends the lease, if it is still the one that the value was
// read under. KEYS: the key, its lease. ARGV: token, value, milliseconds to live.
const fillScript = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[3] ~= '0' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`

// fill puts values under keys whose leases still hold. It returns no error: the caller has
// what was wanted, and whoever comes next will try again. A load that has used up its time
// still gives its leases back, or others would wait for them.
func (c *Cache) fill(ctx context.Context, fillings []filling) {
	ctx = context.WithoutCancel(ctx)
	pipe := c.redis.Pipeline()
	for _, f := range fillings {
		if f.token != "" {
			pipe.Eval(ctx, fillScript, []string{f.key, leaseKey(f.key)}, f.token, f.value, f.ttl.Milliseconds())
		}
	}
	if pipe.Len() == 0 {
		return // and do not ask: that would count as an answer
	}
	_ = c.ask(ctx, "fill", func() error {
		commands, _ := pipe.Exec(ctx) // its error is the first of theirs
		return answers(commands)
	})
}

// write puts a value that has just been stored under its key, whoever else is reading it.
func (c *Cache) write(ctx context.Context, key, value string, ttl time.Duration) {
	err := c.ask(ctx, "write", func() error {
		_, err := c.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, key, value, ttl)
			pipe.Del(ctx, leaseKey(key))
			return nil
		})
		return err
	})
	if err != nil {
		c.owed.add(key) // what was there before is wrong now
	}
}

// forget deletes keys, and with them the right to put what was read before. It is called
// when a change has been committed, so it does not end with the request that made it. What
// cannot be deleted now is owed: this replica does not read it, and deletes it as soon as
// Redis is back.
func (c *Cache) forget(ctx context.Context, keys ...string) {
	if err := c.delete(context.WithoutCancel(ctx), keys); err != nil {
		c.owed.add(keys...)
	}
}

func (c *Cache) delete(ctx context.Context, keys []string) error {
	all := make([]string, 0, 2*len(keys))
	for _, key := range keys {
		all = append(all, key, leaseKey(key))
	}
	return c.ask(ctx, "delete", func() error { return c.redis.Del(ctx, all...).Err() })
}

// leaseKey names a key's lease. No key begins like that, whatever a visitor asks for.
func leaseKey(key string) string { return "lease:" + key }

// payInBackground deletes what is owed, until it is told to stop.
func (c *Cache) payInBackground() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		ticker := time.NewTicker(payEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				c.pay(ctx)
			}
		}
	})
	return func() {
		cancel()
		working.Wait()
	}
}

func (c *Cache) pay(ctx context.Context) {
	due := c.owed.due()
	if len(due) == 0 {
		return
	}
	keys := make([]string, 0, len(due))
	for key := range due {
		keys = append(keys, key)
	}
	if err := c.delete(ctx, keys); err == nil {
		c.owed.paid(due)
		c.logger.Info("deleted what could not be deleted before", "keys", len(keys))
	}
}

// evicted asks Redis how many keys it has evicted; 0 when it does not say.
func (c *Cache) evicted() float64 {
	var stats string
	err := c.ask(context.Background(), "info", func() (err error) {
		stats, err = c.redis.Info(context.Background(), "stats").Result()
		return err
	})
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(stats, "\nevicted_keys:")
	line, _, _ := strings.Cut(after, "\r")
	n, _ := strconv.ParseFloat(line, 64) // 0 when the line is missing
	return n
}

// owed are keys that should have been deleted.
type owed struct {
	mu   sync.RWMutex
	keys map[string]time.Time // since when
}

// dueAtOnce bounds one deletion of many.
const dueAtOnce = 500

func (o *owed) add(keys ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys == nil {
		o.keys = make(map[string]time.Time)
	}
	for _, key := range keys {
		o.keys[key] = time.Now()
	}
}

func (o *owed) has(key string) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	_, has := o.keys[key]
	return has
}

// due returns some of what is owed. What is older than any entry has expired by itself, so
// that a long outage does not fill the memory.
func (o *owed) due() map[string]time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := make(map[string]time.Time)
	for key, since := range o.keys {
		switch {
		case time.Since(since) > longest:
			delete(o.keys, key)
		case len(due) < dueAtOnce:
			due[key] = since
		}
	}
	return due
}

// paid takes off what was due, but for keys that have come to be owed again meanwhile.
func (o *owed) paid(due map[string]time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, since := range due {
		if o.keys[key].Equal(since) {
			delete(o.keys, key)
		}
	}
}
