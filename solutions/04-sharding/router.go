package sharding

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// router is a shard.Router: subscribers to buckets by a hash, buckets to servers by the map.
type router struct{}

// NewRouter returns the router of all replicas and of the mover.
func NewRouter() shard.Router { return router{} }

// Bucket returns the bucket of a subscriber.
//
// Any change to this line moves nearly everybody, so it depends on nothing that may change: no
// seed, no library's hash. SHA-256 mixes ids that differ in one digit as well as any others,
// PostgreSQL has it too, and its price (a tenth of a microsecond) is not noticed beside a query.
func (router) Bucket(user bytebites.UserID) shard.Bucket {
	sum := sha256.Sum256([]byte(user))
	return shard.Bucket(binary.BigEndian.Uint64(sum[:8]) % shard.Buckets) // unsigned: there is no bucket -5
}

// An order's id is ord_ccc_abcdefghijklmnopqrstuvwxyz: the bucket in hexadecimal, which does
// not change however often the bucket moves, and 128 random bits, on which servers that know
// nothing of one another agree. The ids of before have no second underscore.
const (
	orderPrefix = "ord_"
	bucketWidth = 3
	randomWidth = 26
)

// NewOrderID returns a fresh id for an order of a subscriber, which names their bucket.
func (r router) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	return bytebites.OrderID(fmt.Sprintf("%s%0*x_%s", orderPrefix, bucketWidth, int(r.Bucket(user)), strings.ToLower(rand.Text())))
}

// BucketOf returns the bucket that an order's id names, and false for an id that names none.
func (router) BucketOf(order bytebites.OrderID) (shard.Bucket, bool) {
	tagged, ours := strings.CutPrefix(string(order), orderPrefix)
	tag, random, two := strings.Cut(tagged, "_")
	if !ours || !two || len(tag) != bucketWidth || len(random) != randomWidth || tag != strings.ToLower(tag) {
		return 0, false
	}
	bucket, err := strconv.ParseUint(tag, 16, 16)
	if err != nil || bucket >= shard.Buckets {
		return 0, false
	}
	return shard.Bucket(bucket), true
}

// Plan says where each bucket should live on these servers. A server that has more than its
// share gives the rest away, one that leaves gives all, and nothing else moves.
func (router) Plan(home shard.Assignment, servers []shard.Server) shard.Assignment {
	if len(servers) == 0 {
		return home
	}
	room := shares(home, servers)
	plan := home
	var moving []shard.Bucket
	for bucket, server := range home {
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

// shares returns how many buckets each of the servers should have: as many as the next one,
// or one more where they do not divide. Those that have most now get the larger shares.
func shares(home shard.Assignment, servers []shard.Server) map[shard.Server]int {
	has := make(map[shard.Server]int)
	for _, server := range home {
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

// Place says which servers have a subscriber's data. Home is where it is read and written
// first. It changes for those who joined before the move only when the phase becomes Flipped;
// a way back leads through it too, for until the end somebody keeps the other side up to date.
func (r router) Place(m shard.Map, user bytebites.UserID) shard.Place {
	bucket := r.Bucket(user)
	from, to := m.Home[bucket], m.Target[bucket]
	joined := m.NewFrom != "" && user >= m.NewFrom // since the move began
	switch {
	case !m.Moves(bucket):
		return shard.Place{Home: from, Mirror: from}
	case joined || m.Phase == shard.Flipped:
		return shard.Place{Home: to, Mirror: from}
	case m.Phase == shard.NewUsers:
		return shard.Place{Home: from, Mirror: from}
	default: // double writes, whatever else is done meanwhile
		return shard.Place{Home: from, Mirror: to}
	}
}
