package cache

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites"
)

const (
	// schema is the version of what entries look like. Raise it with every change to a type
	// that is kept: then replicas of the old release and of the new one, which run side by
	// side for a while, read past each other's entries.
	schema = "1"
	// absentFor is how long it is remembered that there is no such thing. Short: nobody
	// deletes these entries when the thing comes to be.
	absentFor = 30 * time.Second
	// approximateFor is how long an answer is kept that the store marked as approximate. It
	// spares the servers that still answer, and is over soon after the others are back.
	approximateFor = 5 * time.Second
	// longest is the time to live that no entry exceeds.
	longest = time.Hour
	// jitter is the share of its time to live by which an entry may expire early. Entries
	// that came together then do not go together.
	jitter = 0.1
	// loadTimeout bounds one question to the store.
	loadTimeout = 5 * time.Second
	// An entry that another replica is loading is waited for, with a look now and then.
	awaitFor  = time.Second
	lookEvery = 20 * time.Millisecond
)

// reader reads one kind of thing through the cache.
type reader[K comparable, V any] struct {
	cache *Cache
	kind  string         // such as "meal"
	name  func(K) string // of a thing, of its own among those of the kind
	keep  func(V) time.Duration
	load  func(ctx context.Context, ids []K) (map[K]V, error) // those that exist

	flight singleflight.Group
}

// get returns those of the things that exist. The values are shared by all who ask: they
// must not be changed.
func (r *reader[K, V]) get(ctx context.Context, ids []K) (map[K]V, error) {
	found := make(map[K]V, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	missing := r.look(ctx, ids, found)
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

// look adds what the cache has to found, and returns the ids that it knows nothing of.
func (r *reader[K, V]) look(ctx context.Context, ids []K, found map[K]V) (missing []K) {
	entries, err := r.cache.look(ctx, r.keys(ids))
	if err != nil {
		for range ids {
			r.cache.meter.Looked(r.kind, meter.Bypass)
		}
		return ids
	}
	for i, id := range ids {
		result := r.take(id, entries[i], found)
		if result == meter.Miss {
			missing = append(missing, id)
		}
		r.cache.meter.Looked(r.kind, result)
	}
	return missing
}

// take adds an entry's value to found. An empty entry says that there is no such thing; one
// that cannot be read says nothing.
func (r *reader[K, V]) take(id K, e entry, found map[K]V) meter.Result {
	if !e.there {
		return meter.Miss
	}
	if e.value == "" {
		return meter.Absent
	}
	var value V
	if err := json.Unmarshal([]byte(e.value), &value); err != nil {
		return meter.Miss
	}
	found[id] = value
	return meter.Hit
}

// loadOnce loads things that the cache does not have. However many ask this process for the
// same at the same time, the store is asked once.
func (r *reader[K, V]) loadOnce(ctx context.Context, ids []K) (map[K]V, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	loading := r.flight.DoChan(strings.Join(r.keys(ids), "\x00"), func() (any, error) {
		// Others wait for this too. So it ends with nobody's request, and takes nothing of
		// one along: not even a transaction, whose connection and whose view of things are
		// its own.
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

// loadLeased loads what nobody else is loading, and waits for what somebody is, but not for
// ever: they may have died.
func (r *reader[K, V]) loadLeased(ctx context.Context, ids []K) (map[K]V, error) {
	found := make(map[K]V, len(ids))
	for began, waiting := time.Now(), false; ; waiting = true {
		late := time.Since(began) > awaitFor
		var mine, others []K
		var leases []lease
		all, err := r.cache.leases(ctx, r.keys(ids))
		for i, l := range all {
			switch {
			case err != nil && waiting && !late: // that somebody is at it is still so
				others = append(others, ids[i])
			case l.there && r.take(ids[i], l.entry, found) != meter.Miss:
			case l.ours || late || l.there: // that cannot be read
				mine, leases = append(mine, ids[i]), append(leases, l)
			default:
				others = append(others, ids[i])
			}
		}
		if err := r.loadInto(ctx, found, mine, leases); err != nil || len(others) == 0 {
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

// loadInto asks the store for ids, adds what it has to found, and puts it into the cache
// under their leases. What the store could not say is not kept: an error is not an answer. What it
// could say only approximately is kept for seconds.
func (r *reader[K, V]) loadInto(ctx context.Context, found map[K]V, ids []K, leases []lease) error {
	if len(ids) == 0 {
		return nil
	}
	r.cache.meter.Loaded(r.kind)
	marked, approximate := bytebites.WithApproximate(ctx)
	loaded, err := r.load(marked, ids)
	fillings := make([]filling, len(ids))
	for i, id := range ids {
		fillings[i] = filling{lease: leases[i]}
		value, exists := loaded[id]
		switch {
		case err != nil:
		case exists:
			found[id] = value
			fillings[i].value, fillings[i].ttl = r.encode(value)
		default:
			fillings[i].ttl = jittered(absentFor)
		}
		if approximate() {
			fillings[i].ttl = min(fillings[i].ttl, approximateFor)
		}
	}
	r.cache.fill(ctx, fillings)
	return err
}

// encode returns an entry's text and its time to live, which is 0 when it cannot be kept.
func (r *reader[K, V]) encode(value V) (string, time.Duration) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", 0
	}
	return string(text), jittered(max(min(r.keep(value), longest), 0))
}

// jittered takes up to a tenth off a time to live.
func jittered(ttl time.Duration) time.Duration {
	return ttl - time.Duration(jitter*rand.Float64()*float64(ttl))
}

// write puts a value that the store has just taken into the cache.
func (r *reader[K, V]) write(ctx context.Context, id K, value V) {
	if text, ttl := r.encode(value); ttl > 0 {
		r.cache.write(ctx, r.key(id), text, ttl)
	}
}

// forget takes things out of the cache. Call it when the store has committed a change of
// them: before that, a reader would put the old state back.
func (r *reader[K, V]) forget(ctx context.Context, ids ...K) { r.cache.forget(ctx, r.keys(ids)...) }

// tryForget is forget for things that the store did not have before either. If Redis does not
// answer, it gives up.
func (r *reader[K, V]) tryForget(ctx context.Context, ids ...K) {
	_ = r.cache.tryForget(ctx, r.keys(ids)...) // nothing is under these keys but that there is none
}

func (r *reader[K, V]) keys(ids []K) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = r.key(id)
	}
	return keys
}

func (r *reader[K, V]) key(id K) string {
	return "bytebites:" + schema + ":" + r.kind + ":" + r.name(id)
}

// always keeps every value of a kind for the same time.
func always[V any](ttl time.Duration) func(V) time.Duration {
	return func(V) time.Duration { return ttl }
}
