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
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// writerPause is the pause of each subscriber after a write.
	writerPause = 600 * time.Millisecond
	// readers read all the time and write nothing. Their pause is short in phase dark-reads,
	// where the mover waits for reads, and long otherwise, to leave the CPU to the mover.
	readers         = 2
	readerPauseDark = 15 * time.Millisecond
	readerPause     = 150 * time.Millisecond
	// joinPause is the pause between two subscribers who join.
	joinPause = time.Second
)

// crowd is the load of a move: subscribers write, others join, until it is ended.
type crowd struct {
	trial  *trial
	stop   chan struct{}
	group  sync.WaitGroup
	mu     sync.Mutex
	joined []*person
}

// startCrowd starts the load. Readers read the carts of the watched subscribers.
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

// watch starts readers of carts. The mover waits until enough was read of subscribers who move,
// and the writers alone do not read enough.
func (c *crowd) watch(ctx context.Context, people []*person) {
	for i := range min(readers, len(people)) {
		c.group.Go(func() {
			for n := i; !c.over(ctx); n++ {
				// The writers compare what they read. A read may fail while servers start and stop.
				_, _ = c.trial.enterAs(ctx, n, request{method: http.MethodGet, path: "/cart", cookie: people[n/2%len(people)].cookie})
				if c.trial.phaseNow() == shard.DarkReads {
					c.pause(ctx, readerPauseDark)
				} else {
					c.pause(ctx, readerPause)
				}
			}
		})
	}
}

// end ends the load when all requests under way are answered, so that the outcome of each is
// known. Those who joined are extras from then on, and their rows are compared too.
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

// join signs a subscriber up, signs them in on the other replica, and writes one thing of each
// sort. It returns nil when the sign-up or sign-in failed, which is then in the ledger.
func (l *trial) join(ctx context.Context, n int) *person {
	email := fmt.Sprintf("joined-%d-%d@bytebites.example", time.Now().UnixMilli(), n)
	p := newPerson(bytebites.UserID(email), email, "") // until their id is known
	p.turn = n
	credentials := map[string]string{"email": email, "password": seed.Password}
	account := map[string]string{"email": email, "password": seed.Password, "name": fmt.Sprintf("Joined %d", n)}
	l.ledger.trying(email)
	ok := l.store(ctx, p, write{
		what: "account", request: request{method: http.MethodPost, path: "/accounts", body: account},
		// The answer to a first try may have been lost; then their address is taken already.
		status:       []int{http.StatusCreated, http.StatusConflict},
		acknowledged: func(rig.Answer) error { return nil },
	})
	ok = ok && l.store(ctx, p, write{
		what: "session", request: request{method: http.MethodPost, path: "/sessions", body: credentials},
		status: []int{http.StatusCreated},
		acknowledged: func(a rig.Answer) error {
			var session struct {
				User bytebites.UserID `json:"user_id"`
			}
			if err := json.Unmarshal(a.Body, &session); err != nil {
				return err
			}
			if len(a.Cookies) != 1 {
				return fmt.Errorf("%d cookies", len(a.Cookies))
			}
			turn := p.turn
			p = newPerson(session.User, email, a.Cookies[0].Name+"="+a.Cookies[0].Value)
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
