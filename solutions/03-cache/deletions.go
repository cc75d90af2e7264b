package cache

import (
	"context"
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

// owed are keys that should have been deleted.
type owed struct {
	mu   sync.RWMutex
	keys map[string]time.Time // since when
}

// dueAtOnce bounds one deletion of many.
const maxDeletions = 500

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
		case len(due) < maxDeletions:
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
