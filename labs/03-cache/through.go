package cache

import "context"

// reader reads one kind of thing through the cache.
type reader[K comparable, V any] struct {
	cache *Cache
	kind  string                                              // such as "meal"
	name  func(K) string                                      // of a thing, of its own among those of the kind
	load  func(ctx context.Context, ids []K) (map[K]V, error) // those that exist
}

// get returns those of the things that exist.
func (r *reader[K, V]) get(ctx context.Context, ids []K) (map[K]V, error) {
	// TODO(lab 03): read through the cache. Read the keys of all ids from Redis (MGET).
	// Load the missing ids from the database, and store them (SET, with a time to live).
	// Then:
	//   - name each key by kind, version and id: bytebites:1:meal:m0001
	//   - set a time to live of about an hour, and not the same second for all keys
	//   - load anew what cannot be decoded
	//   - store that an id does not exist, for a minute at most; do not store an error
	//   - load once when 200 requests miss the same key (golang.org/x/sync/singleflight).
	//     What if the first of them disconnects? Give the load a time limit of its own
	//   - when Redis does not answer, ask the database
	// Stretch: load once for all replicas. A slow reader must not store a value that was
	// deleted after it began to read.
	r.cache.meter.Loaded(r.kind)
	return r.load(ctx, ids)
}

// forget takes things out of the cache.
func (r *reader[K, V]) forget(_ context.Context, _ ...K) {
	// TODO(lab 03): delete the keys (DEL). The caller has changed the database already, so
	// the deletion must not end with the caller's request.
	// Stretch: what happens to the deletion when Redis does not answer?
}
