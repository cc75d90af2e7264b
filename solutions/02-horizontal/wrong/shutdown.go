package wrong

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/02-horizontal"
)

// The names of the variants of shutdown.go.
const (
	ReadyWithoutDatabases = "ready-without-databases"
	RemembersHealth       = "remembers-health"
	OneQuestionAtATime    = "one-question-at-a-time"
	AnswersForEver        = "waits-past-the-question"
	ShortDrain            = "short-drain"
	EndlessDrain          = "endless-drain"
	EndedContext          = "finish-without-time"
	ForgetsFinish         = "forgets-finish"
	HidesCutOff           = "hides-cut-off"
	NoAfterWaiting        = "no-after-waiting"
	SlowIsReady           = "slow-is-ready"
	CountsAnswers         = "counts-its-answers"
	LateNo                = "late-no"
	LongDrain             = "long-drain"
	SickLeavesAtOnce      = "sick-leaves-at-once"
	AllLeave              = "one-flag-for-all"
	OwnContext            = "context-of-its-own"
)

func shutdown() map[string]func(*service.Composition) {
	with := func(build func(*horizontal.Lifecycle) service.Lifecycle) func(*service.Composition) {
		return going(func() service.Lifecycle { return build(horizontal.NewLifecycle()) })
	}
	return map[string]func(*service.Composition){
		ReadyWithoutDatabases: going(func() service.Lifecycle { return &readyWithoutDatabases{} }),
		RemembersHealth:       going(func() service.Lifecycle { return &remembersHealth{Lifecycle: horizontal.NewLifecycle()} }),
		OneQuestionAtATime:    going(func() service.Lifecycle { return &oneQuestion{} }),
		AnswersForEver:        with(func(l *horizontal.Lifecycle) service.Lifecycle { return pastTheQuestion{l} }),
		ShortDrain:            going(func() service.Lifecycle { return &drains{delay: time.Second} }),
		EndlessDrain:          going(func() service.Lifecycle { return &drains{delay: 30 * time.Second} }),
		EndedContext:          going(func() service.Lifecycle { return &endedContext{} }),
		ForgetsFinish:         going(func() service.Lifecycle { return &forgetsFinish{} }),
		HidesCutOff:           with(func(l *horizontal.Lifecycle) service.Lifecycle { return hidesCutOff{l} }),
		SlowIsReady:           with(func(l *horizontal.Lifecycle) service.Lifecycle { return slowIsReady{l} }),
		CountsAnswers:         going(func() service.Lifecycle { return &countsAnswers{} }),
		LateNo:                going(func() service.Lifecycle { return &lateNo{drains{delay: drainDelay}} }),
		LongDrain:             going(func() service.Lifecycle { return &drains{delay: 9 * time.Second} }),
		SickLeavesAtOnce:      with(func(l *horizontal.Lifecycle) service.Lifecycle { return &sickLeaves{Lifecycle: l} }),
		AllLeave:              oneForAll(),
		OwnContext:            with(func(l *horizontal.Lifecycle) service.Lifecycle { return ownContext{l} }),
		NoAfterWaiting:        going(func() service.Lifecycle { return &noAfterWaiting{} }),
	}
}

// drainDelay is the solution's.
const drainDelay = 3 * time.Second

// drains waits for its own delay.
type drains struct {
	leaving atomic.Bool
	delay   time.Duration
}

func (l *drains) Ready(ctx context.Context, healthy func(context.Context) error) error {
	if l.leaving.Load() {
		return context.Canceled
	}
	return healthy(ctx)
}

func (l *drains) Stop(ctx context.Context, finish func(context.Context) error) error {
	l.leaving.Store(true)
	time.Sleep(l.delay)
	return finish(ctx)
}

// readyWithoutDatabases says whether the process stops, and nothing else.
type readyWithoutDatabases struct{ drains }

func (l *readyWithoutDatabases) Ready(context.Context, func(context.Context) error) error {
	if l.leaving.Load() {
		return context.Canceled
	}
	return nil
}

func (l *readyWithoutDatabases) Stop(ctx context.Context, finish func(context.Context) error) error {
	l.delay = drainDelay
	return l.drains.Stop(ctx, finish)
}

// remembersHealth asks the databases once, so that the balancer costs them nothing.
type remembersHealth struct {
	*horizontal.Lifecycle
	once sync.Once
	err  error
}

func (l *remembersHealth) Ready(ctx context.Context, healthy func(context.Context) error) error {
	return l.Lifecycle.Ready(ctx, func(context.Context) error {
		l.once.Do(func() { l.err = healthy(ctx) })
		return l.err
	})
}

