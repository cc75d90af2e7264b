package spec

import (
	"context"
	"fmt"
	"io"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// newest is how many of those who joined last are looked at: most orders are theirs.
	newest = 500
	// mostNewest is the share of them that one shard may have. By chance a shard of four
	// comes to more once in 1e13 times.
	mostNewest = 0.40
	// neighbours are people whose ids follow one another, as a report by month asks for them.
	neighbours = 50
)

// settled looks at where everybody is.
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

// placement demands that all rows of everybody are on the shard of their bucket.
func (l *trial) placement(ctx context.Context, _ *lab.Run) error {
	if err := l.needsMigration(); err != nil {
		return err
	}
	_, s, err := l.settled(ctx)
	if err != nil {
		return err
	}
	return failIf(slices.Concat(s.twice, s.astray), "all rows of a subscriber on one shard, the one that the map has for their bucket",
		"router.go: is a bucket the same in every process? And stores.go: which server is asked?")
}

// even demands that the shards have as many subscribers each.
func (l *trial) even(ctx context.Context, run *lab.Run) error {
	if err := l.needsMigration(); err != nil {
		return err
	}
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
	if p := chance(counts); p < unlikely {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d subscribers spread evenly over %d shards", len(s.homes), len(counts)),
			Seen:     fmt.Sprintf("%v; %s", counts, odds(p)), Look: lab.Look{Hint: "Bucket and Plan in router.go"},
		}
	}
	return nil
}

// keepShards keeps what each shard has for the learner.
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
			fmt.Fprintf(w, "%d\t%d\t", n.number, spreadOf(m.Home)[n.number])
			for _, table := range userTables() {
				fmt.Fprintf(w, "%d\t", sums[n.number][table])
			}
			fmt.Fprintln(w)
		}
	}))
}

// hotShard looks at where those are who joined last, and where they would be if each shard had
// a range of ids in place of buckets.
func (l *trial) hotShard(ctx context.Context, run *lab.Run) error {
	if err := l.needsMigration(); err != nil {
		return err
	}
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
		"In the last line, how many shards a question about %d neighbours is asked of, such as those from %s on.\n\n",
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
			Seen:     fmt.Sprintf("%d", most(hash)), Look: lab.Look{Hint: "Bucket in router.go: who joins tonight orders tonight, and not on one shard"},
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
