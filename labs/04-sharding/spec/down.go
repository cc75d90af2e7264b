package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// down is the shard that hangs.
	down = shard.Server(3)
	// toldWithin is how soon its subscribers must be told that nothing can be done now.
	toldWithin = 2 * time.Second
	// shownWithin is how soon pages about everybody must be there: what is popular is asked, and
	// then how that is rated, each without waiting long for who does not answer.
	shownWithin = 3 * time.Second
	// backWithin is how soon all is well again when the shard is.
	backWithin = 5 * time.Second
	// triersAShard are people of each shard who try everything meanwhile.
	triersAShard = 4
	// noLongerThan is when somebody who has been told nothing gives up, so that the check ends.
	noLongerThan = 2 * toldWithin
)

// tried is what came of a request while a shard hangs.
type tried struct {
	what string
	took time.Duration
	answer
	err error
}

// oneShardDown stops a shard where it stands: it does not refuse, it does not answer.
func (l *trial) oneShardDown(ctx context.Context, run *lab.Run) (err error) {
	if err := l.needsMigration(); err != nil {
		return err
	}
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	people, err := l.someOfEach(m, triersAShard)
	if err != nil {
		return err
	}
	// Everybody has an order to look at, and nothing is in the cache.
	for _, p := range people {
		if !l.store(ctx, p, p.order()) {
			_, troubles := l.ledger.counts()
			return &lab.Failure{Expected: "orders to be placed on all shards", Seen: few(troubles), Look: lab.Look{Hint: "stores.go"}}
		}
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	// Who is signed in stands in the catalogue's database, and is read from there again.
	server := l.nodes[down].server
	if err := server.Pause(ctx); err != nil {
		return err
	}
	theirs, others, shown := l.tryEverything(ctx, m, people)
	if err := server.Unpause(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	slowest := time.Duration(0)
	for _, t := range theirs {
		slowest = max(slowest, t.took)
	}
	run.Report("longest wait of a subscriber of a shard that hangs", 1000*slowest.Seconds(), "ms")
	slowest = 0
	for _, t := range others {
		slowest = max(slowest, t.took)
	}
	run.Report("longest wait of all others meanwhile", 1000*slowest.Seconds(), "ms")
	return errors.Join(
		failIf(judgeTheirs(theirs), fmt.Sprintf("subscribers of a shard that hangs to get a problem with status 503 within %s", toldWithin),
			"stores.go: how long may a server take, and which error is it when that is over? What is not answered may still be there"),
		failIf(judgeOthers(others, toldWithin), "everybody else to be served as ever while a shard hangs", "stores.go: what do they wait for?"),
		failIf(judgeOthers(shown, shownWithin), "pages about everybody, and readiness, while one shard of four hangs",
			"Everywhere in stores.go: how many answers are enough, and how long is waited for the rest?"),
		l.wellAgain(ctx, m, people))
}

// tryEverything has everybody try to read and write while the shard hangs: its subscribers, all
// others, and who asks about everybody. Its subscribers do it all at once, so that as many requests
// hang as there may be; all others one thing after the other, for it is not their crowd that is to
// be looked at.
func (l *trial) tryEverything(ctx context.Context, m shard.Map, people []*person) (theirs, others, shown []tried) {
	var mu sync.Mutex
	var trying sync.WaitGroup
	for _, p := range people {
		bucket, atOnce := &others, 1
		if l.home(m, p).number == down {
			bucket, atOnce = &theirs, -1
		}
		trying.Go(func() {
			seen := l.tryAsSomebody(ctx, p, atOnce)
			mu.Lock()
			defer mu.Unlock()
			*bucket = append(*bucket, seen...)
		})
	}
	trying.Go(func() {
		for _, replica := range l.replicas {
			for _, path := range []string{"/readyz", "/meals/popular", "/meals/" + string(seed.Meal(9)), "/meals?limit=20"} {
				t := l.try(ctx, replica, path+" on replica "+replica.Name(), request{method: http.MethodGet, path: path})
				mu.Lock()
				shown = append(shown, t)
				mu.Unlock()
			}
		}
	})
	trying.Wait()
	return theirs, others, shown
}

func (l *trial) try(ctx context.Context, replica *testbed.Service, what string, r request) tried {
	ctx, cancel := context.WithTimeout(ctx, noLongerThan)
	defer cancel()
	began := time.Now()
	a, err := l.ask(ctx, replica, r)
	return tried{what, time.Since(began), a, err}
}

// tryAsSomebody writes and reads in somebody's name, so many requests at once (-1 for all), and
// remembers what was stored.
func (l *trial) tryAsSomebody(ctx context.Context, p *person, atOnce int) []tried {
	ordered := ""
	for _, o := range p.orders {
		ordered = "/orders/" + string(o.id)
	}
	writes := []write{p.setCart(), p.setPreferences()}
	requests := []request{writes[0].request, writes[1].request}
	for _, path := range []string{"/cart", "/orders", ordered, "/me"} {
		requests = append(requests, request{method: http.MethodGet, path: path, cookie: p.cookie})
	}
	all := make([]tried, len(requests))
	var trying errgroup.Group
	trying.SetLimit(atOnce)
	for i, r := range requests {
		trying.Go(func() error {
			replica, leave := l.doors.enter(p.turn + i)
			defer leave()
			all[i] = l.try(ctx, replica, fmt.Sprintf("%s %s of %s", r.method, r.path, p.user), r)
			return nil
		})
	}
	_ = trying.Wait() // what went wrong is in all
	p.turn++
	for i, w := range writes {
		if all[i].err == nil && all[i].status == http.StatusOK {
			all[i].err = w.acknowledged(all[i].answer)
		}
	}
	return all
}

// judgeTheirs says which of the answers to subscribers of the shard are not what they must be.
func judgeTheirs(all []tried) []string {
	var bad []string
	for _, t := range all {
		switch {
		case t.err != nil:
			bad = append(bad, fmt.Sprintf("%s: no answer: %v", t.what, t.err))
		case t.status != http.StatusServiceUnavailable || !strings.HasPrefix(t.contentType, "application/problem+json"):
			bad = append(bad, fmt.Sprintf("%s: status %d, %s: %.120s", t.what, t.status, t.contentType, t.body))
		case t.took > toldWithin:
			bad = append(bad, fmt.Sprintf("%s: told after %s", t.what, t.took.Round(time.Millisecond)))
		}
	}
	return bad
}

// judgeOthers says which of the answers to all others are not what they must be.
func judgeOthers(all []tried, within time.Duration) []string {
	var bad []string
	for _, t := range all {
		switch {
		case t.err != nil:
			bad = append(bad, fmt.Sprintf("%s: no answer: %v", t.what, t.err))
		case t.status != http.StatusOK:
			bad = append(bad, fmt.Sprintf("%s: status %d: %.120s", t.what, t.status, t.body))
		case t.took > within:
			bad = append(bad, fmt.Sprintf("%s: after %s", t.what, t.took.Round(time.Millisecond)))
		}
	}
	return bad
}

// wellAgain demands that the shard's subscribers are served when it answers again. What they
// then store replaces what may or may not have been stored while it hung.
func (l *trial) wellAgain(ctx context.Context, m shard.Map, people []*person) error {
	for deadline := time.Now().Add(backWithin); ; time.Sleep(againAfter) {
		bad := 0
		for _, p := range people {
			if l.home(m, p).number != down {
				continue
			}
			for _, w := range []write{p.setCart(), p.setPreferences()} {
				a, err := l.enter(ctx, p, w.request)
				if err != nil || a.status != http.StatusOK {
					bad++
					continue
				}
				if err := w.acknowledged(a); err != nil {
					return err
				}
			}
		}
		if bad == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("everybody to be served %s after the shard answers again", backWithin),
				Seen:     fmt.Sprintf("%d writes that were not taken", bad), Look: lab.Look{Hint: "stores.go: what is remembered of a server that was down?"},
			}
		}
	}
}