// oneQuestion protects its flag by a mutex, which it holds while it asks the databases.
type oneQuestion struct {
	mu      sync.Mutex
	leaving bool
}

func (l *oneQuestion) Ready(ctx context.Context, healthy func(context.Context) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving {
		return context.Canceled
	}
	return healthy(ctx)
}

func (l *oneQuestion) Stop(ctx context.Context, finish func(context.Context) error) error {
	l.mu.Lock()
	l.leaving = true
	l.mu.Unlock()
	time.Sleep(drainDelay)
	return finish(ctx)
}

// pastTheQuestion asks the databases without the limit of the question.
type pastTheQuestion struct{ *horizontal.Lifecycle }

func (l pastTheQuestion) Ready(ctx context.Context, healthy func(context.Context) error) error {
	return l.Lifecycle.Ready(context.WithoutCancel(ctx), healthy)
}

// endedContext measures the delay by a context, and hands that on.
type endedContext struct{ drains }

func (l *endedContext) Stop(ctx context.Context, finish func(context.Context) error) error {
	l.leaving.Store(true)
	ctx, cancel := context.WithTimeout(ctx, drainDelay)
	defer cancel()
	<-ctx.Done()
	return finish(ctx)
}

// forgetsFinish leaves the rest to the end of the process.
type forgetsFinish struct{ drains }

func (l *forgetsFinish) Stop(context.Context, func(context.Context) error) error {
	l.leaving.Store(true)
	time.Sleep(drainDelay)
	return nil
}

// hidesCutOff ends well whatever happened to the last requests.
type hidesCutOff struct{ *horizontal.Lifecycle }

func (l hidesCutOff) Stop(ctx context.Context, finish func(context.Context) error) error {
	_ = l.Lifecycle.Stop(ctx, finish)
	return nil
}

// noAfterWaiting waits, and says no when it takes no more requests.
type noAfterWaiting struct{ drains }

func (l *noAfterWaiting) Stop(ctx context.Context, finish func(context.Context) error) error {
	time.Sleep(drainDelay)
	l.leaving.Store(true)
	return finish(ctx)
}

// slowIsReady takes a database that does not answer in time for a busy one.
type slowIsReady struct{ *horizontal.Lifecycle }

func (l slowIsReady) Ready(ctx context.Context, healthy func(context.Context) error) error {
	err := l.Lifecycle.Ready(ctx, healthy)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// countsAnswers waits for two answers of no, and the time that nginx needs.
type countsAnswers struct {
	drains
	noes atomic.Int64
}

func (l *countsAnswers) Ready(ctx context.Context, healthy func(context.Context) error) error {
	err := l.drains.Ready(ctx, healthy)
	if l.leaving.Load() {
		l.noes.Add(1)
	}
	return err
}

func (l *countsAnswers) Stop(ctx context.Context, finish func(context.Context) error) error {
	l.leaving.Store(true)
	for end := time.Now().Add(2 * drainDelay); l.noes.Load() < 2 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(time.Second)
	return finish(ctx)
}

// lateNo lets the first question pass before it says no.
type lateNo struct{ drains }

func (l *lateNo) Stop(ctx context.Context, finish func(context.Context) error) error {
	time.Sleep(600 * time.Millisecond)
	return l.drains.Stop(ctx, finish)
}

// sickLeaves does not wait when its last answer was no: it believes that it is off the list.
type sickLeaves struct {
	*horizontal.Lifecycle
	sick atomic.Bool
}

func (l *sickLeaves) Ready(ctx context.Context, healthy func(context.Context) error) error {
	return l.Lifecycle.Ready(ctx, func(ctx context.Context) error {
		err := healthy(ctx)
		l.sick.Store(err != nil)
		return err
	})
}

func (l *sickLeaves) Stop(ctx context.Context, finish func(context.Context) error) error {
	if l.sick.Load() {
		return finish(ctx)
	}
	return l.Lifecycle.Stop(ctx, finish)
}

// oneForAll keeps the flag in a variable of the package, which here lives as long as the composition.
func oneForAll() func(*service.Composition) {
	all := &drains{delay: drainDelay}
	return going(func() service.Lifecycle { return all })
}

// ownContext finishes within a context that knows nothing of the one of Stop.
type ownContext struct{ *horizontal.Lifecycle }

func (l ownContext) Stop(ctx context.Context, finish func(context.Context) error) error {
	return l.Lifecycle.Stop(ctx, func(context.Context) error {
		own, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		return finish(own)
	})
}
