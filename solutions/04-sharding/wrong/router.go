package wrong

import (
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/solutions/04-sharding"
)

// Signed returns a router that takes the remainder of a signed number.
func Signed() shard.Router { return signed{sharding.NewRouter()} }

type signed struct{ shard.Router }

func (signed) Bucket(user bytebites.UserID) shard.Bucket {
	h := fnv.New64a()
	_, _ = h.Write([]byte(user)) // a hash takes all
	return shard.Bucket(int64(h.Sum64()) % shard.Buckets)
}

// ByRange returns a router that keeps neighbours together: one server is asked about a month.
func ByRange() shard.Router { return byRange{sharding.NewRouter()} }

// neighbours share a bucket: of the subscribers there are, as many as there are for each.
const neighbours = 5

type byRange struct{ shard.Router }

func (byRange) Bucket(user bytebites.UserID) shard.Bucket {
	n, err := strconv.Atoi(strings.TrimPrefix(string(user), "u"))
	if err != nil || n < 0 {
		return shard.Buckets - 1 // joins now, after all others
	}
	return shard.Bucket(min(n/neighbours, shard.Buckets-1))
}

// Place has the solution find, in the bucket that it would have chosen, what is in this one's.
func (r byRange) Place(m shard.Map, user bytebites.UserID) shard.Place {
	here, there := r.Bucket(user), r.Router.Bucket(user)
	m.Home[there], m.Target[there] = m.Home[here], m.Target[here]
	return r.Router.Place(m, user)
}

func (r byRange) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	return tagged(r.Bucket(user), strings.ToLower(rand.Text()))
}

// Colliding returns a router whose orders are told apart by when they were placed.
func Colliding() shard.Router { return colliding{sharding.NewRouter()} }

type colliding struct{ shard.Router }

func (c colliding) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	now := strconv.FormatInt(time.Now().UnixMilli(), 36)
	return tagged(c.Bucket(user), strings.Repeat("0", 26-len(now))+now)
}

// tagged returns an order's id that the solution's BucketOf reads, if the rest has 26 characters.
func tagged(bucket shard.Bucket, rest string) bytebites.OrderID {
	return bytebites.OrderID(fmt.Sprintf("ord_%03x_%s", int(bucket), rest))
}
