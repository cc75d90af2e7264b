package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/scaler"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// factor is how much faster the story passes than the run: a second is a minute.
	factor = 60
	// readEvery is the time of the run from one reading to the next: 30 s of the story.
	readEvery = 500 * time.Millisecond
	// sliceLength is how long each part of the load is. A part has a result of its own.
	sliceLength = time.Second

	// The load, in multiples of the capacity of one replica. Five replicas are at 40 % before the rush. In the
	// rush they are at 88 %, and four are too few. Eight are at 55 %. In the calm three replicas are at 13 %: a request may
	// then cost twice the CPU time that it cost when the capacity was measured.
	usualLoad, rushLoad, calmLoad = 2.0, 4.4, 0.4

	// These are times of the story.
	usualLength = time.Minute
	// rushLength is how long the rush lasts at most.
	rushLength = 20 * time.Minute
	// steadyLength is how long the service level must be kept in a row before the rush ends early: after the
	// killed replica was replaced.
	steadyLength = 3 * time.Minute
	// restoredWithin is how long after the rise of the load the service level may be missed. It holds five
	// minutes of breach, the start of replicas, and the requests that have piled up.
	restoredWithin = 15 * time.Minute
	// backWithin is how long after the fall of the load more than three replicas may run. It holds ten
	// minutes of calm, a second change after a cooldown, and the drain of the replicas.
	backWithin = 25 * time.Minute
	// calmLength is how long the calm lasts at most. The time counts anew from each reading that was not calm.
	calmLength = 2 * backWithin
	// replacedWithin is how long a killed replica may be missing.
	replacedWithin = 10 * time.Minute

	// serviceLevel is the latency that 95 of 100 requests keep.
	serviceLevel = 500 * time.Millisecond

	startLimit = 40 * time.Second // for the first replicas
	pollEvery  = 50 * time.Millisecond
)

// fleetName is the label of the replicas.
const fleetName = "web"

// slice is one part of the load, and what ran when it began.
type slice struct {
	number  int       // 0 is the first
	at      time.Time // story time
	rate    float64
	ready   int // replicas on nginx's list
	running int // replicas that should run
	result  load.Result
}

// liveSeen is what the live run showed. Its times are story time, unless they say otherwise.
type liveSeen struct {
	slices     []slice // in order
	rise, fall time.Time
	// roseOn and fellOn are the same times of the run.
	roseOn, fellOn time.Time
	out            int // replicas that the first change asked for; 0 for none in time
	victim         string
	killed         time.Time
	killedOn       time.Time
	// replaced is how long it took until as many replicas served as should run, without the victim. It is 0
	// when that took too long. The other two are the numbers then.
	replaced              time.Duration
	afterKill, wantedThen int
	steady                time.Time     // since then the service level was kept, so that the rush ended early; or zero
	back                  time.Duration // from the fall until three ran; 0 for not in time
	left                  int           // containers at the end
	changes, billed       []autoscale.Change
	readings              []autoscale.Reading // of the evening, the oldest first
	begin, end            time.Time
	readied               []scaler.Readied
}

// live plays the evening once, and all live checks look at it.
func (l *trial) live(ctx context.Context, run *lab.Run) (liveSeen, error) {
	if !l.played {
		l.played = true
		l.seen, l.seenErr = l.playLive(ctx, run)
	}
	return l.seen, l.seenErr
}

// stagehand plays the evening.
type stagehand struct {
	l        *trial
	run      *lab.Run
	clock    scaler.Clock
	balancer *balancer.Controller
	scaler   *scaler.Controller
	rate     atomic.Uint64 // requests a second, in thousandths
	evening  atomic.Bool   // false while the run is prepared
	mu       sync.Mutex    // guards seen.slices and seen.readings while the load is sent
	seen     liveSeen
}

func (l *trial) playLive(ctx context.Context, run *lab.Run) (seen liveSeen, err error) {
	b, endBalancer, err := l.newBalancer()
	if err != nil {
		return seen, err
	}
	defer func() { err = errors.Join(err, endBalancer()) }()
	fleet, err := scaler.NewContainers(scaler.ContainersOptions{Bed: l.servers.Bed, Name: fleetName, Service: l.service(), Balancer: b})
	if err != nil {
		return seen, err
	}
	h := &stagehand{l: l, run: run, balancer: b, clock: scaler.Clock{Start: time.Now(), Factor: factor}}
	h.scaler, err = scaler.New(scaler.Config{
		Fleet: fleet, Policy: h.policy, Clock: h.clock, Interval: readEvery, Min: fewest, Max: most,
		Limits: scaler.Limits{Start: hostspeed.Wait(startLimit)},
	})
	if err != nil {
		return seen, err
	}
	run.Progress("starting the first replicas, and one to measure its capacity; " + h.clock.String())
	endScaler := rig.InBackground(h.scaler.Run)
	defer func() { err = errors.Join(err, endScaler()) }()
	if err := h.prepare(ctx); err != nil {
		return seen, err
	}
	if err := h.play(ctx); err != nil {
		return seen, err
	}
	return h.seen, h.report()
}

