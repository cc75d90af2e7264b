package spec

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// writers is how many subscribers write all the time. Their ids are far apart, so that a move
	// by key range reaches them at different times.
	writers = 12
	// extrasEach is how many subscribers of each shard, by the router's plan, write when a check
	// asks. They have the first ids, where a move by key range begins.
	extrasEach = 5
)

// numbers returns the numbers of the subscribers who will write: the writers, then the extras.
func (l *trial) numbers() []int {
	var chosen []int
	for i := range writers {
		chosen = append(chosen, 1+i*l.scale.size.Users/writers)
	}
	plan := l.planned()
	counts := make(map[shard.Server]int)
	for n := 1; n <= l.scale.size.Users && len(chosen) < writers+shards*extrasEach; n++ {
		server, ok := plan(seed.User(n))
		if slices.Contains(chosen, n) || ok && counts[server] == extrasEach {
			continue
		}
		counts[server]++
		chosen = append(chosen, n)
	}
	return chosen
}

// planned returns a function that returns the shard of a subscriber by the router's plan. It
// returns false for a router that has no valid answer, which the checks of router.go reject.
func (l *trial) planned() func(bytebites.UserID) (shard.Server, bool) {
	var plan shard.Assignment
	router := l.subject.Router
	err := guarded(lab.Look{File: "router.go", Func: "router.Plan"}, func() error {
		plan = router.Plan(plan, serversUpTo(shards))
		return wantShares(plan, serversUpTo(shards))
	})
	return func(user bytebites.UserID) (server shard.Server, ok bool) {
		if err != nil {
			return 0, false
		}
		unknown := guarded(lab.Look{File: "router.go", Func: "router.Bucket"}, func() error { server = plan[router.Bucket(user)]; return nil })
		return server, unknown == nil
	}
}

// signIn signs in the subscribers who will write, half of them on each replica.
func (l *trial) signIn(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	numbers := l.numbers()
	all := make([]*person, len(numbers))
	group, ctx := errgroup.WithContext(ctx)
	for i, replica := range l.replicas {
		group.Go(func() error {
			var emails []string
			var at []int
			for j := i; j < len(numbers); j += len(l.replicas) {
				emails, at = append(emails, seed.Email(numbers[j])), append(at, j)
			}
			sessions, err := load.Login(ctx, replica.URL(), seed.Password, emails)
			if err != nil {
				return err
			}
			for k, s := range sessions {
				all[at[k]] = newPerson(seed.User(numbers[at[k]]), s.Email, s.Cookie)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	l.people, l.extras = all[:writers], all[writers:]
	return nil, nil
}

// someOfEach returns so many subscribers of each server that is a home by the map.
func (l *trial) someOfEach(m shard.Map, each int) ([]*person, error) {
	var chosen []*person
	counts := make(map[shard.Server]int)
	for _, p := range l.everybody() {
		if home := l.home(m, p).number; counts[home] < each {
			counts[home]++
			chosen = append(chosen, p)
		}
	}
	for server := range spreadOf(m.Source) {
		if counts[server] < each {
			return nil, &lab.Failure{
				Expected: fmt.Sprintf("%d of %d subscribers on server %d", each, len(l.everybody()), server), Seen: fmt.Sprintf("%d", counts[server]),
				Look: lab.Look{File: "router.go", Func: "router.Bucket", Hint: "how are ids spread over the buckets?"},
			}
		}
	}
	return chosen, nil
}

// spreadOf returns the number of buckets of each server.
func spreadOf(a shard.Assignment) map[shard.Server]int {
	counts := make(map[shard.Server]int)
	for _, server := range a {
		counts[server]++
	}
	return counts
}
