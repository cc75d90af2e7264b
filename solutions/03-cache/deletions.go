package cache

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// deletionRetryInterval is the pause between two tries of the deletions that failed.
const deletionRetryInterval = 250 * time.Millisecond

// forget deletes keys, and with them the right to put what was read before. It is called
// when a change has been committed, so it does not end with the request that made it. What
// cannot be deleted now is owed: this replica does not read it, and deletes it as soon as
// Redis is back.
func (c *Cache) forget(ctx context.Context, keys ...string) {
	if err := c.tryForget(ctx, keys...); err != nil {
		c.owed.add(keys...)
	}
}

// tryForget is forget for keys that need not be owed.
func (c *Cache) tryForget(ctx context.Context, keys ...string) error {
	return c.delete(context.WithoutCancel(ctx), keys)
}

func (c *Cache) delete(ctx context.Context, keys []string) error {
	all := make([]string, 0, 2*len(keys))
	for _, key := range keys {
		all = append(all, key, leaseKey(key))
	}
	return c.ask(ctx, "delete", func() error { return c.redis.Del(ctx, all...).Err() })
}

// payInBackground deletes what is owed, until it is told to stop.
func (c *Cache) payInBackground() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		ticker := time.NewTicker(deletionRetryInterval)
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
	if due.none() {
		return
	}
	var err error
	if due.all.IsZero() {
		err = c.delete(ctx, slices.Collect(maps.Keys(due.keys)))
	} else {
		err = c.ask(ctx, "flush", func() error { return c.redis.FlushDBAsync(ctx).Err() })
	}
	if err == nil {
		c.owed.paid(due)
		c.logger.Info("deleted what could not be deleted before", "keys", len(due.keys), "all", !due.all.IsZero())
	}
}

const (
	// maxOwed bounds the memory that owed keys take, to about 2 MB. It is far more than there are
	// meals; only sessions can be more.
	maxOwed = 10_000
	// maxDeletions bounds one deletion of many.
	maxDeletions = 500
)

// owed are keys that should have been deleted. Beyond maxOwed keys the whole cache is owed.
type owed struct {
	mu sync.RWMutex
	debt
}

// debt is what is owed, and since when.
type debt struct {
	keys map[string]time.Time
	all  time.Time // of the whole cache; zero when it is not owed
}

func (d debt) none() bool { return len(d.keys) == 0 && d.all.IsZero() }

func (o *owed) add(keys ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys == nil {
		o.keys = make(map[string]time.Time)
	}
	for _, key := range keys {
		o.keys[key] = time.Now()
	}
	if len(o.keys) > maxOwed || !o.all.IsZero() {
		o.keys, o.all = nil, time.Now()
	}
}

// has reports whether what Redis has under a key is not to be trusted.
func (o *owed) has(key string) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	_, has := o.keys[key]
	return has || !o.all.IsZero()
}

// due returns some of what is owed. What is older than any entry has expired by itself.
func (o *owed) due() debt {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.all.IsZero() && time.Since(o.all) > longest {
		o.all = time.Time{}
	}
	due := debt{keys: make(map[string]time.Time), all: o.all}
	for key, since := range o.keys {
		switch {
		case time.Since(since) > longest:
			delete(o.keys, key)
		case len(due.keys) < maxDeletions:
			due.keys[key] = since
		}
	}
	return due
}

// paid takes off what was due, but for what has come to be owed again meanwhile.
func (o *owed) paid(due debt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, since := range due.keys {
		if o.keys[key].Equal(since) {
			delete(o.keys, key)
		}
	}
	if o.all.Equal(due.all) {
		o.all = time.Time{}
	}
}
