package spec

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// shards is how many servers take the user data.
const shards = 4

// serversUpTo returns the shards from the first to the n-th.
func serversUpTo(n int) []shard.Server {
	all := make([]shard.Server, n)
	for i := range all {
		all[i] = shard.Server(1 + i)
	}
	return all
}

// plan checks the plan of the first move, and that of a fifth server.
func (l *trial) plan(_ context.Context, run *lab.Run) error {
	return answered(routerTimeout, lab.Look{File: "router.go", Func: "router.Plan"}, func() error {
		var old shard.Assignment // all buckets on shard.Old
		four := l.subject.Router.Plan(old, serversUpTo(shards))
		if err := wantShares(four, serversUpTo(shards)); err != nil {
			return err
		}
		if again := l.subject.Router.Plan(old, serversUpTo(shards)); again != four {
			return &lab.Failure{
				Expected: "the same plan each time", Seen: fmt.Sprintf("another server for %d buckets", differing(four, again)),
				Look: lab.Look{File: "router.go", Func: "router.Plan", Hint: "walk in order and never over a Go map: a mover that was killed plans again, and must get the same plan"},
			}
		}
		five := l.subject.Router.Plan(four, serversUpTo(shards+1))
		if err := wantShares(five, serversUpTo(shards+1)); err != nil {
			return err
		}
		moved, between := 0, 0
		for b := range five {
			if five[b] != four[b] {
				moved++
				if five[b] != shards+1 {
					between++
				}
			}
		}
		run.Report("buckets that move to a fifth server", 100*float64(moved)/shard.Buckets, "%")
		run.Report("subscribers that would move by modulo", 100*movedByModulo(), "%")
		if moved > shard.Buckets/4 || moved < shard.Buckets/6 || between > 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("a fifth server to take over a sixth to a quarter of %d buckets, and no bucket to move between the others", shard.Buckets),
				Seen:     fmt.Sprintf("%d moved, %d of them between the others", moved, between),
				Look:     lab.Look{File: "router.go", Func: "router.Plan", Hint: "which server has more than its share, and how many more?"},
			}
		}
		return l.anyPlan()
	})
}

// anyPlan checks plans from any sources to any servers: as few buckets as possible move, and when all
// are where they should be, none.
func (l *trial) anyPlan() error {
	random := rand.New(rand.NewPCG(4, 4)) // fixed, so that a failure comes again
	homes := []shard.Assignment{{}}
	for range 6 {
		var home shard.Assignment
		for b := range home {
			home[b] = shard.Server(1 + random.IntN(1+random.IntN(6)))
		}
		homes = append(homes, home)
	}
	// Three servers have 341 buckets each, and the last has the one more.
	var uneven shard.Assignment
	for b := range uneven {
		uneven[b] = shard.Server(1 + (b+2)%3)
	}
	for _, home := range append(homes, uneven) {
		for _, servers := range [][]shard.Server{{1, 2, 3, 4}, {1, 2, 3}, {4, 2, 1}, {1, 2, 3, 4, 5, 6, 7}, {5}, {2, 6}} {
			given := slices.Clone(servers)
			plan := l.subject.Router.Plan(home, servers)
			if !slices.Equal(servers, given) {
				return &lab.Failure{
					Expected: "the caller's list of servers to stay as it is", Seen: fmt.Sprintf("%d, which was %d", servers, given),
					Look: lab.Look{File: "router.go", Func: "router.Plan", Hint: "sort a copy of the servers"},
				}
			}
			if err := wantShares(plan, servers); err != nil {
				return err
			}
			moved := differing(plan, home)
			// Where the buckets do not divide, the servers with most buckets keep one more.
			if least := fewestMoves(home, servers); moved > least {
				return &lab.Failure{
					Expected: fmt.Sprintf("%d buckets to move from servers with %v buckets to the servers %v", least, spreadOf(home), servers),
					Seen:     fmt.Sprintf("%d", moved),
					Look:     lab.Look{File: "router.go", Func: "router.Plan", Hint: "which server has more than its share? A server that is not on the list gives all of its buckets, and the servers with most buckets now get the remainder"},
				}
			}
			if again := l.subject.Router.Plan(plan, servers); again != plan {
				return &lab.Failure{
					Expected: "no bucket to move after a move to the servers " + fmt.Sprint(servers),
					Seen:     fmt.Sprintf("%d buckets that move again", differing(plan, again)),
					Look:     lab.Look{File: "router.go", Func: "router.Plan", Hint: "plan again from your own plan: each bucket must stay. Give the remainder to the servers with most buckets now"},
				}
			}
			for range 3 {
				if again := l.subject.Router.Plan(home, servers); again != plan {
					return &lab.Failure{
						Expected: "the same plan each time", Seen: fmt.Sprintf("another server for %d buckets", differing(plan, again)),
						Look: lab.Look{File: "router.go", Func: "router.Plan", Hint: "walk in order and never over a Go map: a mover that was killed plans again, and must get the same plan"},
					}
				}
			}
		}
	}
	return nil
}

