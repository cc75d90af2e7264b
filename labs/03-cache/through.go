package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

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
)

// reader reads one kind of thing through the cache.
type reader[K comparable, V any] struct {
	cache *Cache
	kind  string                // such as "meal"
	name  func(K) string        // the key's suffix, unique within the kind
	ttl   func(V) time.Duration // how long a value is kept
	// load returns those of the things that exist.
	load func(ctx context.Context, ids []K) (map[K]V, error)
}

// get returns those of the things that exist. Callers share the values and must not change them.
func (r *reader[K, V]) get(ctx context.Context, ids []K) (map[K]V, error) {
	found := make(map[K]V, len(ids))
	missing, err := r.look(ctx, ids, found)
	if err != nil {
		// TODO(lab 03): step 2. Redis did not answer, and the database is well. Load all ids, and
		// count a meter.Bypass for each.
		return nil, err
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
		if err != nil {
			// TODO(lab 03): step 3. A replica of another release may have stored this entry. Count
			// it as a miss, so that it is loaded anew.
			return nil, err
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
	// TODO(lab 03): step 3. An entry with an empty text says that the id does not exist. Return
	// meter.Absent for it.
	var value V
	if err := json.Unmarshal([]byte(e.Text), &value); err != nil {
		return meter.Miss, fmt.Errorf("decode %s: %w", r.key(id), err)
	}
	found[id] = value
	return meter.Hit, nil
}

// loadOnce loads things that Redis does not have.
func (r *reader[K, V]) loadOnce(ctx context.Context, ids []K) (map[K]V, error) {
	// TODO(lab 03): step 4. When 200 callers miss the same ids at the same time, load once
	// (golang.org/x/sync/singleflight), in a context of its own.
	return r.loadLeased(ctx, ids)
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
	// TODO(lab 03): step 3. Keep also that an id does not exist: an entry with an empty text and a
	// time to live of half a minute.
	var entries []kit.Entry
	for _, id := range ids {
		if value, exists := loaded[id]; exists {
			entries = append(entries, r.entry(id, value))
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

// key returns the key of an id.
func (r *reader[K, V]) key(id K) string {
	// TODO(lab 03): step 3. During a release, replicas of two versions share Redis. Name the
	// program and the version of the entry too: bytebites:1:meal:m0001.
	return r.kind + ":" + r.name(id)
}
