package spec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// reloadTime is the lesson's allowance for nginx to load a new list.
	reloadTime = 600 * time.Millisecond
	// drainMax bounds the drain delay. The engine kills a replica 20 s after SIGTERM, and
	// requests in flight get ten of them.
	drainMax = 8 * time.Second
	// finishTime is what requests in flight are given, so the context of finish must last as long.
	finishTime = 10 * time.Second
	// drainSlack is the inaccuracy of the times that the check of a stop compares.
	drainSlack = 50 * time.Millisecond
	// drainGrace is the time for Stop to return after drainMax. The timers of this process are late together.
	drainGrace = 250 * time.Millisecond
	// readyLimit is far above the time that an answer of Ready takes on a busy machine.
	readyLimit = 3 * time.Second
	// balancerWaits is how long the balancer waits for an answer in the check of its limit.
	balancerWaits = 100 * time.Millisecond
)

// drainMin is the longest time from SIGTERM until nginx has a list without the replica: the
// balancer asks after at most one interval, wants Fall answers in a row, may wait for the last
// one, and then nginx loads the list.
func drainMin() time.Duration {
	p := balancer.DefaultPolicy()
	return time.Duration(p.Fall)*p.Interval + p.Timeout + reloadTime
}

// lifecycle returns a new lifecycle of the subject.
func (l *trial) lifecycle() service.Lifecycle {
	c := service.Baseline()
	l.subject.Apply(&c)
	return c.Lifecycle()
}

func healthy(context.Context) error { return nil }

var errDatabase = errors.New("connection refused")

func unhealthy(context.Context) error { return errDatabase }

// lateDatabase is the health check of a database that did not answer in time.
func lateDatabase(context.Context) error { return fmt.Errorf("database: %w", context.DeadlineExceeded) }

// lookReady and lookStop are the places to mend in shutdown.go.
func lookReady(hint string) lab.Look {
	return lab.Look{File: "shutdown.go", Func: "Lifecycle.Ready", Hint: hint}
}

func lookStop(hint string) lab.Look {
	return lab.Look{File: "shutdown.go", Func: "Lifecycle.Stop", Hint: hint}
}

// ready calls Ready in this process. A panic is a failure, and so is a call that does not end.
func ready(ctx context.Context, lifecycle service.Lifecycle, health func(context.Context) error) (answer, failure error) {
	done := make(chan error, 1)
	broken := make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				broken <- p
			}
		}()
		done <- lifecycle.Ready(ctx, health)
	}()
	limit := time.NewTimer(hostspeed.Wait(readyLimit))
	defer limit.Stop()
	select {
	case err := <-done:
		return err, nil
	case p := <-broken:
		return nil, &lab.Failure{Expected: "an answer of Ready", Seen: fmt.Sprintf("a panic: %v", p), Look: lookReady("")}
	case <-limit.C:
		return nil, &lab.Failure{
			Expected: "Ready to answer while another question is still open, and when its context ends",
			Seen:     fmt.Sprintf("no answer within %s", readyLimit),
			Look:     lookReady("hold no lock while healthy runs, and pass ctx to it"),
		}
	}
}

// readiness asks a replica that is not stopping whether it is ready, while its databases come
// and go.
func (l *trial) readiness(ctx context.Context, _ *lab.Run) error {
	lifecycle := l.lifecycle()
	for i, health := range []func(context.Context) error{healthy, unhealthy, healthy, unhealthy, lateDatabase, healthy, lateDatabase, healthy} {
		answer, failure := ready(ctx, lifecycle, health)
		switch want := health(ctx); {
		case failure != nil:
			return failure
		case want == nil && answer != nil:
			return &lab.Failure{
				Expected: "Ready to return nil while the databases answer and nobody has called Stop",
				Seen:     fmt.Sprintf("%q in question %d", answer, i+1), Look: lookReady("keep no answer of an earlier call: return what healthy returns now"),
			}
		case want != nil && answer == nil:
			return &lab.Failure{
				Expected: fmt.Sprintf("Ready to return an error when healthy returns %q", want),
				Seen:     fmt.Sprintf("nil in question %d", i+1), Look: lookReady("a replica without its databases can serve no request"),
			}
		}
	}
	return silentDatabase(ctx, lifecycle)
}