// policy is the policy under test. It decides how many replicas run first, and then nothing until the evening
// begins: the replicas are idle until the load can be calculated.
func (h *stagehand) policy(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	if len(history) > 0 {
		if !h.evening.Load() {
			return state.Running
		}
		h.mu.Lock()
		h.seen.readings = append(h.seen.readings, history[len(history)-1])
		h.mu.Unlock()
	}
	return h.l.subject.Policy(history, now, state)
}

// prepare starts the first replicas, and measures the capacity of another one. The replicas start side by
// side. The measurement begins when all are there.
func (h *stagehand) prepare(ctx context.Context) error {
	var one *testbed.Service
	err := testbed.SideBySide(ctx, h.begin, func(ctx context.Context) (err error) {
		one, err = h.l.measuredReplica(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return h.l.measure(ctx, h.run, one)
}

// play sends the load and does what happens in the evening.
func (h *stagehand) play(ctx context.Context) error {
	h.seen.begin = h.clock.Story(time.Now())
	h.evening.Store(true)
	loadCtx, endLoad := context.WithCancel(ctx)
	defer endLoad()
	h.send(usualLoad)
	sent := make(chan error, 1)
	go func() { sent <- h.load(loadCtx) }()
	for _, scene := range []func(context.Context) error{h.usual, h.rush, h.calm} {
		if err := scene(ctx); err != nil {
			endLoad()
			return errors.Join(err, <-sent)
		}
	}
	endLoad()
	if err := <-sent; err != nil {
		return err
	}
	h.seen.end = h.clock.Story(time.Now())
	h.seen.changes, h.seen.billed, h.seen.readied = h.scaler.Changes(), h.scaler.Billed(), h.scaler.Readied()
	return nil
}

// begin waits for the first replicas.
func (h *stagehand) begin(ctx context.Context) error {
	limit := hostspeed.Wait(startLimit)
	began := time.Now()
	up, err := h.await(ctx, limit, func(context.Context) (bool, error) { return len(h.balancer.Published()) == first, nil })
	if err != nil || up {
		return err
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("%d replicas behind nginx within %v of the run", first, limit),
		Seen:     fmt.Sprintf("%d", len(h.balancer.Published())), Waited: lab.Since(began),
		Look: lookDesired("what does it return when nothing runs?"),
	}
}

// send sets the rate of the load, in multiples of the capacity of one replica.
func (h *stagehand) send(replicas float64) { h.rate.Store(uint64(1000 * replicas * h.l.capacity)) }

// load sends one slice after the other until ctx ends. It returns when all have their answers. A slice does
// not wait for the answers of the one before.
func (h *stagehand) load(ctx context.Context) error {
	var sending sync.WaitGroup
	var errs []error
	began := time.Now()
	for i := 0; ; i++ {
		if rig.Pause(ctx, time.Until(began.Add(time.Duration(i)*sliceLength))) != nil {
			break
		}
		part := slice{
			number: i, at: h.clock.Story(time.Now()), rate: float64(h.rate.Load()) / 1000,
			ready: len(h.balancer.Published()), running: h.scaler.State().Running,
		}
		generator := h.l.generator
		generator.Seed += uint64(i)
		sending.Go(func() {
			var err error
			part.result, err = generator.Hit(context.WithoutCancel(ctx), part.rate, sliceLength)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.seen.slices = append(h.seen.slices, part)
			errs = append(errs, err)
		})
	}
	sending.Wait()
	slices.SortFunc(h.seen.slices, func(a, b slice) int { return a.at.Compare(b.at) })
	return errors.Join(errs...)
}

func (h *stagehand) usual(ctx context.Context) error {
	h.run.Progress(fmt.Sprintf("%d replicas; sending what is usual, %.0f requests/s", first, usualLoad*h.l.capacity))
	return rig.Pause(ctx, h.clock.Real(usualLength))
}

// rush raises the load. When the policy adds replicas, the oldest one is killed.
func (h *stagehand) rush(ctx context.Context) error {
	h.run.Progress(fmt.Sprintf("the rush: %.0f requests/s", rushLoad*h.l.capacity))
	h.seen.roseOn = time.Now()
	h.seen.rise = h.clock.Story(h.seen.roseOn)
	h.send(rushLoad)
	added, err := h.await(ctx, h.clock.Real(rushLength), func(context.Context) (bool, error) { return h.scaler.State().Running > first, nil })
	if err != nil || !added {
		return err
	}
	h.seen.out = h.scaler.State().Running
	h.run.Progress(fmt.Sprintf("the policy asks for %d replicas; one of the first is killed", h.seen.out))
	if err := h.kill(ctx); err != nil {
		return err
	}
	replaced, err := h.await(ctx, h.clock.Real(replacedWithin), func(context.Context) (bool, error) {
		published := h.balancer.Published()
		h.seen.afterKill, h.seen.wantedThen = len(published), h.scaler.State().Running
		return h.seen.afterKill == h.seen.wantedThen && !slices.Contains(published, h.seen.victim), nil
	})
	if err != nil {
		return err
	}
	left := time.Until(h.seen.roseOn.Add(h.clock.Real(rushLength)))
	if !replaced {
		return rig.Pause(ctx, left)
	}
	h.seen.replaced = h.clock.Span(time.Since(h.seen.killedOn))
	from := h.clock.Story(time.Now())
	_, err = h.await(ctx, left, func(context.Context) (bool, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.seen.steady = steadySince(h.seen.slices, from)
		return !h.seen.steady.IsZero(), nil
	})
	return err
}

// steadySince returns when the last steadyLength of the load began, if each part of it kept the service level
// and none began earlier than from. Else it is zero. The slices are in the order of their ends.
func steadySince(ended []slice, from time.Time) time.Time {
	last := slices.MaxFunc(append([]slice{{number: -1}}, ended...), func(a, b slice) int { return a.number - b.number })
	var since time.Time
	for n := range int(steadyLength / (sliceLength * factor)) {
		i := slices.IndexFunc(ended, func(part slice) bool { return part.number == last.number-n })
		if i < 0 || ended[i].at.Before(from) || !keeps(ended[i].result) {
			return time.Time{}
		}
		since = ended[i].at
	}
	return since
}

// kill kills the replica that has served for the longest time.
func (h *stagehand) kill(ctx context.Context) error {
	found, err := h.containers(ctx)
	if err != nil {
		return err
	}
	published := h.balancer.Published()
	slices.Sort(published)
	for _, c := range found {
		if len(published) > 0 && c.Name() == published[0] {
			h.seen.victim, h.seen.killedOn = c.Name(), time.Now()
			h.seen.killed = h.clock.Story(h.seen.killedOn)
			return c.Kill(ctx)
		}
	}
	return fmt.Errorf("no container of a replica on nginx's list %v", published)
}

// containers asks the engine for the replicas.
func (h *stagehand) containers(ctx context.Context) ([]testbed.Found, error) {
	o := h.l.service()
	o.Labels = map[string]string{scaler.LabelFleet: fleetName}
	return h.l.servers.Bed.FindServices(ctx, o)
}

// calm lowers the load, and waits until three replicas are left, on nginx's list and in the engine.
func (h *stagehand) calm(ctx context.Context) error {
	h.run.Progress(fmt.Sprintf("the calm: %.0f requests/s", calmLoad*h.l.capacity))
	h.seen.fellOn = time.Now()
	h.seen.fall = h.clock.Story(h.seen.fellOn)
	h.send(calmLoad)
	_, err := h.await(ctx, h.clock.Real(calmLength), func(ctx context.Context) (bool, error) {
		if len(h.balancer.Published()) != fewest {
			return h.overdue(), nil
		}
		found, err := h.containers(ctx)
		h.seen.left = len(found)
		if h.seen.left != fewest {
			return h.overdue(), err
		}
		h.seen.back = h.clock.Span(time.Since(h.seen.fellOn))
		return true, err
	})
	if err != nil {
		return err
	}
	return rig.Pause(ctx, sliceLength) // of load on what is left
}

// overdue reports whether the readings have been calm for so long that three replicas should be left.
func (h *stagehand) overdue() bool {
	now := h.clock.Story(time.Now())
	h.mu.Lock()
	defer h.mu.Unlock()
	since := agreed(h.seen.readings, now, calmed)
	return !since.IsZero() && now.Sub(latest(since, h.seen.fall)) > backWithin
}

// await asks until the answer is yes. It returns false when that takes longer than the limit.
func (h *stagehand) await(ctx context.Context, limit time.Duration, done func(context.Context) (bool, error)) (bool, error) {
	for deadline := time.Now().Add(limit); ; {
		ok, err := done(ctx)
		if ok || err != nil {
			return ok, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		if err := rig.Pause(ctx, pollEvery); err != nil {
			return false, err
		}
	}
}
