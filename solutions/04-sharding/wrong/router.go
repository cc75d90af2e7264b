package wrong

import (
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
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

// Place copies the row of this router's bucket to the solution's bucket, and asks the solution.
func (r byRange) Place(m shard.Map, user bytebites.UserID) shard.Place {
	here, there := r.Bucket(user), r.Router.Bucket(user)
	m.Source[there], m.Target[there] = m.Source[here], m.Target[here]
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

// RouterFlaw is a mistake in the router. The zero value is the solution's.
type RouterFlaw struct {
	// Of ids.
	SeedOfSecond, TrustsIDs bool
	// Of buckets.
	SeededHash, WeakHash bool
	// Of Plan.
	PlansByTurns, PlansInMapOrder, KeepsLeaving, FirstGetRest, SortsList bool
	// Of Place.
	NoMirrorBack, NewWhileEmpty, NewBehind, FlipsEarly bool
}

// Router returns the solution's router with the flaw.
func (f RouterFlaw) Router() shard.Router {
	second := time.Now().Unix()
	return &flawedRouter{
		Router: sharding.NewRouter(), RouterFlaw: f, seed: maphash.MakeSeed(),
		random: mathrand.New(mathrand.NewPCG(uint64(second), uint64(second))), // #nosec G404 -- the mistake
	}
}

// Apply puts the flaw, and otherwise the solution, into a service.
func (f RouterFlaw) Apply(c *service.Composition) {
	sharding.Apply(c)
	c.OrderID = f.Router().NewOrderID
}

type flawedRouter struct {
	shard.Router
	RouterFlaw
	seed   maphash.Seed
	mu     sync.Mutex
	random *mathrand.Rand
}

func (r *flawedRouter) Bucket(user bytebites.UserID) shard.Bucket {
	switch {
	case r.SeededHash:
		return shard.Bucket(maphash.String(r.seed, string(user)) % shard.Buckets)
	case r.WeakHash:
		h := fnv.New32a()
		_, _ = h.Write([]byte(user)) // a hash takes all
		return shard.Bucket(h.Sum32() % shard.Buckets)
	}
	return r.Router.Bucket(user)
}

func (r *flawedRouter) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	if !r.SeedOfSecond {
		return tagged(r.Bucket(user), strings.ToLower(rand.Text()))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return tagged(r.Bucket(user), fmt.Sprintf("%013x%013x", r.random.Uint64()>>12, r.random.Uint64()>>12))
}

func (r *flawedRouter) BucketOf(order bytebites.OrderID) (shard.Bucket, bool) {
	if !r.TrustsIDs {
		return r.Router.BucketOf(order)
	}
	parts := strings.Split(string(order), "_")
	if len(parts) != 3 {
		return 0, false
	}
	bucket, err := strconv.ParseInt(parts[1], 16, 64)
	return shard.Bucket(bucket), err == nil
}

func (r *flawedRouter) Plan(home shard.Assignment, servers []shard.Server) shard.Assignment {
	switch {
	case r.PlansByTurns:
		for b := range home {
			home[b] = servers[b%len(servers)]
		}
		return home
	case r.PlansInMapOrder:
		return planInMapOrder(home, servers)
	case r.SortsList:
		slices.SortFunc(servers, func(a, b shard.Server) int { return int(b - a) })
	case r.FirstGetRest:
		return planByList(home, servers)
	case r.KeepsLeaving:
		// Whoever has more than a share gives to those on the list who have less.
		return r.Router.Plan(home, append(slices.Clone(servers), leaving(home, servers)...))
	}
	return r.Router.Plan(home, servers)
}

func leaving(home shard.Assignment, servers []shard.Server) []shard.Server {
	var all []shard.Server
	for _, server := range home {
		if server != shard.Old && !slices.Contains(servers, server) && !slices.Contains(all, server) {
			all = append(all, server)
		}
	}
	return all
}

// planInMapOrder gives buckets away in the order of a Go map.
func planInMapOrder(home shard.Assignment, servers []shard.Server) shard.Assignment {
	room := make(map[shard.Server]int)
	for i, server := range servers {
		room[server] = shard.Buckets / len(servers)
		if i < shard.Buckets%len(servers) {
			room[server]++
		}
	}
	plan := home
	for b, server := range home {
		if room[server] > 0 {
			room[server]--
			continue
		}
		plan[b] = -1
	}
	for b, server := range plan {
		for to, n := range room {
			if server == -1 && n > 0 {
				plan[b] = to
				room[to]--
				break
			}
		}
	}
	return plan
}

// planByList gives the remainder to the first servers on the list, whatever they have now.
func planByList(home shard.Assignment, servers []shard.Server) shard.Assignment {
	room := make(map[shard.Server]int)
	for i, server := range servers {
		room[server] = shard.Buckets / len(servers)
		if i < shard.Buckets%len(servers) {
			room[server]++
		}
	}
	plan := home
	var moving []int
	for b, server := range home {
		if room[server] == 0 {
			moving = append(moving, b)
			continue
		}
		room[server]--
	}
	for _, server := range servers {
		for ; room[server] > 0; room[server]-- {
			plan[moving[0]], moving = server, moving[1:]
		}
	}
	return plan
}

func (r *flawedRouter) Place(m shard.Map, user bytebites.UserID) shard.Place {
	b := r.Bucket(user)
	joined := m.NewFrom != "" && user >= m.NewFrom
	switch {
	case r.NewWhileEmpty:
		joined = user >= m.NewFrom
	case r.NewBehind:
		joined = m.NewFrom != "" && user > m.NewFrom
	}
	from, to := m.Source[b], m.Target[b]
	switch {
	case !m.Moves(b):
		return shard.Place{Home: from, Mirror: from}
	case m.Phase == shard.Flipped && r.NoMirrorBack:
		return shard.Place{Home: to, Mirror: to}
	case joined || m.Phase == shard.Flipped || m.Phase == shard.DarkReads && r.FlipsEarly:
		return shard.Place{Home: to, Mirror: from}
	case m.Phase == shard.NewUsers:
		return shard.Place{Home: from, Mirror: from}
	default:
		return shard.Place{Home: from, Mirror: to}
	}
}

// Other returns a right router that shares little with the solution: another hash, another form of
// ids, and another way to plan.
func Other() shard.Router { return other{sharding.NewRouter()} }

type other struct{ shard.Router }

func (other) Bucket(user bytebites.UserID) shard.Bucket {
	h := fnv.New64a()
	_, _ = h.Write([]byte(user)) // a hash takes all
	sum := h.Sum64()
	sum ^= sum >> 29 // FNV's low bits depend on few bits of the last character
	sum *= 0xbf58476d1ce4e5b9
	return shard.Bucket((sum >> 32) % shard.Buckets)
}

func (o other) NewOrderID(user bytebites.UserID) bytebites.OrderID {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return bytebites.OrderID(fmt.Sprintf("b%d-%x", o.Bucket(user), random))
}

func (other) BucketOf(order bytebites.OrderID) (shard.Bucket, bool) {
	tag, random, two := strings.Cut(string(order), "-")
	bucket, err := strconv.Atoi(strings.TrimPrefix(tag, "b"))
	if !two || err != nil || tag != "b"+strconv.Itoa(bucket) || len(random) != 32 || bucket < 0 || bucket >= shard.Buckets {
		return 0, false
	}
	return shard.Bucket(bucket), true
}

// Plan takes buckets away from the last on, each to the server with most room.
func (other) Plan(home shard.Assignment, servers []shard.Server) shard.Assignment {
	room := make(map[shard.Server]int)
	for _, server := range home {
		room[server]--
	}
	sorted := slices.Sorted(slices.Values(servers))
	slices.SortStableFunc(sorted, func(a, b shard.Server) int { return room[a] - room[b] }) // most buckets first
	for i, server := range sorted {
		room[server] += (shard.Buckets + len(sorted) - 1 - i) / len(sorted)
	}
	for b := shard.Buckets - 1; b >= 0; b-- {
		from := home[b]
		if slices.Contains(servers, from) && room[from] >= 0 {
			continue
		}
		to := slices.MaxFunc(sorted, func(a, b shard.Server) int { return room[a] - room[b] })
		home[b] = to
		room[from]++
		room[to]--
	}
	return home
}

// Place follows the solution's table, in the bucket of this router.
func (o other) Place(m shard.Map, user bytebites.UserID) shard.Place {
	here, there := o.Bucket(user), o.Router.Bucket(user)
	m.Source[there], m.Target[there] = m.Source[here], m.Target[here]
	return o.Router.Place(m, user)
}

// tagged returns an order's id that the solution's BucketOf reads, if the rest has 26 characters.
func tagged(bucket shard.Bucket, rest string) bytebites.OrderID {
	return bytebites.OrderID(fmt.Sprintf("ord_%03x_%s", int(bucket), rest))
}