// silentDatabase asks with a health check that waits for the end of its context. That end must
// reach it, and other questions must not wait.
func silentDatabase(ctx context.Context, lifecycle service.Lifecycle) error {
	waiting, release := context.WithCancel(ctx)
	defer release()
	asked := make(chan struct{}, 2) // one for each question
	silent := func(ctx context.Context) error {
		asked <- struct{}{}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-waiting.Done(): // so that nothing of the subject's waits when the check is over
			return errDatabase
		}
	}
	var first errgroup.Group
	first.Go(func() error { _, failure := ready(waiting, lifecycle, silent); return failure })
	select { // the first question is open from here until the release
	case <-asked:
	case <-time.After(hostspeed.Wait(readyLimit)):
		return errors.Join(&lab.Failure{Expected: "Ready to call healthy", Seen: "no call", Look: lookReady("")}, endOf(release, &first))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	answer, err := ready(ctx, lifecycle, healthy)
	if err == nil && answer != nil {
		err = &lab.Failure{Expected: "Ready to return nil while the databases answer", Seen: fmt.Sprintf("%q", answer), Look: lookReady("")}
	}
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, balancerWaits)
		defer cancel()
		answer, err = ready(bounded, lifecycle, silent)
		if err == nil && answer == nil {
			err = &lab.Failure{
				Expected: "Ready to return an error when its context ends before the databases have answered", Seen: "nil",
				Look: lookReady("a replica without its databases can serve no request"),
			}
		}
	}
	return errors.Join(err, endOf(release, &first))
}

// endOf ends the open question.
func endOf(release func(), question *errgroup.Group) error {
	release()
	return question.Wait()
}

// errCutOff is the error of finish in the check.
var errCutOff = errors.New("requests cut off: 2")

// stopSeen is what a call of Stop was seen to do.
type stopSeen struct {
	began time.Time

	mu       sync.Mutex
	finishes int
	finished time.Time // of the first call of finish
	ctxErr   error     // of the context that finish was given
	foreign  bool      // that context is not from the one of Stop
	left     time.Duration
	bounded  bool // the context has a deadline, left after the call
}

// finish stands for the service's: two requests are cut off.
func (s *stopSeen) finish(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishes++
	if s.finishes == 1 {
		s.finished, s.ctxErr, s.foreign = time.Now(), ctx.Err(), ctx.Value(stopKey{}) != s
		var deadline time.Time
		if deadline, s.bounded = ctx.Deadline(); s.bounded {
			s.left = time.Until(deadline)
		}
	}
	return errCutOff
}

// drain calls Stop and asks meanwhile whether the replica is ready. Beside that replica it stops one
// whose databases have just been away, and has one that runs on.
func (l *trial) drain(ctx context.Context, run *lab.Run) error {
	leaving, sick, other := l.lifecycle(), l.lifecycle(), l.lifecycle()
	for _, lifecycle := range []service.Lifecycle{leaving, sick, other} {
		if answer, failure := ready(ctx, lifecycle, healthy); failure != nil || answer != nil {
			return errors.Join(failure, answerFault(answer))
		}
	}
	// One answer of no takes no replica off the list.
	if _, failure := ready(ctx, sick, unhealthy); failure != nil {
		return failure
	}
	sickSeen, sickStopped := stop(ctx, sick)
	seen, stopped := stop(ctx, leaving)
	// A health check without an end, as of a database that is silent, must not delay the news.
	silent, release := context.WithCancel(ctx)
	defer release()
	go func() {
		_, _ = ready(silent, leaving, func(context.Context) error { <-silent.Done(); return errDatabase })
	}()
	// Others than the balancer ask too, and it hears none of the answers that they get.
	go func() {
		for range othersAsk {
			if rig.Pause(ctx, othersPause) == nil {
				_, _ = ready(ctx, leaving, healthy)
			}
		}
	}()
	h, err, failure := questions(ctx, leaving, seen.began, stopped)
	if failure != nil {
		return failure
	}
	if err := seen.judge(run, h, err); err != nil {
		return err
	}
	return errors.Join(sickSeen.judgeSick(ctx, sickStopped), runsOn(ctx, other))
}

