// Package wrong is plausible wrong answers to lab 02, those that a service carries. Which
// check must reject which answer is in the solution's test.
package wrong

import (
	"context"
	"maps"
	"sync"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/inmem"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/02-horizontal"
)

// The names of the variants.
const (
	MemorySessions   = "memory-sessions"
	RememberedLogins = "remembered-logins"
	YesWhileLeaving  = "yes-while-leaving"
	LeavesAtOnce     = "leaves-at-once"
)

// maxSessions bounds the memory that sessions take.
const maxSessions = 10_000

// Variants returns, by name, what each answer changes in a service with the solution in it.
func Variants() map[string]func(*service.Composition) {
	variants := map[string]func(*service.Composition){
		MemorySessions: keeping(func(service.Resources) bytebites.Sessions { return inmem.New(maxSessions, nil) }),
		RememberedLogins: keeping(func(r service.Resources) bytebites.Sessions {
			return &rememberedLogins{Sessions: horizontal.NewSessions(r.Catalogue), known: make(map[[32]byte]bytebites.Session)}
		}),
		YesWhileLeaving: going(func() service.Lifecycle { return yesWhileLeaving{horizontal.NewLifecycle()} }),
		LeavesAtOnce:    going(func() service.Lifecycle { return leavesAtOnce{horizontal.NewLifecycle()} }),
	}
	maps.Copy(variants, sessions())
	maps.Copy(variants, shutdown())
	return variants
}

func keeping(build func(service.Resources) bytebites.Sessions) func(*service.Composition) {
	return func(c *service.Composition) {
		c.Sessions = func(r service.Resources) (bytebites.Sessions, error) { return build(r), nil }
	}
}

func going(build func() service.Lifecycle) func(*service.Composition) {
	return func(c *service.Composition) { c.Lifecycle = build }
}

// rememberedLogins keeps sessions where all can read them, and also in memory, to spare the
// database a question for each request. Nobody tells it of a session that ended elsewhere.
type rememberedLogins struct {
	*horizontal.Sessions
	mu    sync.Mutex
	known map[[32]byte]bytebites.Session
}

func (s *rememberedLogins) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	s.mu.Lock()
	session, ok := s.known[tokenHash]
	s.mu.Unlock()
	if ok {
		return session, nil
	}
	session, err := s.Sessions.Session(ctx, tokenHash)
	if err == nil {
		s.mu.Lock()
		s.known[tokenHash] = session
		s.mu.Unlock()
	}
	return session, err
}

func (s *rememberedLogins) Delete(ctx context.Context, tokenHash [32]byte) error {
	s.mu.Lock()
	delete(s.known, tokenHash)
	s.mu.Unlock()
	return s.Sessions.Delete(ctx, tokenHash)
}

// yesWhileLeaving waits before it goes, and says that all is well meanwhile: the databases
// are.
type yesWhileLeaving struct{ *horizontal.Lifecycle }

func (yesWhileLeaving) Ready(ctx context.Context, healthy func(context.Context) error) error {
	return healthy(ctx)
}

// leavesAtOnce is the starter's code: it takes no more requests from SIGTERM on.
type leavesAtOnce struct{ *horizontal.Lifecycle }

func (leavesAtOnce) Stop(ctx context.Context, finish func(context.Context) error) error {
	return finish(ctx)
}
