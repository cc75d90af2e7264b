package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
)

// atOnce is how many requests of a check are under way at a time.
const atOnce = 8

// crowd is how many people there are.
type crowd struct {
	seeded int // subscribers of the old server
	// joiners sign up once new people have their home on a shard, and residents of each shard order: so
	// orders, and outboxes, are on all three servers. More join than order, for who lives where is
	// chance. And not many order: all that they have is copied to the old server with each
	// of their writes.
	joiners, residents int
}

// smallCrowd is for checks that take seconds.
func smallCrowd() crowd { return crowd{seeded: 24, joiners: 16, residents: 4} }

// largeCrowd is for the long run: nobody has hundreds of orders, which a copy would have to carry.
func largeCrowd() crowd { return crowd{seeded: 240, joiners: 200, residents: 80} }

// person is a subscriber.
type person struct {
	user   bytebites.UserID
	email  string
	cookie string
	home   *node // the server that their orders are on
}

// old are the people of the old server: what they write is copied nowhere.
func (l *trial) old() []*person { return l.people[:l.crowd.seeded] }

// mixed returns n people, half of them of the old server and half of the shards, who may be among
// them more than once.
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

// gather signs up those who join, and signs those in who order.
func (l *trial) gather(ctx context.Context) error {
	if err := l.signUp(ctx); err != nil {
		return err
	}
	for n := range l.crowd.seeded {
		l.people = append(l.people, &person{user: seed.User(1 + n), email: seed.Email(1 + n), home: l.nodes[0]})
	}
	for _, n := range l.nodes[1:] {
		theirs, err := n.residents(ctx, l.crowd.residents)
		if err != nil {
			return fmt.Errorf("look for people on %s: %w", n.name, err)
		}
		if len(theirs) == 0 {
			return fmt.Errorf("of %d people who joined nobody has a home on %s", l.crowd.joiners, n.name)
		}
		l.people = append(l.people, theirs...)
	}
	emails := make([]string, len(l.people))
	for i, p := range l.people {
		emails[i] = p.email
	}
	sessions, err := load.Login(ctx, l.replicas[0].URL(), seed.Password, emails)
	for i, s := range sessions {
		l.people[i].cookie = s.Cookie
	}
	return err
}

// signUp has people join.
func (l *trial) signUp(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for n := 1; n <= l.crowd.joiners; n++ {
		group.Go(func() error {
			// Who tries again may have been signed up the first time.
			_, _, err := l.persist(ctx, request{method: http.MethodPost, path: "/accounts", body: map[string]string{
				"email": fmt.Sprintf("joined-%d@bytebites.example", n), "password": seed.Password, "name": fmt.Sprintf("Joined %d", n),
			}}, http.StatusCreated, http.StatusConflict)
			return err
		})
	}
	return group.Wait()
}

// residents returns at most so many of those who live on a shard, where nobody else is.
func (n *node) residents(ctx context.Context, limit int) (found []*person, err error) {
	rows, err := n.pool.QueryContext(ctx, `SELECT user_id, email FROM users ORDER BY user_id LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		p := &person{home: n}
		if err := rows.Scan(&p.user, &p.email); err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, rows.Err()
}

// byHome divides orders by the server that they are on.
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
