package wrong

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/shard"
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

// Colliding returns a router whose orders are told apart by when they were placed.
func Colliding() shard.Router { return colliding{sharding.NewRouter()} }

type colliding struct{ shard.Router }

// NewOrderID makes ids as long as those of the solution, so that its BucketOf reads them.
func (c colliding) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	now := strconv.FormatInt(time.Now().UnixMilli(), 36)
	return bytebites.OrderID(fmt.Sprintf("ord_%03x_%s%s", int(c.Bucket(user)), strings.Repeat("0", 26-len(now)), now))
}
