package dinner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// countEvery is the time from one look at the number of replicas to the next.
	countEvery = time.Second
	// The lengths of the faults.
	pauseLength      = time.Second     // of Redis and of a shard
	workerDownLength = 2 * time.Second // of a killed worker
	// deployLimit is how long a deployment waits for its replica to become ready.
	deployLimit = 4 * time.Second
)

// Seen is what an evening showed. Times without a date are since the load began.
type Seen struct {
	Result load.Result
	Length time.Duration
	Began  time.Time // of the load
	Ended  time.Time // when every request had its answer
	Events []Event
	Counts []Count // of replicas, once a second
	Usage  []Sample
	// Queries is how many statements a second read or changed a table, over time in seconds. The parts are
	// Catalogue and Shards, all shards together.
	Queries map[Part][]chart.Point
	Killed  []time.Time // when workers were killed
	Release Release
	// Running is the number of replicas that ran, from the beginning of the load on. Its times are
	// since then.
	Running []Running
}

// Count is the number of replicas on the balancer's list.
type Count struct {
	At    time.Duration
	Ready int
}

// Running is a change of the number of replicas that are paid.
type Running struct {
	At       time.Duration
	Replicas int
}

// Marks returns the faults as marks of a chart that has the seconds of the run as its X axis.
func (s Seen) Marks() []chart.Mark {
	marks := make([]chart.Mark, 0, len(s.Events))
	for _, e := range s.Events {
		marks = append(marks, chart.Mark{Name: string(e.Kind), From: e.From.Seconds(), To: e.To.Seconds()})
	}
	return marks
}

// ReplicaHours returns the instance-hours of the replicas in an evening of three hours. A shorter run
// stands for the whole evening.
func (s Seen) ReplicaHours() float64 { return s.HoursUntil(s.Length) }

// HoursUntil returns the part of ReplicaHours until a time of the run.
func (s Seen) HoursUntil(until time.Duration) float64 {
	hours := 0.0
	for i, r := range s.Running {
		end := until
		if i+1 < len(s.Running) {
			end = min(end, s.Running[i+1].At)
		}
		hours += float64(r.Replicas) * max(0, end-r.At).Hours()
	}
	return hours * Evening.Hours() / s.Length.Hours()
}

// Play sends the load of a dinner and lets the faults happen. It returns when every request has its
// answer and every fault is over.
func (s *Stack) Play(ctx context.Context, length time.Duration, faults []Fault) (Seen, error) {
	e := &evening{stack: s, seen: Seen{Length: length}}
	meter := newMeter(s)
	if err := meter.read(ctx, 0); err != nil {
		return Seen{}, err
	}
	s.fleet.begin()
	e.seen.Began = time.Now()
	queries := pgstat.NewSampler(e.seen.Began, s.queries)
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			e.seen.Result, err = s.Generator.Dinner(ctx, Curve(length))
			e.seen.Ended = time.Now()
			return err
		},
		func(ctx context.Context) error { return e.faults(ctx, faults) },
		func(ctx context.Context) error { return e.every(ctx, countEvery, e.count) },
		func(ctx context.Context) error { return e.every(ctx, usageEvery, meter.read) },
		func(ctx context.Context) error { return queries.Sample(ctx, queriesEvery, length) },
	)
	if err != nil {
		return Seen{}, fmt.Errorf("play dinner: %w", err)
	}
	e.seen.Usage, e.seen.Running = meter.samples, e.running()
	e.seen.Queries = map[Part][]chart.Point{Catalogue: queries.Rates(string(Catalogue)), Shards: queries.Rates(string(Shards))}
	slices.SortFunc(e.seen.Events, func(a, b Event) int { return int(a.From - b.From) })
	return e.seen, nil
}

// evening is a dinner that is being played.
type evening struct {
	stack *Stack
	mu    sync.Mutex // of seen
	seen  Seen
}

// since is the time since the load began.
func (e *evening) since() time.Duration { return time.Since(e.seen.Began) }

