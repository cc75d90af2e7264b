package cache

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// deletionRetryInterval is the pause between two tries of the deletions that failed.
const deletionRetryInterval = 250 * time.Millisecond

// forgetting returns the function that deletes a session's entry. Call it before the session is
// deleted: it asks the database whether there is such a session. Anybody can send invented tokens, so
// the deletion of a session that does not exist is never owed.
func (s *sessions) forgetting(ctx context.Context, tokenHash [32]byte) func(context.Context) {
	if _, err := s.Sessions.Session(ctx, tokenHash); !errors.Is(err, bytebites.ErrNotFound) {
		return func(ctx context.Context) { s.sessions.forget(ctx, tokenHash) }
	}
	return func(ctx context.Context) {
		_ = s.sessions.cache.tryForget(ctx, s.sessions.key(tokenHash)) // its entry can only say that there is none
	}
}

// payInBackground makes up for owed deletions until stop is called.
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
		err = c.tryForget(ctx, slices.Collect(maps.Keys(due.keys))...)
	} else {
		err = c.ask(ctx, "flush", func() error { return c.redis.FlushDBAsync(ctx).Err() })
	}
	if err == nil {
		c.owed.paid(due)
		c.logger.Info("owed deletions made", "keys", len(due.keys), "all", !due.all.IsZero())
	}
}

const (
	// maxOwed bounds the memory of owed keys to about 2 MB. There are far fewer meals; only
	// sessions can exceed it.
	maxOwed = 10_000
	// maxDeletions bounds the keys of one deletion.
	maxDeletions = 500
)

// owed holds keys whose deletion failed. This replica does not read them from Redis. Beyond maxOwed
// keys, the whole cache is owed.
type owed struct {
	mu sync.RWMutex
	debt
}

// debt is keys that are owed, each since its time.
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

// has reports whether the deletion of a key is owed, so that its entry may be old.
func (o *owed) has(key string) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	_, has := o.keys[key]
	return has || !o.all.IsZero()
}

// due returns some of the owed keys. It drops those that are older than any entry can be.
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

// paid removes keys that were due and are deleted now. A key that is owed again since then stays.
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
