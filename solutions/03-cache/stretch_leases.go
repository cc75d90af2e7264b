package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/labs/03-cache/kit"
	"bytebites.example/workshop/labs/03-cache/meter"
)

const (
	// leaseTTL bounds the right to fill a key. It is longer than a load.
	leaseTTL = 2 * loadTimeout
	// awaitFor bounds the wait for an entry that another replica is loading. The waiting replica
	// looks every lookEvery.
	awaitFor  = time.Second
	lookEvery = 20 * time.Millisecond
)

// lease is the right to store a value that is read from now on. A deletion of the key ends it, because
// a value that was read before the deletion may be old.
type lease struct {
	key       string
	token     string // empty when Redis gave none; then nothing is stored
	ours      bool   // no other replica is loading
	kit.Found        // what was stored since the caller looked
}

// loadLeased loads the ids that no other replica is loading. It waits for the others, and loads
// them itself after awaitFor, because the other replica may have died.
func (r *reader[K, V]) loadLeased(ctx context.Context, ids []K) (map[K]V, error) {
	found := make(map[K]V, len(ids))
	for began, waiting := time.Now(), false; ; waiting = true {
		late := time.Since(began) > awaitFor
		var mine, others []K
		var leases []lease
		all, err := r.cache.leases(ctx, r.keys(ids))
		for i, l := range all {
			switch {
			case err != nil && waiting && !late: // the other replica is still loading
				others = append(others, ids[i])
			case r.taken(ids[i], l.Found, found):
			case l.ours || late || l.There: // an entry that cannot be read
				mine, leases = append(mine, ids[i]), append(leases, l)
			default:
				others = append(others, ids[i])
			}
		}
		if err := r.loadUnder(ctx, found, mine, leases); err != nil || len(others) == 0 {
			return found, err
		}
		ids = others
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// taken adds the value of an entry to found. It reports whether the entry answers for the id.
func (r *reader[K, V]) taken(id K, e kit.Found, found map[K]V) bool {
	result, err := r.take(id, e, found)
	return err == nil && result != meter.Miss
}

// loadUnder loads ids, adds their values to found, and stores the entries under their leases. The
// leases end also when the load fails.
func (r *reader[K, V]) loadUnder(ctx context.Context, found map[K]V, ids []K, leases []lease) error {
	if len(ids) == 0 {
		return nil
	}
	loaded, entries, err := r.loadEntries(ctx, ids)
	maps.Copy(found, loaded)
	r.cache.fillUnder(ctx, leases, entries)
	return err
}

// leases returns a lease for each key, in their order. A caller whose lease is not ours may wait
// for the other replica, or load too: both may store, and the first that does ends the lease.
// After an error all leases are ours, and without a token.
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
			// The lease first, then the value: so no entry that is stored in between is missed.
			holders[i] = pipe.SetArgs(ctx, leaseKey(key), token, redis.SetArgs{Mode: "NX", TTL: leaseTTL, Get: true})
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
			continue // its entry may be old
		}
		all[i].token = token
		if holder := holders[i].Val(); holder != "" {
			all[i].token, all[i].ours = holder, false
		}
		all[i].Found = kit.Found{Text: values[i].Val(), There: values[i].Err() == nil}
	}
	return all, nil
}

// answers returns the first error of a pipeline's commands. A key that does not exist is none.
func answers(commands []redis.Cmder) error {
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// fillScript stores a value and ends the lease, if the lease is still the one under which the
// value was read. KEYS: the key, its lease. ARGV: token, value, milliseconds to live.
const fillScript = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[3] ~= '0' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`

// fillUnder stores entries whose leases still hold, and ends the leases. An error is only counted.
// It runs also when the load has used up its time, or other replicas would wait for the leases.
func (c *Cache) fillUnder(ctx context.Context, leases []lease, entries []kit.Entry) {
	ctx = context.WithoutCancel(ctx)
	byKey := make(map[string]kit.Entry, len(entries))
	for _, e := range entries {
		byKey[e.Key] = e
	}
	pipe := c.redis.Pipeline()
	for _, l := range leases {
		if l.token != "" {
			e := byKey[l.key]
			pipe.Eval(ctx, fillScript, []string{l.key, leaseKey(l.key)}, l.token, e.Text, e.TTL.Milliseconds())
		}
	}
	if pipe.Len() == 0 {
		return // without a call, which the breaker would count as an answer
	}
	_ = c.ask(ctx, "fill", func() error {
		commands, _ := pipe.Exec(ctx) // its error is the first of theirs
		return answers(commands)
	})
}

// leaseKey returns the key of a key's lease. No entry's key begins like it.
func leaseKey(key string) string { return "lease:" + key }

// leaseKeys returns the keys of the leases of keys.
func leaseKeys(keys ...string) []string {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = leaseKey(key)
	}
	return all
}
