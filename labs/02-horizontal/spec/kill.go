package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/promstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// killRate and killLength are the load under which a replica is killed, killAfter when.
	killRate   = 24 // requests a second
	killLength = 3500 * time.Millisecond
	killAfter  = 1500 * time.Millisecond
	// posts is the number of POSTs under way when a replica is killed that has received
	// some of them. It is killed postsBeforeKill after they went out. Their errors must
	// arrive within errorWithin after that.
	posts           = 9
	postsBeforeKill = 500 * time.Millisecond
	errorWithin     = 700 * time.Millisecond
)

// readsAndOrders is the part of the dinner mix that can be sent a second time: nginx may
// repeat a GET, and a client repeats an order under the same key.
func readsAndOrders() load.Mix {
	mix := load.Dinner()
	mix.Name, mix.Shares = "reads and orders", nil
	for _, share := range load.Dinner().Shares {
		if isRead(share.Kind) || isOrder(share.Kind) {
			mix.Shares = append(mix.Shares, share)
		}
	}
	return mix
}

func isRead(kind load.Kind) bool { return strings.HasPrefix(string(kind), http.MethodGet+" ") }

func isOrder(kind load.Kind) bool { return kind == load.PlaceOrder }

// failed counts the failed requests of some kinds.
func failed(r load.Result, chosen func(load.Kind) bool) int {
	sum := 0
	for kind, part := range r.Kinds {
		if chosen(kind) {
			sum += part.Failed
		}
	}
	return sum
}

// starved returns a *lab.Doubt when all failures are timeouts on a machine without idle time:
// the machine may have caused them. Else it returns nil.
func starved(r load.Result) error {
	cores := r.Host.IdleCores()
	if r.Failed == 0 || r.Failures[load.CauseTimeout] < r.Failed || cores >= measure.MinIdleCores {
		return nil
	}
	return &lab.Doubt{
		Reason: fmt.Sprintf("%d of %d requests timed out while %.2f cores of this machine were idle", r.Failed, r.Sent, cores),
		Remedy: "close what else runs on this machine, and check again",
	}
}

// killSeen is what kill saw.
type killSeen struct {
	victim string // its name: the one that signed the visitor in
	load   load.Result
	// stillSignedIn is the status that the visitor got afterwards from the others.
	stillSignedIn int
}

// kill kills, under load, the replica that has just signed a subscriber in.
func (l *trial) kill(ctx context.Context) (killSeen, error) {
	v := newVisitor()
	defer v.close()
	var seen killSeen
	var err error
	if seen.victim, err = v.signIn(ctx, l.fleet.Nginx.URL(), 0); err != nil {
		return seen, &lab.Failure{Expected: "a subscriber to be signed in", Seen: err.Error(), Look: lab.Look{File: "sessions.go", Func: "Sessions.Create"}}
	}
	victim := l.replica(seen.victim)
	generator := l.fleet.Generator
	generator.Mix = readsAndOrders()
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			seen.load, err = generator.Hit(ctx, killRate, killLength)
			return err
		},
		func(ctx context.Context) error {
			if err := rig.Pause(ctx, killAfter); err != nil {
				return err
			}
			return victim.Kill(ctx)
		},
	)
	if err != nil {
		return seen, err
	}
	v.close() // the connection may be to an nginx worker with the old list
	if r, err := v.get(ctx, l.fleet.Nginx.URL()+"/me"); err == nil {
		seen.stillSignedIn = r.status
	}
	return seen, l.startReplica(ctx, victim)
}

func (l *trial) replicaKilled(ctx context.Context, run *lab.Run) error {
	seen, err := l.killed.get(func() (killSeen, error) { return l.kill(ctx) })
	if err != nil && seen.load.Sent == 0 {
		return err
	}
	run.Report("orders that clients sent again when a replica was killed", float64(seen.load.Retried), "")
	if doubt := starved(seen.load); doubt != nil {
		return doubt
	}
	if reads := failed(seen.load, isRead); reads > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s to be killed without a failed read", seen.victim),
			Seen:     fmt.Sprintf("%d failed (of all requests, by cause: %v)", reads, seen.load.Failures),
			Look:     lab.Look{File: "nginx.conf", Hint: "proxy_next_upstream, and proxy_connect_timeout: how long does nginx wait for a silent replica?"},
		}
	}
	books, reconcileErr := rig.Reconcile(ctx, l.servers.Pool, seen.load.Orders)
	switch {
	case reconcileErr != nil:
		return reconcileErr
	case books.Accepted == 0:
		return &lab.Failure{Expected: "orders to be accepted", Seen: fmt.Sprintf("none of %d", len(seen.load.Orders)), Look: lab.Look{File: "nginx.conf"}}
	case books.Lost+books.Doubled+books.Invented > 0:
		return &lab.Failure{
			Expected: fmt.Sprintf("all of %d orders that clients hold a confirmation of, once, and no other", books.Accepted),
			Seen:     fmt.Sprintf("%d lost, %d doubled, %d that were refused", books.Lost, books.Doubled, books.Invented),
			Look:     lab.Look{File: "nginx.conf", Hint: "which requests does nginx send again, and to which replica?"},
		}
	case failed(seen.load, isOrder) > 0:
		return &lab.Failure{
			Expected: "every order to be placed, at the second try at the latest",
			Seen:     fmt.Sprintf("%d were not (%v)", failed(seen.load, isOrder), seen.load.Failures),
			Look:     lab.Look{File: "nginx.conf", Hint: "to which replica does a second try go?"},
		}
	}
	return err
}

