package cache

import "context"

// loadLeased loads ids, and stores their entries in Redis.
func (r *reader[K, V]) loadLeased(ctx context.Context, ids []K) (map[K]V, error) {
	// TODO(lab 03, deep dive): take a lease on each key before the load, wait for the leases of other
	// replicas, and store an entry only while its lease holds.
	loaded, entries, err := r.loadEntries(ctx, ids)
	if err != nil {
		return nil, err
	}
	r.cache.fill(ctx, entries)
	return loaded, nil
}

// leaseKeys returns the keys of the leases of keys. They are deleted with the keys.
func leaseKeys(...string) []string { return nil }
