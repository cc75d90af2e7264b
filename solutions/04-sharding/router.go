package sharding

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"bytebites.example/workshop/labs/04-sharding/routing"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// router is a shard.Router: subscribers to buckets by a hash, buckets to servers by the map.
type router struct{}

// NewRouter returns the router of all replicas and of the mover.
func NewRouter() shard.Router { return router{} }

// Bucket returns the bucket of a subscriber. Any change of it would move nearly all subscribers,
// so it depends on no seed and on no library's choice. SHA-256 also mixes ids that differ in one
// digit. The number is unsigned, because in Go -5 % 1024 is negative.
func (router) Bucket(user bytebites.UserID) shard.Bucket {
	sum := sha256.Sum256([]byte(user))
	return shard.Bucket(binary.BigEndian.Uint64(sum[:8]) % shard.Buckets)
}

// NewOrderID returns a new order id that names the subscriber's bucket.
func (r router) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	return routing.NewOrderID(r.Bucket(user))
}

// BucketOf returns the bucket that an order's id names, and false for an id that names none.
func (router) BucketOf(order bytebites.OrderID) (shard.Bucket, bool) { return routing.BucketOf(order) }

// Plan returns the target of each bucket on these servers. A server with more than its share gives
// the rest away, and a server that is not on the list gives all. No other bucket moves.
func (router) Plan(source shard.Assignment, servers []shard.Server) shard.Assignment {
	if len(servers) == 0 {
		return source
	}
	room := shares(source, servers)
	plan := source
	var moving []shard.Bucket
	for bucket, server := range source {
		if room[server] == 0 {
			moving = append(moving, shard.Bucket(bucket))
			continue
		}
		room[server]--
	}
	for _, server := range servers {
		n := min(room[server], len(moving))
		for _, bucket := range moving[:n] {
			plan[bucket] = server
		}
		moving = moving[n:]
	}
	return plan
}

// shares returns how many buckets each server gets. If the buckets do not divide evenly, the servers
// with most buckets now get one more.
func shares(source shard.Assignment, servers []shard.Server) map[shard.Server]int {
	has := make(map[shard.Server]int)
	for _, server := range source {
		has[server]++
	}
	byLoad := slices.Clone(servers)
	slices.SortStableFunc(byLoad, func(a, b shard.Server) int { return cmp.Compare(has[b], has[a]) })
	share := make(map[shard.Server]int, len(servers))
	for i, server := range byLoad {
		share[server] = shard.Buckets / len(servers)
		if i < shard.Buckets%len(servers) {
			share[server]++
		}
	}
	return share
}

// Place returns the home and the mirror of a subscriber, by the map.
func (r router) Place(m shard.Map, user bytebites.UserID) shard.Place {
	return routing.Place(m, r.Bucket(user), user)
}