func (l *trial) loginsSurvive(ctx context.Context, _ *lab.Run) error {
	seen, err := l.killed.get(func() (killSeen, error) { return l.kill(ctx) })
	if err != nil && seen.victim == "" {
		return err
	}
	if seen.stillSignedIn != http.StatusOK {
		got := fmt.Sprintf("status %d", seen.stillSignedIn)
		if seen.stillSignedIn == 0 {
			got = "no answer"
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("GET /me to be answered for a subscriber that %s signed in before it died", seen.victim),
			Seen:     got, Look: lab.Look{File: "sessions.go", Func: "NewSessions", Hint: "which data died with the replica?"},
		}
	}
	return nil
}

// sentOnce pauses every replica, sends POSTs without an Idempotency-Key, and kills one
// replica. That replica may have handled its POSTs, so the client must get an error, and
// nginx must not send them to another replica.
func (l *trial) sentOnce(ctx context.Context, _ *lab.Run) (err error) {
	victim := l.replica(busiest(l.read(ctx, spreadVisitors*replicas, spreadVisitors, false)))
	var others []*testbed.Service
	for _, r := range l.fleet.Replicas {
		if r != victim {
			others = append(others, r)
		}
	}
	before, err := ratings(ctx, others)
	if err != nil {
		return err
	}
	if err := each(ctx, l.fleet.Replicas, (*testbed.Service).Pause); err != nil {
		return err
	}
	var refused atomic.Int64
	fate := make(chan error, 1)
	go func() { fate <- l.rate(ctx, &refused) }()
	if err := errors.Join(rig.Pause(ctx, postsBeforeKill), victim.Kill(ctx)); err != nil {
		return err
	}
	for deadline := time.Now().Add(errorWithin); refused.Load() == 0 && time.Now().Before(deadline); {
		if err := rig.Pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	told := refused.Load() // before the others go on, so that only the victim's are counted
	if err := each(ctx, others, (*testbed.Service).Unpause); err != nil {
		return err
	}
	if err := <-fate; err != nil {
		return err
	}
	after, err := ratings(ctx, others)
	if err != nil {
		return err
	}
	started := l.startReplica(ctx, victim)
	handled := after - before
	if told == 0 || int64(handled) > posts-told {
		return &lab.Failure{
			Expected: fmt.Sprintf("of %d POSTs without a key, those that %s had been sent when it died to end in an error", posts, victim.Name()),
			Seen:     fmt.Sprintf("%d errors, and %d handled by the others: nginx sent them again", told, handled),
			Look:     lab.Look{File: "nginx.conf", Hint: "proxy_next_upstream, and non_idempotent"},
		}
	}
	return started
}

// each does the same to several replicas at once.
func each(ctx context.Context, replicas []*testbed.Service, do func(*testbed.Service, context.Context) error) error {
	var starts []func(context.Context) error
	for _, r := range replicas {
		starts = append(starts, func(ctx context.Context) error { return do(r, ctx) })
	}
	return testbed.SideBySide(ctx, starts...)
}

// rate sends the POSTs at once, and counts those that end in an error.
func (l *trial) rate(ctx context.Context, refused *atomic.Int64) error {
	var sends []func(context.Context) error
	for range posts {
		sends = append(sends, func(ctx context.Context) error {
			v := newVisitor()
			defer v.close()
			path := fmt.Sprintf("/meals/%s/ratings", seed.Meal(1))
			r, err := v.send(ctx, http.MethodPost, l.fleet.Nginx.URL()+path, map[string]int{"stars": 5}, nil)
			if err != nil && ctx.Err() != nil {
				return errors.Join(err, context.Cause(ctx))
			}
			if err != nil || r.status >= http.StatusInternalServerError {
				refused.Add(1)
			}
			return nil
		})
	}
	return testbed.SideBySide(ctx, sends...)
}

// ratings returns how many requests for a rating the replicas have received since they
// started, whatever they answered.
func ratings(ctx context.Context, replicas []*testbed.Service) (uint64, error) {
	var sum uint64
	for _, r := range replicas {
		metrics, err := promstat.Read(ctx, r.URL()+"/metrics")
		if err != nil {
			return 0, err
		}
		sum += metrics.Histogram("http_request_duration_seconds", "route")["/meals/:id/ratings"].Count
	}
	return sum, nil
}
