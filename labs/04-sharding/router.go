package sharding

import (
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// router is a shard.Router: subscribers to buckets by a hash, buckets to servers by the map.
type router struct{}

// NewRouter returns the router of all replicas and of the mover.
func NewRouter() shard.Router { return router{} }

// Bucket returns the bucket of a subscriber.
func (router) Bucket(bytebites.UserID) shard.Bucket {
	// TODO(lab 04): hash the id and take the remainder by shard.Buckets. While all
	// subscribers are in bucket 0, they can only move together. The hash must spread ids
	// that differ in one digit. It must be the same in every process and for ever. The
	// remainder must not be negative: what is -5 % 1024 in Go?
	return 0
}

// NewOrderID returns a fresh id for an order of a subscriber, which names their bucket.
func (r router) NewOrderID(bytebites.UserID) bytebites.OrderID {
	// TODO(lab 04): put together "ord_", the bucket in the same number of characters for
	// every bucket, a part that no older id has, and a random part (crypto/rand.Text):
	// servers that do not know each other must never make the same id. Use letters, digits,
	// '_' and '-' only, at most 64 characters.
	return checkout.NewOrderID()
}

// BucketOf returns the bucket that an order's id names, and false for an id that names none.
func (router) BucketOf(bytebites.OrderID) (shard.Bucket, bool) {
	// TODO(lab 04): read the bucket back from the id. Older ids, which checkout.NewOrderID
	// made or which begin with "seed-", name no bucket. Ids come from clients, which may
	// send anything.
	return 0, false
}

// Plan says where each bucket should live on these servers.
func (router) Plan(home shard.Assignment, _ []shard.Server) shard.Assignment {
	// TODO(lab 04): give each server the same number of buckets, within one, and move as
	// few as possible: a server with more than its share gives the rest to servers with
	// less, and a server that is not on the list gives all. Return the same plan each time,
	// because a mover that is killed plans again.
	return home
}

// Place says which servers have a subscriber's data, by the map.
func (router) Place(shard.Map, bytebites.UserID) shard.Place {
	// TODO(lab 04): follow the table in the lesson, with m.Home and m.Target of the bucket,
	// m.Moves and m.NewFrom; while NewFrom is empty, nobody is new. Where there is no mirror,
	// return the home.
	return shard.Place{Home: shard.Old, Mirror: shard.Old}
}
