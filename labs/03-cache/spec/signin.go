package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// shortSession is the length of a session that a check waits for. expiryMargin is added to the
	// wait: clocks and expiries are rounded.
	shortSession = 700 * time.Millisecond
	expiryMargin = 300 * time.Millisecond
)

func lookCreate(hint string) lab.Look {
	return lab.Look{File: "sessions.go", Func: "sessions.Create", Hint: hint}
}

func lookDelete(hint string) lab.Look {
	return lab.Look{File: "sessions.go", Func: "sessions.Delete", Hint: hint}
}

// create signs a subscriber in through a replica.
func (s *seam) create(ctx context.Context, r int, session bytebites.Session, when string) error {
	_, err := bounded(ctx, "sign-in", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.replicas[r].sessions.Create(ctx, session)
	})
	if err != nil && ctx.Err() == nil {
		return &lab.Failure{Expected: "a sign-in without an error, " + when, Seen: err.Error(), Waited: overdue(err), Look: lookCreate("which error does it return?")}
	}
	if err != nil {
		return err
	}
	stored, err := s.right(ctx, sessionOf(session.TokenHash))
	if err == nil && stored == missing {
		return &lab.Failure{
			Expected: "a session that the database has when the sign-in is answered, " + when, Seen: "none",
			Look: lookCreate("a session that is only in Redis is lost with Redis"),
		}
	}
	return err
}

// remove signs a subscriber out through a replica.
func (s *seam) remove(ctx context.Context, r int, tokenHash [32]byte, when string) error {
	_, err := bounded(ctx, "sign-out", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.replicas[r].sessions.Delete(ctx, tokenHash)
	})
	if err != nil && ctx.Err() == nil {
		return &lab.Failure{Expected: "a sign-out without an error, " + when, Seen: err.Error(), Waited: overdue(err), Look: lookDelete("which error does it return?")}
	}
	return err
}

