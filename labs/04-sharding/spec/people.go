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
	// writers write all the time. They are as far apart in the order of ids as can be, so that
	// a move by key range comes to them at different times.
	writers = 12
	// extrasEach are of each shard, as the router plans it, and write when a check has them.
	// They are the first in the order of ids, where a move by key range begins.
	extrasEach = 5
)

// numbers are those of the subscribers who will write: the writers, and then the extras.
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

// planned returns where somebody will live as the router plans it; false when that cannot be
// known, for which there are checks of its own.
func (l *trial) planned() func(bytebites.UserID) (shard.Server, bool) {
	var plan shard.Assignment
	router := l.subject.Router
	err := guarded("router.go", func() error {
		plan = router.Plan(plan, serversUpTo(shards))
		return wantShares(plan, serversUpTo(shards))
	})
	return func(user bytebites.UserID) (server shard.Server, ok bool) {
		if err != nil {
			return 0, false
		}
		unknown := guarded("router.go", func() error { server = plan[router.Bucket(user)]; return nil })
		return server, unknown == nil
	}
}

// signIn signs in everybody who will write, half of them on each replica.
func (l *trial) signIn(ctx context.Context) error {
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
		return err
	}
	l.people, l.extras = all[:writers], all[writers:]
	return nil
}

// someOfEach returns so many people of each server that is somebody's home.
func (l *trial) someOfEach(m shard.Map, each int) ([]*person, error) {
	var chosen []*person
	counts := make(map[shard.Server]int)
	for _, p := range l.everybody() {
		if home := l.home(m, p).number; counts[home] < each {
			counts[home]++
			chosen = append(chosen, p)
		}
	}
	for server := range spreadOf(m.Home) {
		if counts[server] < each {
			return nil, &lab.Failure{
				Expected: fmt.Sprintf("%d of %d people on server %d", each, len(l.everybody()), server), Seen: fmt.Sprintf("%d", counts[server]),
				Look: lab.Look{Hint: "Bucket in router.go"},
			}
		}
	}
	return chosen, nil
}

// spreadOf is how many buckets each server has.
func spreadOf(a shard.Assignment) map[shard.Server]int {
	counts := make(map[shard.Server]int)
	for _, server := range a {
		counts[server]++
	}
	return counts
}
