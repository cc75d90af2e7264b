package spec

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// storeLimit bounds one call of the subject's store. It takes milliseconds, on a busy machine
	// some hundred.
	storeLimit = 3 * time.Second
	// storeConnections is the size of a store's pool, and reads more than it: a read that keeps
	// its connection leaves none for the last.
	storeConnections = 2
	reads            = 4 * storeConnections
	// crowd is the number of subscribers that use a store at once.
	crowd = 12
)

// session returns a new session of visitor n that ends at a time.
func session(n int, ends time.Time) bytebites.Session {
	return bytebites.Session{
		TokenHash: sha256.Sum256([]byte(rand.Text())), User: seed.User(firstVisitor + n), Email: seed.Email(firstVisitor + n),
		ExpiresAt: ends.UTC().Truncate(time.Second),
	}
}

// store is a store of the subject, called with a time limit and without panics.
type store struct{ bytebites.Sessions }

// storeLook is the place of a method of sessions.go.
func storeLook(method, hint string) lab.Look {
	switch method {
	case "Create":
		return lab.Look{File: "sessions.go", Func: "Sessions.Create", Hint: hint}
	case "Delete":
		return lab.Look{File: "sessions.go", Func: "Sessions.Delete", Hint: hint}
	default:
		return lab.Look{File: "sessions.go", Func: "Sessions.Session", Hint: hint}
	}
}

// call runs one call of the subject's store. The failure is not nil when the call did not end or
// panicked, and err is the call's own.
func call(ctx context.Context, method string, do func(context.Context) error) (err, failure error) {
	ctx, cancel := context.WithCancel(ctx)
	// The context outlives a call that ends in time, as that of a request does: its end would give
	// back a connection that the call has kept.
	limit := time.AfterFunc(hostspeed.Wait(storeLimit), cancel)
	ended := make(chan error, 1)
	broken := make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				broken <- p
			}
		}()
		ended <- do(ctx)
	}()
	select {
	case err := <-ended:
		if limit.Stop() || err == nil {
			return err, nil
		}
		return nil, tooLong(method)
	case p := <-broken:
		return nil, &lab.Failure{Expected: method + " to return", Seen: fmt.Sprintf("a panic: %v", p), Look: storeLook(method, "")}
	case <-ctx.Done():
		return nil, tooLong(method)
	}
}

func tooLong(method string) error {
	return &lab.Failure{
		Expected: fmt.Sprintf("%s to return within %s", method, storeLimit), Seen: method + " still waits",
		Look: storeLook(method, "does each call give its connection back? Which rows does it wait for?"),
	}
}

func (s store) create(ctx context.Context, session bytebites.Session) error {
	err, failure := call(ctx, "Create", func(ctx context.Context) error { return s.Create(ctx, session) })
	if failure == nil && err != nil {
		failure = &lab.Failure{Expected: "Create to store a session", Seen: err.Error(), Waited: lab.Late(err), Look: storeLook("Create", "")}
	}
	return failure
}

