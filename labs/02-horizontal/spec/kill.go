package spec

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// killRate and killLength are the load under which a replica is killed, killAfter when.
	killRate   = 24 // requests a second
	killLength = 3500 * time.Millisecond
	killAfter  = 1500 * time.Millisecond
)

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

// slowestRead returns the longest latency of a read.
func slowestRead(r load.Result) time.Duration {
	slowest := time.Duration(0)
	for kind, part := range r.Kinds {
		if isRead(kind) && part.Latency != nil {
			slowest = max(slowest, part.Latency.Max())
		}
	}
	return slowest
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
	// askedFor is the wait for that answer.
	askedFor lab.Waited
}

// kill kills, under load, the replica that has just signed a subscriber in.
func (l *trial) kill(ctx context.Context) (killSeen, error) {
	v := newVisitor()
	defer v.close()
	var seen killSeen
	var err error
	if seen.victim, err = v.signIn(ctx, l.fleet.Nginx.URL(), 0); err != nil {
		return seen, &lab.Failure{Expected: "a subscriber to be signed in", Seen: err.Error(), Waited: lab.Late(err), Look: lab.Look{File: "sessions.go", Func: "Sessions.Create"}}
	}
	victim := l.replica(seen.victim)
	generator := l.fleet.Generator
	generator.Mix = load.ReadsAndOrders()
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
	began := time.Now()
	if r, err := v.get(ctx, l.fleet.Nginx.URL()+"/me"); err == nil {
		seen.stillSignedIn = r.status
	}
	seen.askedFor = lab.Since(began)
	return seen, l.startReplica(ctx, victim)
}

func (l *trial) replicaKilled(ctx context.Context, run *lab.Run) error {
	seen, err := l.killed.get(func() (killSeen, error) { return l.kill(ctx) })
	if err != nil && seen.load.Sent == 0 {
		return err
	}
	run.Report("slowest read when a replica was killed", slowestRead(seen.load).Seconds()*1000, "ms")
	run.Report("orders that clients sent again when a replica was killed", float64(seen.load.Retried), "")
	if doubt := starved(seen.load); doubt != nil {
		return doubt
	}
	if reads := failed(seen.load, isRead); reads > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s to be killed without a failed read", seen.victim),
			Seen:     fmt.Sprintf("%d failed reads (of all requests: %s)", reads, load.Causes(seen.load.Failures)), Waited: rig.LateLoad(seen.load),
			Look: lab.Look{File: "nginx.conf", Hint: "set proxy_next_upstream error timeout, and a proxy_connect_timeout below 2 s for a silent replica"},
		}
	}
	books, reconcileErr := rig.Reconcile(ctx, l.servers.Pool, seen.load.Orders)
	switch {
	case reconcileErr != nil:
		return reconcileErr
	case books.Accepted == 0:
		return &lab.Failure{Expected: "orders to be accepted", Seen: fmt.Sprintf("none of %d", len(seen.load.Orders)), Waited: rig.LateLoad(seen.load), Look: lab.Look{File: "nginx.conf"}}
	case books.Lost+books.Doubled+books.Invented > 0:
		return &lab.Failure{
			Expected: fmt.Sprintf("each of the %d accepted orders once in the database, and no other", books.Accepted),
			Seen:     fmt.Sprintf("%d lost, %d doubled, %d stored although refused", books.Lost, books.Doubled, books.Invented),
			Look:     lab.Look{File: "nginx.conf", Hint: "leave non_idempotent out of proxy_next_upstream: nginx must not send a POST again"},
		}
	case failed(seen.load, isOrder) > 0:
		return &lab.Failure{
			Expected: "every order to be placed, at the second try at the latest",
			Seen:     fmt.Sprintf("%d were not (%s)", failed(seen.load, isOrder), load.Causes(seen.load.Failures)), Waited: rig.LateLoad(seen.load),
			Look: lab.Look{File: "nginx.conf", Hint: "include the list of replicas: a client's second try must reach one that lives"},
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
		got, waited := fmt.Sprintf("status %d", seen.stillSignedIn), lab.Waited{}
		if seen.stillSignedIn == 0 {
			got = "no answer"
		}
		if seen.stillSignedIn == 0 || lab.LateStatus(seen.stillSignedIn) {
			waited = seen.askedFor
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("GET /me to be answered for a subscriber that %s signed in before it died", seen.victim),
			Seen:     got, Waited: waited, Look: lab.Look{File: "sessions.go", Func: "NewSessions", Hint: "keep sessions in the database: what the replica kept in memory died with it"},
		}
	}
	return nil
}
