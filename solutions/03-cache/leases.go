package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// leaseTTL bounds the right to fill a key. It is longer than a load.
const leaseTTL = 2 * loadTimeout

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

// leaseKey names a key's lease. No key begins like that, whatever a visitor asks for.
func leaseKey(key string) string { return "lease:" + key }
