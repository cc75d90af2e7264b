package spec

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// newest is how many subscribers who joined last, or join next, are checked. Most orders
	// are theirs. joinEvery is the time between two who join next.
	newest    = 500
	joinEvery = time.Minute
	// mostNewest is the share of them that one shard may have. A good hash gives a shard of
	// four more than that once in 1e13 runs.
	mostNewest = 0.40
	// neighbours is how many subscribers a report by month asks for: their ids are consecutive.
	neighbours = 50
)

// settled returns the map, and the rows of all subscribers by shard.
func (l *trial) settled(ctx context.Context) (shard.Map, settlement, error) {
	m, err := l.readMap(ctx)
	if err != nil {
		return shard.Map{}, settlement{}, err
	}
	all, err := censuses(ctx, l.nodes[1:])
	if err != nil {
		return shard.Map{}, settlement{}, err
	}
	return m, l.settle(m, l.nodes[1:], all), nil
}

// placement demands that all rows of each subscriber are on the shard of their bucket.
func (l *trial) placement(ctx context.Context, _ *lab.Run) error {
	_, s, err := l.settled(ctx)
	if err != nil {
		return err
	}
	return failIf(slices.Concat(s.twice, s.astray), "all rows of a subscriber on one shard, the one that the map has for their bucket",
		lab.Look{File: "stores.go", Func: "stores.Write", Hint: "which server is written to? And is a bucket the same in every process?"})
}

// even demands that the subscribers are spread evenly over the shards.
func (l *trial) even(ctx context.Context, run *lab.Run) error {
	m, s, err := l.settled(ctx)
	if err != nil {
		return err
	}
	if err := l.keepShards(m, s); err != nil {
		return err
	}
	sizes := s.sizes()
	var counts []int
	for _, n := range l.nodes[1:] {
		counts = append(counts, sizes[n.number])
	}
	fewest, most := extremes(counts)
	run.Report("subscribers on the smallest shard", float64(fewest), "")
	run.Report("subscribers on the largest shard", float64(most), "")
	if p := chance(counts); p < leastProbability {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d subscribers spread evenly over %d shards", len(s.homes), len(counts)),
			Seen:     fmt.Sprintf("%v; %s", counts, odds(p)),
			Look:     lab.Look{File: "router.go", Func: "router.Bucket", Hint: "how are ids spread over the buckets, and buckets over the shards?"},
		}
	}
	return nil
}

// keepShards writes the rows of each shard to the evidence.
func (l *trial) keepShards(m shard.Map, s settlement) error {
	sums := make(map[shard.Server]map[string]int)
	for _, n := range l.nodes[1:] {
		sums[n.number] = make(map[string]int)
	}
	for user, home := range s.homes {
		for table, p := range s.all[user] {
			sums[home][table] += p.rows
		}
	}
	return evidence.Keep(Name, "shards.txt", evidence.Table("What is on each shard: buckets by the map, and rows by table.\n\n", func(w io.Writer) {
		fmt.Fprint(w, "shard\tbuckets\t")
		for _, table := range userTables() {
			fmt.Fprint(w, table+"\t")
		}
		fmt.Fprintln(w)
		for _, n := range l.nodes[1:] {
			fmt.Fprintf(w, "%d\t%d\t", n.number, spreadOf(m.Source)[n.number])
			for _, table := range userTables() {
				fmt.Fprintf(w, "%d\t", sums[n.number][table])
			}
			fmt.Fprintln(w)
		}
	}))
}

