package spec

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// rollRate is the load during the restarts. It is sent in pieces of rollPiece.
	rollRate  = 20 // requests a second
	rollPiece = 2 * time.Second
	// lookEvery is the interval at which a stopping replica is asked whether it is ready.
	lookEvery = 50 * time.Millisecond
	// strayReads are sent through nginx once it has a list without the replica.
	strayReads = 30
	// sureYeses are enough answers of yes after SIGTERM. A machine without time keeps a replica from answering, and not
	// from saying no.
	sureYeses = 5
)

// rollSeen holds the observations of a restart of all replicas, one by one.
type rollSeen struct {
	load  load.Result
	goers []goer
}

// goer is how one replica stopped.
type goer struct {
	name string
	// saidNo says that it answered, at least once, that it was not ready.
	saidNo bool
	yeses  int // answers that it was ready
	// missed says that it still took requests when nginx had a list without it.
	missed bool
	strays int // requests that nginx sent it after that
	told   time.Time
	took   time.Duration // from when it was told to stop until it had
	// served is the time from when it was told to stop until its last answer.
	served time.Duration
}

// roll restarts the replicas one by one under load, as a deployment does. The next one is
// told to stop when nginx has the one before back on its list. nginx learns of it only from
// the replicas' answers to the health check.
func (l *trial) roll(ctx context.Context) (rollSeen, error) {
	var seen rollSeen
	generator := l.fleet.Generator
	generator.Mix = load.ReadsAndOrders()
	over := make(chan struct{})
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) error {
			var pieces []load.Result
			defer func() { seen.load = load.Merge(pieces...) }()
			for {
				piece, err := generator.Hit(ctx, rollRate, rollPiece)
				if err != nil {
					return err
				}
				pieces = append(pieces, piece)
				select {
				case <-over:
					return nil
				default:
				}
			}
		},
		func(ctx context.Context) error {
			defer close(over)
			for _, r := range l.fleet.Replicas {
				g, err := l.watchGo(ctx, r)
				if err != nil {
					return err
				}
				seen.goers = append(seen.goers, g)
				if err := l.startReplica(ctx, r); err != nil {
					return err
				}
			}
			return nil
		},
	)
	return seen, err
}

// watchGo tells a replica to stop and watches it until it has.
func (l *trial) watchGo(ctx context.Context, r *testbed.Service) (goer, error) {
	g := goer{name: r.Name(), told: time.Now()}
	up, gone := context.WithCancel(ctx) // ends with the replica
	defer gone()
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) error {
			defer gone()
			err := r.Stop(ctx)
			g.took = time.Since(g.told)
			return err
		},
		func(context.Context) error {
			g.watch(up, r)
			return nil
		},
		func(ctx context.Context) error {
			absent := func(names []string) bool { return !slices.Contains(names, r.Name()) }
			if err := l.fleet.AwaitList(up, absent); err != nil {
				return nil // it had gone before, or nginx took no list; neither is an error here
			}
			g.missed = up.Err() == nil
			// Fresh visitors: connections to the workers with the old list have to end.
			g.strays = l.read(ctx, strayReads, 1, false)[r.Name()]
			return nil
		},
	)
	return g, err
}

// watch asks a replica whether it is ready until it has gone. It notes its answers, and the time of the last.
func (g *goer) watch(ctx context.Context, r *testbed.Service) {
	v := newVisitor()
	defer v.close()
	for ctx.Err() == nil {
		if got, err := v.get(ctx, r.URL()+"/readyz"); err == nil {
			g.served = time.Since(g.told)
			g.saidNo = g.saidNo || got.status == http.StatusServiceUnavailable
			if got.status == http.StatusOK {
				g.yeses++
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// neverNo returns the failure of a replica that said no at no time. If it said yes again and again, the machine has
// no part in that.
func (g goer) neverNo() error {
	failure := &lab.Failure{
		Expected: g.name + " to answer /readyz with no after SIGTERM, while it still takes requests",
		Seen:     fmt.Sprintf("it answered yes %d times and never no, until it stopped %.1f s later", g.yeses, g.took.Seconds()),
		Look:     lab.Look{File: "shutdown.go", Func: "Lifecycle.Ready", Hint: "return an error once Stop has been called, and let Stop wait for drainDelay before finish"},
	}
	if g.yeses < sureYeses {
		failure.Waited = lab.Between(g.told, g.told.Add(max(g.took, lookEvery)))
	}
	return failure
}

// lateList returns a *lab.Doubt when a replica served as long as the lesson asks for and nginx
// still did not know: the machine was too slow. Else it returns nil.
func lateList(goers []goer) error {
	for _, g := range goers {
		if g.saidNo && !g.missed && g.served >= drainMin()-2*lookEvery {
			return &lab.Doubt{
				Reason: fmt.Sprintf("%s served for %.1f s after SIGTERM, and nginx had no new list in that time", g.name, g.served.Seconds()),
				Remedy: "close what else runs on this machine, and check again",
			}
		}
	}
	return nil
}

func (l *trial) rollingRestart(ctx context.Context, run *lab.Run) error {
	seen, err := l.rolled.get(func() (rollSeen, error) { return l.roll(ctx) })
	if err != nil && seen.load.Sent == 0 {
		return err
	}
	run.Report("requests during a rolling restart", float64(seen.load.Sent), "")
	run.Report("orders that clients sent again during it", float64(seen.load.Retried), "")
	if doubt := starved(seen.load); doubt != nil {
		return doubt
	}
	if doubt := lateList(seen.goers); seen.load.Failed > 0 && doubt != nil {
		return doubt
	}
	if seen.load.Failed > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d replicas to be restarted one by one and no request to fail", replicas),
			Seen:     fmt.Sprintf("%d of %d requests failed: %s", seen.load.Failed, seen.load.Sent, load.Causes(seen.load.Failures)), Waited: rig.LateLoad(seen.load),
			Look: lab.Look{File: "shutdown.go", Func: "Lifecycle.Stop", Hint: "wait for drainDelay before finish: nginx still sends requests. If that is done, see nginx.conf"},
		}
	}
	return err
}

func (l *trial) notReady(ctx context.Context, run *lab.Run) error {
	seen, err := l.rolled.get(func() (rollSeen, error) { return l.roll(ctx) })
	if err != nil && len(seen.goers) == 0 {
		return err
	}
	longest := time.Duration(0)
	for _, g := range seen.goers {
		longest = max(longest, g.took)
		switch {
		case !g.saidNo:
			return g.neverNo()
		case g.strays > 0:
			return &lab.Failure{
				Expected: fmt.Sprintf("no request to %s after it had answered /readyz with no", g.name),
				Seen:     fmt.Sprintf("%d of %d requests", g.strays, strayReads),
				Look:     lab.Look{File: "nginx.conf", Hint: "include the list of ready replicas in the upstream block"},
			}
		case !g.missed:
			if doubt := lateList([]goer{g}); doubt != nil {
				return doubt
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("%s to keep serving until nginx sends it no more requests", g.name),
				Seen:     fmt.Sprintf("it stopped %.1f s after SIGTERM, and nginx did not know yet", g.took.Seconds()),
				Look:     lab.Look{File: "shutdown.go", Func: "Lifecycle.Stop", Hint: "the controller asks every 0.5 s, wants two answers of no, waits 0.4 s for each, and then nginx needs 0.6 s"},
			}
		}
	}
	run.Report("longest time from SIGTERM to the end of a replica", longest.Seconds(), "s")
	return err
}
