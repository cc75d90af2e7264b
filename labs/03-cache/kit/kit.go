// Package kit is given, and finished. It has the commands with which the cache of lab 03 reads and
// writes Redis, and small helpers for its readers. It serves the lab and its solution. A learner
// changes nothing here.
package kit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites"
)

// Entry is a value to store in Redis.
type Entry struct {
	Key  string
	Text string
	TTL  time.Duration // an entry without a time to live is not stored
}

// Found is what Redis has under a key.
type Found struct {
	Text  string
	There bool // false when Redis has no such key
}

// Get returns what Redis has under keys, in their order. It makes one call, MGET.
func Get(ctx context.Context, client *redis.Client, keys []string) ([]Found, error) {
	values, err := client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, fmt.Errorf("get %d keys: %w", len(keys), err)
	}
	found := make([]Found, len(keys))
	for i, value := range values {
		text, there := value.(string)
		found[i] = Found{Text: text, There: there}
	}
	return found, nil
}

// Set stores entries in one round trip, each with its time to live.
func Set(ctx context.Context, client *redis.Client, entries []Entry) error {
	pipe := client.Pipeline()
	for _, e := range entries {
		if e.TTL > 0 {
			pipe.Set(ctx, e.Key, e.Text, e.TTL)
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("set %d keys: %w", len(entries), err)
	}
	return nil
}

// Replace stores an entry and deletes other keys in one transaction.
func Replace(ctx context.Context, client *redis.Client, e Entry, others []string) error {
	_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, e.Key, e.Text, e.TTL)
		if len(others) > 0 {
			pipe.Del(ctx, others...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replace key: %w", err)
	}
	return nil
}

// Delete deletes keys. It makes one call, DEL.
func Delete(ctx context.Context, client *redis.Client, keys []string) error {
	if err := client.Del(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("delete %d keys: %w", len(keys), err)
	}
	return nil
}

// Shorten returns the entries with times to live of at most ttl.
func Shorten(entries []Entry, ttl time.Duration) []Entry {
	for i := range entries {
		entries[i].TTL = min(entries[i].TTL, ttl)
	}
	return entries
}

// Always returns a function that gives every value the same time to live.
func Always[V any](ttl time.Duration) func(V) time.Duration {
	return func(V) time.Duration { return ttl }
}

// InOrder returns the values of ids, in the order of ids. It leaves out ids without a value.
func InOrder[K comparable, V any](ids []K, found map[K]V) []V {
	values := make([]V, 0, len(ids))
	for _, id := range ids {
		if value, exists := found[id]; exists {
			values = append(values, value)
		}
	}
	return values
}

// MealsOf returns a reader's load function: it reads meals by their ids in one query.
func MealsOf(store bytebites.Catalogue) func(context.Context, []bytebites.MealID) (map[bytebites.MealID]bytebites.Meal, error) {
	return func(ctx context.Context, ids []bytebites.MealID) (map[bytebites.MealID]bytebites.Meal, error) {
		meals, err := store.MealsByID(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("load meals: %w", err)
		}
		byID := make(map[bytebites.MealID]bytebites.Meal, len(meals))
		for _, meal := range meals {
			byID[meal.ID] = meal
		}
		return byID, nil
	}
}

// OneByOne returns a reader's load function that calls load once for each id. load returns false
// for an id that does not exist.
func OneByOne[K comparable, V any](load func(ctx context.Context, id K) (V, bool, error)) func(context.Context, []K) (map[K]V, error) {
	return func(ctx context.Context, ids []K) (map[K]V, error) {
		found := make(map[K]V, len(ids))
		for _, id := range ids {
			value, exists, err := load(ctx, id)
			if err != nil {
				return nil, err
			}
			if exists {
				found[id] = value
			}
		}
		return found, nil
	}
}

// Evictions reads from Redis how many keys it has evicted.
type Evictions struct {
	last atomic.Uint64
}

// Read calls info, which returns the section "stats" of INFO, and returns the number of evicted
// keys. Without an answer it returns the last number, because a counter that falls to 0 and
// rises again looks like new evictions.
func (e *Evictions) Read(info func() (string, error)) float64 {
	stats, err := info()
	_, after, _ := strings.Cut(stats, "\nevicted_keys:")
	line, _, _ := strings.Cut(after, "\r")
	if n, parseErr := strconv.ParseUint(line, 10, 64); err == nil && parseErr == nil {
		e.last.Store(n)
	}
	return float64(e.last.Load())
}