func (s store) find(ctx context.Context, hash [32]byte) (found bytebites.Session, err, failure error) {
	var mu sync.Mutex // a call that does not end may still write
	err, failure = call(ctx, "Session", func(ctx context.Context) error {
		session, err := s.Session(ctx, hash)
		mu.Lock()
		defer mu.Unlock()
		found = session
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	return found, err, failure
}

func (s store) remove(ctx context.Context, hash [32]byte) error {
	err, failure := call(ctx, "Delete", func(ctx context.Context) error { return s.Delete(ctx, hash) })
	if failure == nil && err != nil {
		failure = &lab.Failure{Expected: "Delete to return nil, also for an unknown session", Seen: err.Error(), Waited: lab.Late(err), Look: storeLook("Delete", "")}
	}
	return failure
}

// holds demands that the store has a session, and nothing else under its token.
func (s store) holds(ctx context.Context, want bytebites.Session, when, hint string) error {
	got, err, failure := s.find(ctx, want.TokenHash)
	switch {
	case failure != nil:
		return failure
	case err != nil:
		return &lab.Failure{Expected: "Session to find a session " + when, Seen: err.Error(), Waited: lab.Late(err), Look: storeLook("Session", hint)}
	case got.User != want.User || got.Email != want.Email || !got.ExpiresAt.Equal(want.ExpiresAt) || got.TokenHash != want.TokenHash:
		return &lab.Failure{
			Expected: fmt.Sprintf("Session to return what Create stored, %s: %s", when, about(want)), Seen: about(got),
			Look: storeLook("Session", hint),
		}
	}
	return nil
}

// seenIn returns what the failure inside an error saw, so that a failure with an expectation of its
// own can say it. Of another error it returns the text.
func seenIn(err error) string {
	var failure *lab.Failure
	if errors.As(err, &failure) {
		return failure.Seen
	}
	return err.Error()
}

func about(s bytebites.Session) string {
	return fmt.Sprintf("user %s, %s, ends %s, token hash %.4x", s.User, s.Email, s.ExpiresAt.UTC().Format(time.RFC3339Nano), s.TokenHash)
}

// lacks demands bytebites.ErrNotFound.
func (s store) lacks(ctx context.Context, hash [32]byte, what, method, hint string) error {
	got, err, failure := s.find(ctx, hash)
	switch {
	case failure != nil:
		return failure
	case !errors.Is(err, bytebites.ErrNotFound):
		seen := about(got)
		if err != nil {
			seen = err.Error()
		}
		return &lab.Failure{Expected: fmt.Sprintf("bytebites.ErrNotFound for %s", what), Seen: seen, Look: storeLook(method, hint)}
	}
	return nil
}

// sessionStore calls the subject's store as two replicas do.
func (l *trial) sessionStore(ctx context.Context, _ *lab.Run) error {
	return l.use(ctx, func(ctx context.Context, s *shelf) error {
		one, err := s.open(0)
		if err != nil {
			return err
		}
		two, err := s.open(0)
		if err != nil {
			return err
		}
		for _, check := range []func(context.Context, *shelf, store, store) error{shared, replaced, ownAnswers, connections, restarted, unreachable, calledOff} {
			if err := check(ctx, s, store{one}, store{two}); err != nil {
				return err
			}
		}
		return nil
	})
}

// shared creates a session in one replica, reads it in both, and deletes it in the other.
func shared(ctx context.Context, _ *shelf, one, two store) error {
	ends := time.Now().Add(2 * time.Hour)
	here, other := session(0, ends), session(0, ends.Add(time.Hour))
	if err := one.lacks(ctx, here.TokenHash, "a token that nobody has", "Session", ""); err != nil {
		return err
	}
	const hint = "where is a session kept, and which replicas can read it there?"
	for _, s := range []bytebites.Session{here, other} {
		if err := one.create(ctx, s); err != nil {
			return err
		}
		for _, at := range []store{one, two} {
			if err := at.holds(ctx, s, "that any replica has stored", hint); err != nil {
				return err
			}
		}
	}
	if err := one.holds(ctx, here, "of a subscriber who signed in on a second device", "which rows does Create remove?"); err != nil {
		return err
	}
	if err := two.remove(ctx, here.TokenHash); err != nil {
		return err
	}
	for _, at := range []store{two, one} {
		if err := at.lacks(ctx, here.TokenHash, "a session that any replica has deleted", "Delete", "what does a replica remember that another has deleted?"); err != nil {
			return err
		}
	}
	if err := one.remove(ctx, here.TokenHash); err != nil { // unknown by now
		return err
	}
	return one.holds(ctx, other, "of a subscriber who signed out on another device", "which rows does Delete remove?")
}

// replaced creates a session under a token that has one.
func replaced(ctx context.Context, _ *shelf, one, two store) error {
	ends := time.Now().Add(time.Hour)
	first, second := session(1, ends), session(2, ends.Add(time.Hour))
	second.TokenHash = first.TokenHash
	second.User, second.Email = `u'1"; --`, "Zoë.O'Brien+1@Example.org"
	for _, s := range []bytebites.Session{first, first, second, first} {
		if err := one.create(ctx, s); err != nil {
			return err
		}
		if err := two.holds(ctx, s, "that replaced an earlier one of its token", "what does Create do ON CONFLICT (token_hash)?"); err != nil {
			return err
		}
	}
	return nil
}

// ownAnswers has a crowd create and read at once, each its own session.
func ownAnswers(ctx context.Context, _ *shelf, one, two store) error {
	var group errgroup.Group
	for n := range crowd {
		group.Go(func() error {
			mine := session(n, time.Now().Add(time.Hour+time.Duration(n)*time.Minute))
			if err := one.create(ctx, mine); err != nil {
				return err
			}
			for _, at := range []store{one, two} {
				if err := at.holds(ctx, mine, "of a subscriber among others", "which values do calls at the same time share?"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// connections reads more often than the pool has connections.
func connections(ctx context.Context, _ *shelf, one, _ store) error {
	known := session(3, time.Now().Add(time.Hour))
	if err := one.create(ctx, known); err != nil {
		return err
	}
	for range reads {
		if err := one.holds(ctx, known, "that was read before", ""); err != nil {
			return err
		}
		if err := one.lacks(ctx, session(3, time.Now()).TokenHash, "an unknown token", "Session", ""); err != nil {
			return err
		}
	}
	return nil
}

// restarted builds the store again, as the start of a replica does.
func restarted(ctx context.Context, s *shelf, one, _ store) error {
	known := session(4, time.Now().Add(time.Hour))
	if err := one.create(ctx, known); err != nil {
		return err
	}
	if err := s.applySchema(ctx); err != nil {
		return err
	}
	again, err := s.open(0)
	if err != nil {
		return err
	}
	for _, at := range []store{{again}, one} {
		err := at.holds(ctx, known, "after another replica has started", "what do NewSessions and sessions.sql do to rows that are there?")
		if err != nil {
			return err
		}
	}
	return nil
}

// unreachable calls a store whose database is gone. The store must not report a session as missing.
func unreachable(ctx context.Context, s *shelf, _, _ store) error {
	gone, err := s.open(0)
	if err != nil {
		return err
	}
	if err := s.opened[len(s.opened)-1].Close(); err != nil {
		return err
	}
	at := store{gone}
	some := session(5, time.Now().Add(time.Hour))
	for _, c := range []struct {
		method string
		do     func(context.Context) error
	}{
		{"Session", func(ctx context.Context) error { _, err := at.Session(ctx, some.TokenHash); return err }},
		{"Create", func(ctx context.Context) error { return at.Create(ctx, some) }},
		{"Delete", func(ctx context.Context) error { return at.Delete(ctx, some.TokenHash) }},
	} {
		err, failure := call(ctx, c.method, c.do)
		switch {
		case failure != nil:
			return failure
		case err == nil || errors.Is(err, bytebites.ErrNotFound):
			return &lab.Failure{
				Expected: c.method + " to return an error other than bytebites.ErrNotFound when the database cannot be reached",
				Seen:     fmt.Sprintf("%v", err), Look: storeLook(c.method, "a subscriber must not be told to be signed out, or in, because a database is away"),
			}
		}
	}
	return nil
}

// calledOff calls the store for a request that has ended.
func calledOff(ctx context.Context, _ *shelf, one, _ store) error {
	known := session(6, time.Now().Add(time.Hour))
	if err := one.create(ctx, known); err != nil {
		return err
	}
	ended, end := context.WithCancel(ctx)
	end()
	err, failure := call(ctx, "Session", func(context.Context) error { _, err := one.Session(ended, known.TokenHash); return err })
	if failure == nil && (err == nil || errors.Is(err, bytebites.ErrNotFound)) {
		failure = &lab.Failure{
			Expected: "Session to return the error of its context when that has ended", Seen: fmt.Sprintf("%v", err),
			Look: storeLook("Session", "pass ctx to the query, so that it ends with the request"),
		}
	}
	return failure
}
