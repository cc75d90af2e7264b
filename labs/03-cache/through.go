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
	// TODO(lab 03): read through the cache. For the ids that have a name in Redis (MGET), take
	// what is there; load the others, and put them there (SET, with a time to live). Then:
	//   - a name that says what it is of, and in which version: bytebites:1:meal:m0001
	//   - an hour or so, not the same to the second for all
	//   - what does not exist is worth remembering too, for seconds; an error is not
	//   - two hundred who miss the same at the same time: one question to the database
	//     (golang.org/x/sync/singleflight). What if the first of them leaves?
	//   - Redis does not answer: the database does
	// Stretch: one question for all replicas; and a slow reader must not put back what has
	// been deleted since it began to read.
	r.cache.meter.Loaded(r.kind)
	return r.load(ctx, ids)
}

// forget takes things out of the cache.
func (r *reader[K, V]) forget(_ context.Context, _ ...K) {
	// TODO(lab 03): DEL. Who calls this has changed the database already, so it must not end
	// with their request. Stretch: and if Redis does not answer just now?
}