// differing returns the number of buckets that are on another server.
func differing(a, b shard.Assignment) int {
	n := 0
	for bucket := range a {
		if a[bucket] != b[bucket] {
			n++
		}
	}
	return n
}

// fewestMoves returns the least number of buckets that must move so that each server has its share.
// Where the buckets do not divide, those that have most keep one more.
func fewestMoves(home shard.Assignment, servers []shard.Server) int {
	counts := spreadOf(home)
	has := make([]int, 0, len(servers))
	for _, server := range servers {
		has = append(has, counts[server])
	}
	slices.SortFunc(has, func(a, b int) int { return b - a })
	stay := 0
	for i, n := range has {
		share := shard.Buckets / len(servers)
		if i < shard.Buckets%len(servers) {
			share++
		}
		stay += min(n, share)
	}
	return shard.Buckets - stay
}

// wantShares demands that the numbers of buckets of the servers differ by one at most.
func wantShares(plan shard.Assignment, servers []shard.Server) error {
	counts := spreadOf(plan)
	least := shard.Buckets / len(servers)
	most := (shard.Buckets + len(servers) - 1) / len(servers)
	for _, server := range servers {
		if n := counts[server]; n < least || n > most {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s of %d buckets on each of %d servers", numbers(least, most), shard.Buckets, len(servers)),
				Seen:     fmt.Sprintf("%d on server %d", n, server),
				Look:     lab.Look{File: "router.go", Func: "router.Plan", Hint: "which server has more than its share?"},
			}
		}
	}
	return nil
}

// numbers returns a range as text: "256", or "204 to 205".
func numbers(least, most int) string {
	if least == most {
		return fmt.Sprint(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// movedByModulo returns the share of subscribers that a fifth server would move if the server
// were the hash modulo the number of servers.
func movedByModulo() float64 {
	moved := 0
	for n := range manyIDs {
		h := fnv.New64a()
		_, _ = h.Write([]byte(seed.User(1 + n))) // a hash takes all
		if sum := h.Sum64(); sum%shards != sum%(shards+1) {
			moved++
		}
	}
	return float64(moved) / manyIDs
}

// places checks the places of subscribers in each phase of a move.
func (l *trial) places(context.Context, *lab.Run) error {
	return answered(routerTimeout, lab.Look{File: "router.go", Func: "router.Place"}, func() error {
		const old, joined = bytebites.UserID("u0000007"), bytebites.UserID("v0000007")
		for _, user := range []bytebites.UserID{old, joined, "v"} {
			for _, from := range []shard.Server{shard.Old, 2} {
				for _, phase := range shard.Phases() {
					m := shard.Map{Version: 9, Phase: phase, NewFrom: "v"}
					bucket := l.subject.Router.Bucket(user)
					m.Source[bucket], m.Target[bucket] = from, 3
					if err := l.wantPlace(m, user, placeOf(phase, user >= m.NewFrom, from, 3)); err != nil {
						return err
					}
					m.Target[bucket] = from
					if err := l.wantPlace(m, user, shard.Place{Home: from, Mirror: from}); err != nil {
						return err
					}
					// On the way back NewFrom is empty, and buckets still move.
					m.Target[bucket], m.NewFrom = 3, ""
					if err := l.wantPlace(m, user, placeOf(phase, false, from, 3)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// placeOf returns the place of a subscriber whose bucket moves, by the table of the lesson.
func placeOf(phase shard.Phase, joined bool, source, target shard.Server) shard.Place {
	switch {
	case phase == shard.Settled, phase == shard.NewUsers && !joined:
		return shard.Place{Home: source, Mirror: source}
	case phase == shard.Flipped, joined:
		return shard.Place{Home: target, Mirror: source}
	default:
		return shard.Place{Home: source, Mirror: target}
	}
}

func (l *trial) wantPlace(m shard.Map, user bytebites.UserID, want shard.Place) error {
	seen := l.subject.Router.Place(m, user)
	if seen == want {
		return nil
	}
	b := l.subject.Router.Bucket(user)
	who := "a subscriber from before"
	if m.NewFrom != "" && user >= m.NewFrom {
		who = "a subscriber who joined since"
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("in phase %s %s, whose bucket has source %d and target %d, to have home %d and mirror %d",
			m.Phase, who, m.Source[b], m.Target[b], want.Home, want.Mirror),
		Seen: fmt.Sprintf("home %d and mirror %d", seen.Home, seen.Mirror),
		Look: lab.Look{File: "router.go", Func: "router.Place", Hint: "see the table of phases in the lesson"},
	}
}
