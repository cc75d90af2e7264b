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
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// down is the shard that hangs.
	down = shard.Server(3)
	// toldWithin is the time limit for the 503 of its subscribers.
	toldWithin = 2 * time.Second
	// shownWithin is the time limit for pages about all subscribers. They ask all shards twice:
	// for the popular meals, and for their ratings.
	shownWithin = 3 * time.Second
	// backWithin is the time limit for the first good answers after the shard answers again.
	backWithin = 5 * time.Second
	// triersAShard is how many subscribers of each shard send requests meanwhile.
	triersAShard = 4
	// tryTimeout is how long a request waits for an answer, so that the check ends.
	tryTimeout = 2 * toldWithin
)

// tried is the outcome of a request while a shard hangs.
type tried struct {
	what  string
	began time.Time
	took  time.Duration
	rig.Answer
	err error
}

// oneShardDown pauses a shard: it refuses no connection, and answers nothing.
func (l *trial) oneShardDown(ctx context.Context, run *lab.Run) (err error) {
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	people, err := l.someOfEach(m, triersAShard)
	if err != nil {
		return err
	}
	// Each has an order to read, and the cache is empty.
	for _, p := range people {
		if !l.store(ctx, p, p.order()) {
			_, troubles := l.ledger.counts()
			return troubles.failure("orders to be placed on all shards", lab.Look{File: "stores.go", Func: "stores.Write"})
		}
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	// Sessions are still in the catalogue's database, and are read from there again.
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
		judgeTheirs(theirs).failure(fmt.Sprintf("subscribers of a shard that hangs to get a problem with status 503 within %s", toldWithin),
			lab.Look{File: "stores.go", Func: "stores.Read", Hint: "how long may a server take, and which error follows? An order without an answer may still exist"}),
		judgeOthers(others, toldWithin).failure("all other subscribers to be served as before while a shard hangs",
			lab.Look{File: "stores.go", Func: "stores.Read", Hint: "what do their requests wait for?"}),
		judgeOthers(shown, shownWithin).failure("pages about all subscribers, and readiness, while one shard of four hangs",
			lab.Look{File: "stores.go", Func: "stores.Everywhere", Hint: "how many answers are enough, and how long does it wait for the others?"}),
		l.wellAgain(ctx, m, people))
}

// tryEverything sends requests while the shard hangs: of its subscribers, of all others, and
// about all subscribers. Its subscribers send all at once, so that many requests hang. The others
// send one after the other, because the check is not about their number.
func (l *trial) tryEverything(ctx context.Context, m shard.Map, people []*person) (theirs, others, shown []tried) {
	var mu sync.Mutex
	var trying sync.WaitGroup
	for _, p := range people {
		bucket, atOnce := &others, 1
		if l.home(m, p).number == down {
			bucket, atOnce = &theirs, -1
		}
		trying.Go(func() {
			seen := l.tryAs(ctx, p, atOnce)
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
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	began := time.Now()
	a, err := l.ask(ctx, replica, r)
	return tried{what, began, time.Since(began), a, err}
}

// tryAs sends the requests of a subscriber, atOnce at a time (-1 for all), and remembers the
// writes.
func (l *trial) tryAs(ctx context.Context, p *person, atOnce int) []tried {
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
	_ = trying.Wait() // errors are in all
	p.turn++
	for i, w := range writes {
		if all[i].err == nil && all[i].Status == http.StatusOK {
			all[i].err = w.acknowledged(all[i].Answer)
		}
	}
	return all
}

// late returns the wait for an answer that came after its limit.
func (t tried) late() lab.Waited { return lab.Between(t.began, t.began.Add(t.took)) }

// judgeTheirs returns the mistakes in the answers to subscribers of the shard.
func judgeTheirs(all []tried) *mistakes {
	var bad mistakes
	for _, t := range all {
		switch {
		case t.err != nil:
			bad.addf(lab.Late(t.err), "%s: no answer: %v", t.what, t.err)
		case t.Status != http.StatusServiceUnavailable || !strings.HasPrefix(t.ContentType, "application/problem+json"):
			bad.addf(lab.Waited{}, "%s: status %d, %s: %.120s", t.what, t.Status, t.ContentType, t.Body)
		case t.took > toldWithin:
			bad.addf(t.late(), "%s: answered after %s", t.what, t.took.Round(time.Millisecond))
		}
	}
	return &bad
}

// judgeOthers returns the mistakes in the answers to all others.
func judgeOthers(all []tried, within time.Duration) *mistakes {
	var bad mistakes
	for _, t := range all {
		switch {
		case t.err != nil:
			bad.addf(lab.Late(t.err), "%s: no answer: %v", t.what, t.err)
		case t.Status != http.StatusOK:
			bad.addf(t.Waited(), "%s: status %d: %.120s", t.what, t.Status, t.Body)
		case t.took > within:
			bad.addf(t.late(), "%s: after %s", t.what, t.took.Round(time.Millisecond))
		}
	}
	return &bad
}

// wellAgain demands that the shard's subscribers are served when it answers again. Their new
// writes replace the earlier ones, whose outcome is unknown.
func (l *trial) wellAgain(ctx context.Context, m shard.Map, people []*person) error {
	for deadline := time.Now().Add(backWithin); ; _ = rig.Pause(ctx, retryPause) {
		bad := 0
		for _, p := range people {
			if l.home(m, p).number != down {
				continue
			}
			for _, w := range []write{p.setCart(), p.setPreferences()} {
				a, err := l.enter(ctx, p, w.request)
				if err != nil || a.Status != http.StatusOK {
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
				Expected: fmt.Sprintf("all subscribers to be served %s after the shard answers again", backWithin),
				Seen:     fmt.Sprintf("%d writes that failed", bad), Waited: lab.Last(backWithin),
				Look: lab.Look{File: "stores.go", Func: "stores.Write", Hint: "what does a replica remember of a server that was down?"},
			}
		}
	}
}