// hotShard asks the router for the shards of the subscribers who join next. It needs no server.
func (l *trial) hotShard(_ context.Context, run *lab.Run) error {
	return answered(routerTimeout, lab.Look{File: "router.go", Func: "router.Bucket"}, func() error {
		plan := l.subject.Router.Plan(shard.Assignment{}, serversUpTo(shards))
		next, now := make([]bytebites.UserID, newest), time.Now()
		for i := range next {
			next[i] = bytebites.NewUserID(now.Add(time.Duration(i) * joinEvery))
			if err := l.inRange(next[i]); err != nil {
				return err
			}
		}
		counts := spread(next, func(user bytebites.UserID) shard.Server { return plan[l.subject.Router.Bucket(user)] })
		run.Report(fmt.Sprintf("the next %d subscribers: on the busiest shard", newest), float64(most(counts)), "")
		if limit := int(mostNewest * newest); most(counts) > limit {
			return &lab.Failure{
				Expected: fmt.Sprintf("at most %d of the next %d subscribers on one shard", limit, newest),
				Seen:     fmt.Sprintf("%d", most(counts)),
				Look:     lab.Look{File: "router.go", Func: "router.Bucket", Hint: "subscribers who join tonight order tonight: do their ids share a bucket?"},
			}
		}
		return nil
	})
}

// newestSubscribers counts where the subscribers are who joined last, and where they would be
// if each shard had a range of ids.
func (l *trial) newestSubscribers(ctx context.Context, run *lab.Run) error {
	_, s, err := l.settled(ctx)
	if err != nil {
		return err
	}
	users := make([]bytebites.UserID, 0, len(s.homes)) // ids grow with time
	for user := range s.homes {
		users = append(users, user)
	}
	slices.Sort(users)
	byRange := func(user bytebites.UserID) shard.Server {
		at, _ := slices.BinarySearch(users, user)
		return shard.Server(1 + at*shards/len(users))
	}
	byHash := func(user bytebites.UserID) shard.Server { return s.homes[user] }
	last := users[len(users)-min(newest, len(users)):]
	hash, ranges := spread(last, byHash), spread(last, byRange)
	someMonth := users[len(users)/3:][:neighbours]
	hashAsked, rangeAsked := len(spread(someMonth, byHash)), len(spread(someMonth, byRange))
	run.Report(fmt.Sprintf("the newest %d subscribers: on the busiest shard by hash", newest), float64(most(hash)), "")
	run.Report(fmt.Sprintf("the newest %d subscribers: on the busiest shard by range", newest), float64(most(ranges)), "")
	run.Report(fmt.Sprintf("%d neighbours: shards asked by hash", neighbours), float64(hashAsked), "")
	run.Report(fmt.Sprintf("%d neighbours: shards asked by range", neighbours), float64(rangeAsked), "")
	text := evidence.Table(fmt.Sprintf("Where the newest %d of %d subscribers are, and where they would be if shards had ranges of ids.\n"+
		"Last line: how many shards a query for %d neighbours reaches, such as those from %s on.\n\n",
		len(last), len(users), neighbours, seed.User(len(users)/3)), func(w io.Writer) {
		fmt.Fprintln(w, "shard\tby hash\tby range\t")
		for _, n := range l.nodes[1:] {
			fmt.Fprintf(w, "%d\t%d\t%d\t\n", n.number, hash[n.number], ranges[n.number])
		}
		fmt.Fprintf(w, "asked\t%d\t%d\t\n", hashAsked, rangeAsked)
	})
	if err := evidence.Keep(Name, "range-or-hash.txt", text); err != nil {
		return err
	}
	if limit := int(mostNewest * float64(len(last))); most(hash) > limit {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d of the newest %d subscribers on one shard", limit, len(last)),
			Seen:     fmt.Sprintf("%d", most(hash)),
			Look:     lab.Look{File: "router.go", Func: "router.Bucket", Hint: "subscribers who join tonight order tonight: do their ids share a bucket?"},
		}
	}
	return nil
}

func spread(users []bytebites.UserID, where func(bytebites.UserID) shard.Server) map[shard.Server]int {
	counts := make(map[shard.Server]int)
	for _, user := range users {
		counts[where(user)]++
	}
	return counts
}

func most(counts map[shard.Server]int) int {
	largest := 0
	for _, n := range counts {
		largest = max(largest, n)
	}
	return largest
}