// every calls do at every interval until the load is over.
func (e *evening) every(ctx context.Context, interval time.Duration, do func(ctx context.Context, at time.Duration) error) error {
	for at := interval; at <= e.seen.Length; at += interval {
		if err := rig.Pause(ctx, at-e.since()); err != nil {
			return err
		}
		if err := do(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

func (e *evening) count(_ context.Context, at time.Duration) error {
	e.seen.Counts = append(e.seen.Counts, Count{at, len(e.stack.fleet.balancer.Published())})
	return nil
}

// running returns the changes of the number of replicas that are paid, with the number at the
// beginning.
func (e *evening) running() []Running {
	clock := e.stack.fleet.clock
	began := clock.Story(e.seen.Began)
	first := Running{}
	var later []Running
	for _, change := range e.stack.fleet.scaler.Billed() {
		if change.At.After(began) {
			later = append(later, Running{clock.Real(change.At.Sub(began)), change.Running})
		} else {
			first.Replicas = change.Running
		}
	}
	return append([]Running{first}, later...)
}

// Changes returns the changes of the number of replicas that the policy asked for. Their times are of
// the story.
func (s *Stack) Changes() []autoscale.Change { return s.fleet.scaler.Changes() }

// faults lets the faults happen in their order. A fault that lasts longer does not delay the next.
func (e *evening) faults(ctx context.Context, faults []Fault) error {
	var under sync.WaitGroup
	errs := make([]error, len(faults))
	for i, f := range faults {
		if errs[i] = rig.Pause(ctx, f.At-e.since()); errs[i] != nil {
			break
		}
		under.Go(func() {
			if err := e.happen(ctx, f.Kind); err != nil {
				errs[i] = fmt.Errorf("%s: %w", f.Kind, err)
			}
		})
	}
	under.Wait()
	return errors.Join(errs...)
}

// happen lets one fault happen, and notes it.
func (e *evening) happen(ctx context.Context, kind Kind) error {
	e.stack.o.Progress(fmt.Sprintf("at %.0f of %.0f s: %s", e.since().Seconds(), e.seen.Length.Seconds(), kind))
	event := Event{Kind: kind, From: e.since()}
	var err error
	switch kind {
	case WorkerKilled:
		event.Detail, err = e.killWorker(ctx)
	case CacheFlushed:
		event.Detail = e.stack.Cache.Name()
		_, err = e.stack.Cache.Exec(ctx, "redis-cli", "FLUSHALL")
	case ReplicaKilled:
		event.Detail, err = e.killReplica(ctx)
	case CachePaused:
		event.Detail = e.stack.Cache.Name()
		err = pauseServer(ctx, e.stack.Cache.Server)
	case BrokerRestarted:
		event.Detail = e.stack.Broker.Name()
		err = errors.Join(e.stack.Broker.Kill(ctx), e.stack.Broker.Start(ctx))
	case ShardPaused:
		last := e.stack.Shards[len(e.stack.Shards)-1]
		event.Detail = last.Name()
		err = pauseServer(ctx, last.Server)
	case BadDeployment:
		event.Detail = releaseName
		err = e.deploy(ctx)
	default:
		err = errors.New("unknown fault")
	}
	event.To = e.since()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen.Events = append(e.seen.Events, event)
	return err
}

func (e *evening) killWorker(ctx context.Context) (name string, err error) {
	worker := e.stack.Workers[0]
	if err := worker.Kill(ctx); err != nil {
		return "", err
	}
	e.mu.Lock()
	e.seen.Killed = append(e.seen.Killed, time.Now())
	e.mu.Unlock()
	if err := rig.Pause(ctx, workerDownLength); err != nil {
		return "", err
	}
	return worker.Name(), worker.Start(ctx)
}

// killReplica kills the replica that has served for the longest time, and waits until nginx has a list
// without it.
func (e *evening) killReplica(ctx context.Context) (name string, err error) {
	f := e.stack.fleet
	found, err := f.found(ctx)
	if err != nil {
		return "", err
	}
	published := f.balancer.Published()
	slices.Sort(published)
	for _, c := range found {
		if len(published) == 0 || c.Name() != published[0] {
			continue
		}
		if err := c.Kill(ctx); err != nil {
			return "", err
		}
		wait, cancel := context.WithTimeout(ctx, ReplicaKilled.Window())
		defer cancel()
		// When the list still has the victim at the end of the window, requests fail that are not
		// excused. The error says nothing more.
		_, _ = f.balancer.Await(wait, func(names []string) bool { return !slices.Contains(names, c.Name()) })
		return c.Name(), nil
	}
	return "", fmt.Errorf("no container of a replica on nginx's list %v", published)
}

func pauseServer(ctx context.Context, server *testbed.Server) error {
	if err := server.Pause(ctx); err != nil {
		return err
	}
	err := rig.Pause(ctx, pauseLength)
	return errors.Join(err, server.Unpause(context.WithoutCancel(ctx)))
}