// signInAndOut judges sessions from sign-in to expiry.
func (s *seam) signInAndOut(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.writtenThrough, s.ownSessions, s.failedSignIn, s.failedSessionStore, s.expired, s.signOuts, s.lostDeletionExpires,
		s.endsWithSession, s.sessionsLast,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// writtenThrough demands that the first reads of new sessions do not reach the database.
func (s *seam) writtenThrough(ctx context.Context) error {
	const signIns = 6
	loaded := 0
	for n := range byte(signIns) {
		session := newSession(3+n, time.Hour)
		if err := s.create(ctx, 0, session, "while all works"); err != nil {
			return err
		}
		s.memory.questions(aSession)
		if err := s.wantAll(ctx, []question{sessionOf(session.TokenHash)}, "after a sign-in on replica 1"); err != nil {
			return err
		}
		if s.memory.questions(aSession) > 0 {
			loaded++
		}
	}
	// A Redis that is late for once, because the machine is busy, is a miss.
	if loaded > signIns/2 {
		return &lab.Failure{
			Expected: "a new session in Redis, so that no read of it reaches the database",
			Seen:     fmt.Sprintf("%d of %d sessions read from the database", loaded, signIns),
			Look:     lookCreate("write the session to Redis when the database has it, and look there when it is read"),
		}
	}
	s.redis.flush()
	return s.isKept(ctx, sessionOf(newSession(3, 0).TokenHash))
}

// ownSessions reads sessions with similar hashes at the same time.
func (s *seam) ownSessions(ctx context.Context) error {
	var questions []question
	for n := range byte(8) {
		session := newSession(10+n, time.Hour)
		session.TokenHash = [32]byte{9, 9, 9, 9} // the hashes differ in one byte: the first ones, or the last ones
		if n < 4 {
			session.TokenHash[0] = n
		} else {
			session.TokenHash[31] = n
		}
		s.memory.change(func() { s.memory.sessions[session.TokenHash] = session })
		questions = append(questions, sessionOf(session.TokenHash))
	}
	questions = append(questions, sessionOf([32]byte{77}), sessionOf([32]byte{}))
	return s.own(ctx, questions)
}

// failedSignIn has the database refuse a session: it must not exist in Redis either.
func (s *seam) failedSignIn(ctx context.Context) error {
	session := newSession(30, time.Hour)
	s.memory.fail(true)
	defer s.memory.fail(false)
	_, err := bounded(ctx, "sign-in", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.replicas[0].sessions.Create(ctx, session)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return &lab.Failure{
			Expected: "an error for a sign-in that the database has not stored", Seen: "none",
			Look: lookCreate("a session that is only in Redis is lost with Redis"),
		}
	}
	if !errors.Is(err, errStore) {
		return &lab.Failure{
			Expected: "the store's error for a sign-in that the database has not stored", Seen: err.Error(), Waited: overdue(err),
			Look: lookCreate("is the error returned as it is, or wrapped by %w?"),
		}
	}
	s.memory.fail(false)
	return s.wantAll(ctx, at(lookCreate("which of both is written first?"), []question{sessionOf(session.TokenHash)}), "after a sign-in that the database refused")
}

// failedSessionStore has the database fail while a session is read, and while it is deleted.
func (s *seam) failedSessionStore(ctx context.Context) error {
	session := newSession(31, time.Hour)
	if err := s.create(ctx, 0, session, "while all works"); err != nil {
		return err
	}
	q := sessionOf(session.TokenHash)
	if err := s.storeError(ctx, q); err != nil {
		return err
	}
	s.memory.fail(true)
	defer s.memory.fail(false)
	_, err := bounded(ctx, "sign-out", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.replicas[0].sessions.Delete(ctx, session.TokenHash)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(err, errStore) {
		return &lab.Failure{
			Expected: "the store's error for a sign-out that the database has not made, because the subscriber is still signed in", Seen: fmt.Sprint(err),
			Look: lookDelete("which error does it return?"),
		}
	}
	return nil
}

// expired lets sessions expire that both replicas have just read.
func (s *seam) expired(ctx context.Context) error {
	created, loaded := newSession(40, shortSession), newSession(41, shortSession)
	if err := s.create(ctx, 0, created, "while all works"); err != nil {
		return err
	}
	s.memory.change(func() { s.memory.sessions[loaded.TokenHash] = loaded })
	questions := []question{sessionOf(created.TokenHash), sessionOf(loaded.TokenHash)}
	// A machine that is slow may come too late for these reads. They only fill the cache.
	s.readEverywhere(ctx, questions)
	s.redis.last(time.Hour) // the clock of Redis is not that of the replicas
	if err := rig.Pause(ctx, time.Until(loaded.ExpiresAt)+expiryMargin); err != nil {
		return err
	}
	return s.wantAll(ctx, at(lookSession("an entry in Redis may outlive its session: compare the expiry"), questions), "after the session has expired")
}

// oldestSession is how long a session may stay in Redis whose deletion was lost. The lesson keeps it
// for half of that.
const oldestSession = 20 * time.Minute

// lostDeletionExpires deletes a session behind the cache's back, as a deletion that was lost would
// leave it, and turns the clock of Redis forward.
func (s *seam) lostDeletionExpires(ctx context.Context) error {
	loaded, created := newSession(1, 24*time.Hour), newSession(2, 24*time.Hour)
	s.memory.change(func() { s.memory.sessions[loaded.TokenHash] = loaded })
	if err := s.create(ctx, 0, created, "while all works"); err != nil {
		return err
	}
	questions := at(lab.Look{File: "sessions.go", Func: "keepSession", Hint: "which time to live has the key of a session?"},
		[]question{sessionOf(loaded.TokenHash), sessionOf(created.TokenHash)})
	if err := s.wantAll(ctx, questions, "while they last"); err != nil {
		return err
	}
	s.memory.change(func() {
		delete(s.memory.sessions, loaded.TokenHash)
		delete(s.memory.sessions, created.TokenHash)
	})
	s.redis.forward(oldestSession)
	return s.wantAll(ctx, questions, fmt.Sprintf("%s after a sign-out whose deletion was lost", oldestSession))
}

// briefSession is the length of a session that is shorter than the lesson keeps an entry.
const briefSession = 2 * time.Minute

// endsWithSession signs a subscriber in for a short time. An entry that lasts longer than its session only takes
// memory.
func (s *seam) endsWithSession(ctx context.Context) error {
	s.redis.flush()
	session := newSession(46, briefSession)
	if err := s.create(ctx, 0, session, "while all works"); err != nil {
		return err
	}
	if ttl := s.redis.longestTTL(); ttl > briefSession+expiryMargin {
		return &lab.Failure{
			Expected: fmt.Sprintf("an entry that expires with its session, which lasts %s", briefSession),
			Seen:     "a time to live of " + ttl.Round(time.Second).String(),
			Look:     lab.Look{File: "sessions.go", Func: "keepSession", Hint: "how long does the session last? See Session.ExpiresAt"},
		}
	}
	return nil
}

// sessionsLast signs subscribers in and out, and demands that Redis has done its part before the answer.
func (s *seam) sessionsLast(ctx context.Context) error {
	sessions := make([]bytebites.Session, lastTries)
	for n := range sessions {
		sessions[n] = newSession(byte(60+n), time.Hour)
	}
	if err := s.answeredLast(ctx, "the new session", lookCreate("does the caller wait until Redis has the session? A sign-out may follow at once"), func(n byte) error {
		return s.replicas[0].sessions.Create(ctx, sessions[n])
	}); err != nil {
		return err
	}
	return s.answeredLast(ctx, "the deletion of a session's entry", lookDelete("does the caller wait for the deletion?"), func(n byte) error {
		return s.replicas[0].sessions.Delete(ctx, sessions[n].TokenHash)
	})
}

// signOuts signs four subscribers out. The first waits for the answer. Both replicas read the session
// of the second just before the commit. The third leaves. Of the fourth the database's answer is lost.
func (s *seam) signOuts(ctx context.Context) error {
	nothing := func(context.CancelFunc, question) func() { return nil }
	for n, circumstance := range []struct {
		what, hint string
		during     func(leave context.CancelFunc, q question) func()
	}{
		{"", "what becomes of the copy in Redis?", nothing},
		{", which both replicas read just before its commit", "delete the copy when the database has deleted the session, not before", func(_ context.CancelFunc, q question) func() {
			return func() { s.readEverywhere(ctx, []question{q}) }
		}},
		{", whose caller left before the answer", "does the deletion end with the caller's request?", func(leave context.CancelFunc, _ question) func() { return leave }},
		{lostAnswer, "delete the copy after an error too: the commit may have gone through", nothing},
	} {
		session := newSession(byte(50+n), time.Hour)
		q := sessionOf(session.TokenHash)
		q.look = lookDelete(circumstance.hint)
		if err := s.create(ctx, 0, session, "while all works"); err != nil {
			return err
		}
		if err := s.wantAll(ctx, []question{q}, "after a sign-in"); err != nil {
			return err
		}
		caller, leave := context.WithCancel(ctx)
		during := circumstance.during(leave, q)
		unsure := circumstance.what == lostAnswer
		s.memory.change(func() { s.memory.changing, s.memory.unsure = during, unsure })
		err := s.remove(caller, 1, session.TokenHash, "while all works")
		s.memory.change(func() { s.memory.unsure = false })
		left := caller.Err() != nil
		leave()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !left && !unsure:
			return err
		case left:
			s.settle(ctx)
		}
		if err := s.wantAll(ctx, []question{q}, "after a sign-out on replica 2"+circumstance.what); err != nil {
			return err
		}
	}
	return nil
}