// othersAsk is how often others than the balancer ask a replica that stops, and othersPause the time between
// two of their questions.
const (
	othersAsk   = 4
	othersPause = 50 * time.Millisecond
)

// stopKey is the key of a value in the context of Stop.
type stopKey struct{}

// stop calls Stop, and returns when that call runs. What it returns comes from the channel.
func stop(ctx context.Context, lifecycle service.Lifecycle) (*stopSeen, <-chan error) {
	seen := &stopSeen{}
	running := make(chan struct{})
	stopped := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				stopped <- &lab.Failure{Expected: "Stop to return", Seen: fmt.Sprintf("a panic: %v", p), Look: lookStop("")}
			}
		}()
		within := context.WithValue(context.WithoutCancel(ctx), stopKey{}, seen)
		seen.began = time.Now()
		close(running)
		stopped <- lifecycle.Stop(within, seen.finish)
	}()
	<-running
	return seen, stopped
}

// judgeSick demands that a replica waits also when its last answer before Stop was no.
func (s *stopSeen) judgeSick(ctx context.Context, stopped <-chan error) error {
	limit := time.NewTimer(time.Until(s.began.Add(drainMax + drainGrace)))
	defer limit.Stop()
	select {
	case err := <-stopped:
		var broken *lab.Failure
		if errors.As(err, &broken) { // a panic; finish returns another error
			return broken
		}
	case <-limit.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if served := s.finished.Sub(s.began); s.finishes == 0 || served >= drainMin()-drainSlack {
		return nil // the other replica has shown that Stop ends
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("%.1f s or more until finish is called, also when the databases have just been away: the controller wants %d answers of no",
			drainMin().Seconds(), balancer.DefaultPolicy().Fall),
		Seen: fmt.Sprintf("%.2f s", s.finished.Sub(s.began).Seconds()), Look: lookStop("wait for drainDelay after Stop is called, whatever was answered before"),
	}
}

// runsOn demands that a replica is ready that nobody has stopped.
func runsOn(ctx context.Context, other service.Lifecycle) error {
	answer, failure := ready(ctx, other, healthy)
	if failure == nil && answer != nil {
		failure = &lab.Failure{
			Expected: "Ready to return nil in a replica that nobody has stopped, after another has stopped",
			Seen:     fmt.Sprintf("%q", answer), Look: lookReady("keep the flag in Lifecycle, and not in a variable of the package"),
		}
	}
	return failure
}

func answerFault(answer error) error {
	if answer == nil {
		return nil
	}
	return &lab.Failure{Expected: "Ready to return nil before Stop is called", Seen: fmt.Sprintf("%q", answer), Look: lookReady("")}
}

// heard is what the balancer has heard of a replica that stops.
type heard struct {
	noes  int // answers of no in a row
	yeses int // answers of yes since SIGTERM
	// known is when enough of them had come; zero before.
	known time.Time
}

// questions asks whether the replica is ready until Stop has returned, as the slowest balancer
// does: it had asked just before SIGTERM, and waits for the answer that decides as long as it
// may.
func questions(ctx context.Context, lifecycle service.Lifecycle, began time.Time, stopped <-chan error) (h heard, stopErr, failure error) {
	policy := balancer.DefaultPolicy()
	limit := time.NewTimer(drainMax + drainGrace)
	defer limit.Stop()
	next := began.Add(policy.Interval)
	for {
		at := next
		if h.noes == policy.Fall-1 {
			at = at.Add(policy.Timeout)
		}
		ask := time.NewTimer(time.Until(at))
		select {
		case err := <-stopped:
			ask.Stop()
			return h, err, nil
		case <-ctx.Done():
			ask.Stop()
			return h, nil, context.Cause(ctx)
		case <-limit.C:
			ask.Stop()
			select {
			case err := <-stopped: // at the same time, after this machine had paused
				return h, err, nil
			case <-time.After(drainSlack):
			}
			return h, nil, &lab.Failure{
				Expected: fmt.Sprintf("Stop to call finish and return within %s", drainMax),
				Seen:     "it still waits",
				Look:     lookStop("the engine kills a replica 20 s after SIGTERM, and requests in flight need ten of them"),
			}
		case <-ask.C:
		}
		answer, failure := ready(ctx, lifecycle, healthy)
		switch {
		case failure != nil:
			return h, nil, failure
		case answer == nil:
			h = heard{yeses: h.yeses + 1}
		default:
			if h.noes++; h.noes == policy.Fall {
				h.known = at // and not the time of a question that this machine asked late
			}
		}
		next = next.Add(policy.Interval)
	}
}

// judge compares the observations with the rules of a stop.
func (s *stopSeen) judge(run *lab.Run, h heard, stopErr error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var broken *lab.Failure
	if errors.As(stopErr, &broken) {
		return broken
	}
	if s.finishes != 1 {
		return &lab.Failure{
			Expected: "Stop to call finish once", Seen: fmt.Sprintf("%d calls", s.finishes),
			Look: lookStop("without finish, the service cuts off the requests in flight"),
		}
	}
	served := s.finished.Sub(s.began)
	run.Report("from SIGTERM until the replica takes no more requests", served.Seconds(), "s")
	switch {
	case h.known.IsZero() && h.noes > 0 && h.yeses == 0 && served >= drainMin():
		return &lab.Doubt{
			Reason: fmt.Sprintf("Stop waited %.1f s, and this machine asked Ready only once in that time", served.Seconds()),
			Remedy: "close what else runs on this machine, and check again",
		}
	case h.known.IsZero() || s.finished.Before(h.known.Add(reloadTime-drainSlack)):
		return &lab.Failure{
			Expected: fmt.Sprintf("Ready to say no at once, and %.1f s or more until finish is called: by then nginx knows", drainMin().Seconds()),
			Seen:     whatCame(h.known, s.finished, served),
			Look:     lookStop("1. Ready returns an error. 2. Wait until the controller and nginx know. 3. Call finish"),
		}
	case h.yeses > 0:
		return &lab.Failure{
			Expected: "Ready to say no from the call of Stop on",
			Seen:     fmt.Sprintf("yes %.1f s after it", balancer.DefaultPolicy().Interval.Seconds()),
			Look:     lookStop("1. Ready returns an error. 2. Wait until the controller and nginx know. 3. Call finish"),
		}
	case s.foreign:
		return &lab.Failure{
			Expected: "finish to get the context of Stop, or one made from it", Seen: "another context",
			Look: lookStop("pass the ctx of Stop to finish"),
		}
	case s.ctxErr != nil || s.bounded && s.left < finishTime:
		return &lab.Failure{
			Expected: fmt.Sprintf("a context for finish that lasts %s or longer, for the requests in flight", finishTime),
			Seen:     contextLeft(s.ctxErr, s.left),
			Look:     lookStop("pass the ctx of Stop to finish, and not one that the delay has used up"),
		}
	case !errors.Is(stopErr, errCutOff):
		return &lab.Failure{
			Expected: fmt.Sprintf("Stop to return the error of finish, %q", errCutOff), Seen: fmt.Sprintf("%v", stopErr),
			Look: lookStop("the error says that requests were cut off"),
		}
	}
	return nil
}

// whatCame says what the slowest balancer had heard when the replica took no more requests.
func whatCame(known, finished time.Time, served time.Duration) string {
	if known.IsZero() || !known.Before(finished) {
		return fmt.Sprintf("%.2f s, and the controller had not had two answers of no", served.Seconds())
	}
	return fmt.Sprintf("%.2f s, of which %.2f s were left for nginx", served.Seconds(), finished.Sub(known).Seconds())
}

func contextLeft(err error, left time.Duration) string {
	if err != nil {
		return fmt.Sprintf("a context that has ended: %v", err)
	}
	return fmt.Sprintf("a context that ends in %.1f s", left.Seconds())
}
