package spec

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
)

const (
	// writerPause is the pause of each writer after a write.
	writerPause = 600 * time.Millisecond
	// onlookers read all the time and write nothing, each with a pause after every look: a short
	// one while a mover waits for what they read, else one that leaves the machine to it.
	onlookers    = 2
	onlookerEach = 15 * time.Millisecond
	onlookerIdle = 150 * time.Millisecond
	// joinPause is the pause between two people who join.
	joinPause = time.Second
)

// crowd is people who write, and people who join, until it is ended.
type crowd struct {
	trial  *trial
	stop   chan struct{}
	group  sync.WaitGroup
	mu     sync.Mutex
	joined []*person
}

// startCrowd has everybody write, and onlookers look at those who are watched, from now on.
func (l *trial) startCrowd(ctx context.Context, watched []*person) *crowd {
	l.ledger.begin()
	c := &crowd{trial: l, stop: make(chan struct{})}
	for i, p := range l.people {
		c.group.Go(func() {
			c.pause(ctx, writerPause*time.Duration(i)/writers) // not all at once
			for !c.over(ctx) {
				l.store(ctx, p, p.something())
				c.pause(ctx, writerPause)
			}
		})
	}
	c.watch(ctx, watched)
	c.group.Go(func() {
		for n := 1; !c.over(ctx); n++ {
			if p := l.join(ctx, n); p != nil {
				c.mu.Lock()
				c.joined = append(c.joined, p)
				c.mu.Unlock()
			}
			c.pause(ctx, joinPause)
		}
	})
	return c
}

// watch has onlookers look at the carts of people: the mover waits until enough has been read of
// who moves, and the people themselves do not read enough.
func (c *crowd) watch(ctx context.Context, people []*person) {
	for i := range min(onlookers, len(people)) {
		c.group.Go(func() {
			for n := i; !c.over(ctx); n++ {
				// What they see is looked at by those who write it, and nobody promises a read
				// while servers come and go.
				_, _ = c.trial.enterAs(ctx, n, request{method: http.MethodGet, path: "/cart", cookie: people[n/2%len(people)].cookie})
				if c.trial.phaseNow() == shard.DarkReads {
					c.pause(ctx, onlookerEach)
				} else {
					c.pause(ctx, onlookerIdle)
				}
			}
		})
	}
}

// end has everybody finish what they are at, so that nothing is in doubt. Who joined is one
// of the extras from then on, whose data is looked at too.
func (c *crowd) end() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.group.Wait()
	c.trial.extras = append(c.trial.extras, c.joined...)
	c.joined = nil
}

func (c *crowd) over(ctx context.Context) bool {
	select {
	case <-c.stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

func (c *crowd) pause(ctx context.Context, d time.Duration) {
	select {
	case <-c.stop:
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// join has somebody sign up, sign in on the other replica, and write something of each sort.
// It returns nil when they did not get in, which is then in the ledger.
func (l *trial) join(ctx context.Context, n int) *person {
	email := fmt.Sprintf("joined-%d-%d@bytebites.example", time.Now().UnixMilli(), n)
	p := newPerson(bytebites.UserID(email), email, "") // until their id is known
	p.turn = n
	credentials := map[string]string{"email": email, "password": seed.Password}
	account := map[string]string{"email": email, "password": seed.Password, "name": fmt.Sprintf("Joined %d", n)}
	l.ledger.trying(email)
	ok := l.store(ctx, p, write{
		what: "account", request: request{method: http.MethodPost, path: "/accounts", body: account},
		// The answer to a first try may have been lost: then the address is taken, by them.
		status:       []int{http.StatusCreated, http.StatusConflict},
		acknowledged: func(answer) error { return nil },
	})
	ok = ok && l.store(ctx, p, write{
		what: "session", request: request{method: http.MethodPost, path: "/sessions", body: credentials},
		status: []int{http.StatusCreated},
		acknowledged: func(a answer) error {
			var session struct {
				User bytebites.UserID `json:"user_id"`
			}
			if err := json.Unmarshal(a.body, &session); err != nil {
				return err
			}
			if len(a.cookies) != 1 {
				return fmt.Errorf("%d cookies", len(a.cookies))
			}
			turn := p.turn
			p = newPerson(session.User, email, a.cookies[0].Name+"="+a.cookies[0].Value)
			p.turn = turn
			return nil
		},
	})
	if !ok {
		return nil
	}
	l.ledger.join()
	for _, w := range []write{p.setPreferences(), p.setCart(), p.setAddresses(), p.rate(), p.order()} {
		l.store(ctx, p, w)
	}
	return p
}
