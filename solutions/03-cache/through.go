package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"bytebites.example/workshop/labs/03-cache/kit"
	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites"
)

const (
	// longest is the time to live that no entry exceeds.
	longest = time.Hour
	// approximateFor is how long an answer is kept that the store marked as approximate. It
	// spares the servers that still answer, and ends soon after the others are back.
	approximateFor = 5 * time.Second

	// schema is the version of the entries. Raise it with every change to a type that is kept:
	// during a release, replicas of both releases share Redis, and each must miss the entries of
	// the other.
	schema = "1"
	// absentFor is the time to live of an entry for an id that does not exist. It is short, because
	// no call deletes the entry when the id comes to exist.
	absentFor = 30 * time.Second
	// loadTimeout bounds one load.
	loadTimeout = 5 * time.Second
)

// reader reads one kind of thing through the cache.
type reader[K comparable, V any] struct {
	cache *Cache
	kind  string                // such as "meal"
	name  func(K) string        // the key's suffix, unique within the kind
	ttl   func(V) time.Duration // how long a value is kept
	// load returns those of the things that exist.
	load func(ctx context.Context, ids []K) (map[K]V, error)

	flight singleflight.Group
}

// get returns those of the things that exist. Callers share the values and must not change them.
func (r *reader[K, V]) get(ctx context.Context, ids []K) (map[K]V, error) {
	found := make(map[K]V, len(ids))
	missing, err := r.look(ctx, ids, found)
	if err != nil { // Redis did not answer: the database does
		missing = ids
		for range ids {
			r.cache.meter.Looked(r.kind, meter.Bypass)
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	loaded, err := r.loadOnce(ctx, missing)
	if err != nil {
		return nil, err
	}
	maps.Copy(found, loaded)
	return found, nil
}

// look adds the values that Redis has to found, and returns the ids that have to be loaded.
func (r *reader[K, V]) look(ctx context.Context, ids []K, found map[K]V) (missing []K, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	entries, err := r.cache.look(ctx, r.keys(ids))
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		result, err := r.take(id, entries[i], found)
		if err != nil { // an entry of another release
			result = meter.Miss
		}
		if result == meter.Miss {
			missing = append(missing, id)
		}
		r.cache.meter.Looked(r.kind, result)
	}
	return missing, nil
}

// take adds the value of an entry to found. It returns an error for an entry that is no JSON of
// the type.
func (r *reader[K, V]) take(id K, e kit.Found, found map[K]V) (meter.Result, error) {
	if !e.There {
		return meter.Miss, nil
	}
	if e.Text == "" { // no JSON: the id does not exist
		return meter.Absent, nil
	}
	var value V
	if err := json.Unmarshal([]byte(e.Text), &value); err != nil {
		return meter.Miss, fmt.Errorf("decode %s: %w", r.key(id), err)
	}
	found[id] = value
	return meter.Hit, nil
}

// loadOnce loads things that Redis does not have. Callers that miss the same ids at the same time
// share one load.
func (r *reader[K, V]) loadOnce(ctx context.Context, ids []K) (map[K]V, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	loading := r.flight.DoChan(strings.Join(r.keys(ids), "\x00"), func() (any, error) {
		// Many callers wait for this load. So it must not end with the request of the first one,
		// and must not carry its values: one of them may be an open transaction.
		ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
		defer cancel()
		return r.loadLeased(ctx, ids)
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case loaded := <-loading:
		if loaded.Err != nil {
			return nil, loaded.Err
		}
		return loaded.Val.(map[K]V), nil
	}
}

// loadEntries loads ids, and returns the values and the entries to keep. An error of the store is
// no answer, so it leaves no entry.
func (r *reader[K, V]) loadEntries(ctx context.Context, ids []K) (map[K]V, []kit.Entry, error) {
	r.cache.meter.Loaded(r.kind)
	marked, approximate := bytebites.WithApproximate(ctx)
	loaded, err := r.load(marked, ids)
	if err != nil {
		return nil, nil, err
	}
	entries := r.entries(ids, loaded)
	if approximate() {
		entries = kit.Shorten(entries, approximateFor)
	}
	return loaded, entries, nil
}

// entries returns the entries to keep after a load of ids.
func (r *reader[K, V]) entries(ids []K, loaded map[K]V) []kit.Entry {
	entries := make([]kit.Entry, len(ids))
	for i, id := range ids {
		value, exists := loaded[id]
		if exists {
			entries[i] = r.entry(id, value)
		} else {
			entries[i] = kit.Entry{Key: r.key(id), Text: "", TTL: jittered(absentFor)}
		}
	}
	return entries
}

// entry returns the entry of a value. Its time to live is 0 when the value cannot be kept.
func (r *reader[K, V]) entry(id K, value V) kit.Entry {
	text, err := json.Marshal(value)
	if err != nil {
		return kit.Entry{Key: r.key(id)}
	}
	return kit.Entry{Key: r.key(id), Text: string(text), TTL: jittered(max(min(r.ttl(value), longest), 0))}
}

// write stores a value that is new in the database.
func (r *reader[K, V]) write(ctx context.Context, id K, value V) {
	if e := r.entry(id, value); e.TTL > 0 {
		r.cache.write(ctx, e)
	}
}

// forget deletes the entries of ids.
func (r *reader[K, V]) forget(ctx context.Context, ids ...K) { r.cache.forget(ctx, r.keys(ids)...) }

// keys returns the keys of ids, in their order.
func (r *reader[K, V]) keys(ids []K) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = r.key(id)
	}
	return keys
}

// key returns the key of an id: program, version, kind and name.
func (r *reader[K, V]) key(id K) string {
	return "bytebites:" + schema + ":" + r.kind + ":" + r.name(id)
}
