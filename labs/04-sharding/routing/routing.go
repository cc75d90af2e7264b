// Package routing is given, finished: the table of phases that names a subscriber's home and
// mirror, and order ids that name a bucket. The router of lab 04 calls it.
package routing

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// Place returns the home and the mirror of a subscriber in a bucket. The home is read, and
// written first. The mirror gets a copy of each write. Without a mirror both are the same server.
//
// A subscriber who joined before the move changes homes only when the phase becomes Flipped. A
// subscriber who joined since then has the target as home at once. In both cases the other server
// stays the mirror until the move ends, so that the way back stays open.
func Place(m shard.Map, bucket shard.Bucket, user bytebites.UserID) shard.Place {
	source, target := m.Source[bucket], m.Target[bucket]
	joined := m.NewFrom != "" && user >= m.NewFrom // since the move began
	switch {
	case !m.Moves(bucket):
		return shard.Place{Home: source, Mirror: source}
	case joined || m.Phase == shard.Flipped:
		return shard.Place{Home: target, Mirror: source}
	case m.Phase == shard.NewUsers:
		return shard.Place{Home: source, Mirror: source}
	default: // double writes
		return shard.Place{Home: source, Mirror: target}
	}
}

// An order's id is ord_ccc_abcdefghijklmnopqrstuvwxyz: the bucket in hexadecimal, then 128 random
// bits. The bucket stays the same when it moves to another server. Ids from before sharding have no
// second underscore.
const (
	orderPrefix  = "ord_"
	bucketDigits = 3
	randomLength = 26
)

// NewOrderID returns a new order id that names the bucket. It draws the random part from
// crypto/rand, so that servers need no common sequence.
func NewOrderID(bucket shard.Bucket) bytebites.OrderID {
	return bytebites.OrderID(fmt.Sprintf("%s%0*x_%s", orderPrefix, bucketDigits, int(bucket), strings.ToLower(rand.Text())))
}

// BucketOf returns the bucket that an order's id names. It returns false for an id that names
// none: ids from before sharding, and any other text that a client may send.
func BucketOf(order bytebites.OrderID) (shard.Bucket, bool) {
	tagged, ours := strings.CutPrefix(string(order), orderPrefix)
	tag, random, two := strings.Cut(tagged, "_")
	if !ours || !two || len(tag) != bucketDigits || len(random) != randomLength || tag != strings.ToLower(tag) {
		return 0, false
	}
	bucket, err := strconv.ParseUint(tag, 16, 16)
	if err != nil || bucket >= shard.Buckets {
		return 0, false
	}
	return shard.Bucket(bucket), true
}
