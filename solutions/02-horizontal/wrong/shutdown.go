package wrong

import (
	"context"
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
