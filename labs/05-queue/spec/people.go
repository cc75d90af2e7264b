package spec

import (
	"context"
	"fmt"
	"net/http"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// concurrency is how many requests of a check are under way at a time.
const concurrency = 8

// crowd says how many subscribers there are.
type crowd struct {
	seeded int // subscribers of the old server who order
	// joiners is how many subscribers sign up once new ones are put on a shard, and residents
	// how many of each shard order. So orders and outboxes are on all three servers. More join
	// than order, because the shard of each follows from a hash. Few order, because each of
	// their writes copies all that they have to the old server.
	joiners, residents int
}

// smallCrowd is for checks that take seconds.
func smallCrowd() crowd { return crowd{seeded: 24, joiners: 16, residents: 4} }

// largeCrowd is for the long run. With fewer subscribers each would have hundreds of orders, and
// each write on a shard copies all orders of its subscriber.
func largeCrowd() crowd { return crowd{seeded: 240, joiners: 200, residents: 80} }

// person is a subscriber.
type person struct {
	user   bytebites.UserID
	email  string
	cookie string
	home   *node // the server that has their orders
}

// old returns the subscribers of the old server. Their writes are copied to no other server.
func (l *trial) old() []*person { return l.people[:l.crowd.seeded] }

// mixed returns n subscribers, half of them of the old server and half of the shards. It may
// return one several times.
func (l *trial) mixed(n int) []*person {
	ofShards := l.people[l.crowd.seeded:]
	chosen := make([]*person, n)
	for i := range chosen {
		if i%2 == 0 {
			chosen[i] = l.people[i/2%l.crowd.seeded]
		} else {
			chosen[i] = ofShards[i/2%len(ofShards)]
		}
	}
	return chosen
}

// gather puts new subscribers on the shards from now on, signs some up, and signs in those who
// order.
func (l *trial) gather(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	if err := l.moveNewPeople(ctx); err != nil {
		return nil, err
	}
	if err := l.signUp(ctx); err != nil {
		return nil, err
	}
	for n := range l.crowd.seeded {
		l.people = append(l.people, &person{user: seed.User(1 + n), email: seed.Email(1 + n), home: l.nodes[0]})
	}
	for _, n := range l.nodes[1:] {
		residents, err := n.residents(ctx, l.crowd.residents)
		if err != nil {
			return nil, fmt.Errorf("read subscribers on %s: %w", n.name, err)
		}
		if len(residents) == 0 {
			return nil, fmt.Errorf("read subscribers on %s: none of %d who joined is there", n.name, l.crowd.joiners)
		}
		l.people = append(l.people, residents...)
	}
	emails := make([]string, len(l.people))
	for i, p := range l.people {
		emails[i] = p.email
	}
	sessions, err := load.Login(ctx, l.replicas[0].URL(), seed.Password, emails)
	for i, s := range sessions {
		l.people[i].cookie = s.Cookie
	}
	return nil, err
}

// moveNewPeople runs the first phase of lab 04's migration: new subscribers are put on a shard.
func (l *trial) moveNewPeople(ctx context.Context) error {
	// The counters of pages read while the server warmed up would mislead the check of its memory.
	if _, err := l.servers.Pool.ExecContext(ctx, `SELECT pg_stat_reset()`); err != nil {
		return fmt.Errorf("reset statistics: %w", err)
	}
	o := l.serviceBefore("")
	o.Env = map[string]string{"BYTEBITES_DATABASE_TYPE": databaseType().Name, "BYTEBITES_LARGEST_TYPE": databaseType().Name}
	mover, err := l.servers.Bed.Role(ctx, testbed.RoleOptions{Service: o, Name: "mover", Role: "migrate", Args: []string{shard.NewUsers.String()}})
	if err != nil {
		return err
	}
	code, log, err := mover.Wait(ctx)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("move new subscribers to the shards: exit code %d: %s", code, rig.Tail(log))
	}
	return mover.Remove(ctx)
}

// signUp has subscribers join. Signing up is not part of the lab, so no error blames its code.
func (l *trial) signUp(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for n := 1; n <= l.crowd.joiners; n++ {
		group.Go(func() error {
			// The first try may have succeeded although its answer was lost: then a conflict.
			_, _, seen, err := l.retry(ctx, rig.Request{Method: http.MethodPost, Path: "/accounts", Body: map[string]string{
				"email": fmt.Sprintf("joined-%d@bytebites.example", n), "password": seed.Password, "name": fmt.Sprintf("Joined %d", n),
			}}, http.StatusCreated, http.StatusConflict)
			if err == nil && seen != "" {
				err = fmt.Errorf("sign up subscriber %d: %s", n, seen)
			}
			return err
		})
	}
	return group.Wait()
}

// residents returns subscribers of a shard, at most limit.
func (n *node) residents(ctx context.Context, limit int) (found []*person, err error) {
	err = postgres.Each(ctx, n.pool, `SELECT user_id, email FROM users ORDER BY user_id LIMIT $1`, []any{limit}, func(scan func(...any) error) error {
		p := &person{home: n}
		if err := scan(&p.user, &p.email); err != nil {
			return err
		}
		found = append(found, p)
		return nil
	})
	return found, err
}

// byHome divides orders by the server that has them.
func byHome(orders []*order) map[*node][]*order {
	divided := make(map[*node][]*order)
	for _, o := range orders {
		divided[o.person.home] = append(divided[o.person.home], o)
	}
	return divided
}

func idsOf(orders []*order) pq.StringArray {
	ids := make(pq.StringArray, len(orders))
	for i, o := range orders {
		ids[i] = string(o.id)
	}
	return ids
}
