package spec

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// backWithin is how long a cache may take to use a Redis that is back.
const backWithin = 5 * time.Second

// absence is a way in which Redis is of no use.
type absence struct {
	what  string
	begin func(*fakeRedis)
	end   func(*fakeRedis) error
}

// loading is the answer of a Redis that has just started.
const loading = "LOADING Redis is loading the dataset in memory"

func absences() []absence {
	answers := func(r *fakeRedis) error { r.answers(); return nil }
	return []absence{
		{"Redis refuses connections", (*fakeRedis).stop, (*fakeRedis).start},
		{"Redis answers each command with LOADING", func(r *fakeRedis) { r.refuses(loading) }, answers},
		{"Redis takes connections and does not answer", (*fakeRedis).hangs, answers},
	}
}

// withoutRedis makes every call of the stores while Redis is away, in each of its ways.
func (s *seam) withoutRedis(ctx context.Context) error {
	if err := s.triesOnce(ctx); err != nil {
		return err
	}
	if err := s.tooLate(ctx); err != nil {
		return err
	}
	for i, a := range absences() {
		if err := s.whileAway(ctx, a, byte(100+10*i)); err != nil {
			return err
		}
	}
	return nil
}

// mostTries is how often a read may send the same command to a Redis that answers with an error. The
// client's default is four times.
const mostTries = 2

// triesOnce counts the commands of a read while Redis answers with an error that the client would try
// again.
func (s *seam) triesOnce(ctx context.Context) error {
	s.redis.refuses(loading)
	defer s.redis.answers()
	command, times, err := s.redis.count(func() error {
		return s.countsA(ctx, meter.Bypass, at(lookAway(), []question{meal("m030")})[0], "while Redis answers each command with LOADING")
	})
	if err == nil && times > mostTries {
		return &lab.Failure{
			Expected: "a call to Redis that is made once, because the database answers sooner than a second try",
			Seen:     fmt.Sprintf("%d times %.100s", times, command),
			Look:     lab.Look{File: "redis.go", Func: "options", Hint: "how often does the client try again by default?"},
		}
	}
	return err
}

const (
	// tooLateAnswer is how late a Redis is that must not be waited for. The lesson bounds a call by
	// 100 ms at most.
	tooLateAnswer = 250 * time.Millisecond
	// tooLateReads is how often a meal is read from such a Redis. One read that does not wait is enough: the
	// machine may stand still until the answer is there.
	tooLateReads = 4
)

// tooLate reads a meal that is kept from a Redis that takes longer than a call may last.
func (s *seam) tooLate(ctx context.Context) error {
	q := at(lookAway(), []question{meal("m031")})[0]
	if err := s.wantAll(ctx, []question{q}, "read at first"); err != nil {
		return err
	}
	s.redis.takes(tooLateAnswer)
	defer s.redis.takes(0)
	for range tooLateReads {
		s.memory.questions(q.kind)
		if err := s.want(ctx, 0, q, fmt.Sprintf("while Redis takes %s to answer", tooLateAnswer)); err != nil {
			return err
		}
		if s.memory.questions(q.kind) > 0 {
			return nil
		}
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("reads that ask the database while Redis takes %s to answer", tooLateAnswer),
		Seen:     fmt.Sprintf("%d of %d reads that waited for Redis", tooLateReads, tooLateReads),
		Look:     lab.Look{File: "redis.go", Func: "options", Hint: "for how long may one answer take? Set ReadTimeout to 50 to 100 ms"},
	}
}

// whileAway makes all calls while Redis is away, and demands right answers to them. n numbers the
// sessions.
func (s *seam) whileAway(ctx context.Context, a absence, n byte) error {
	during := "while " + a.what
	stays, leaves, comes := newSession(n, time.Hour), newSession(n+1, time.Hour), newSession(n+2, time.Hour)
	for _, session := range []bytebites.Session{stays, leaves} {
		if err := s.create(ctx, 0, session, "before Redis is away"); err != nil {
			return err
		}
	}
	questions := []question{
		meal("m010"), meal("none"), mealsByID("m009", "m010"), ratingsOf("m010"), popular(10),
		page(bytebites.MealFilter{Limit: 20}), page(bytebites.MealFilter{Limit: 20, Search: "m010"}), sessionOf(stays.TokenHash),
	}
	if err := s.wantAll(ctx, append(questions, sessionOf(leaves.TokenHash)), "before Redis is away"); err != nil {
		return err
	}
	a.begin(s.redis)
	err := s.callAll(ctx, questions, during, n, leaves, comes)
	if endErr := a.end(s.redis); err == nil {
		err = endErr
	}
	if err != nil {
		return err
	}
	// Deletions that were lost meanwhile are for stretch: forget them, and see that Redis is used.
	s.redis.flush()
	return s.usesRedisAgain(ctx, meal("m020"), "after "+a.what)
}

func lookAway() lab.Look {
	return lookGet("what does it do when Redis does not answer? See also options in redis.go: how long may one answer take?")
}

func (s *seam) callAll(ctx context.Context, questions []question, during string, n byte, leaves, comes bytebites.Session) error {
	look := lookAway()
	if err := s.wantAtOnce(ctx, at(look, questions), during); err != nil {
		return err
	}
	for _, change := range []struct {
		what string
		look lab.Look
		make func(context.Context, replica) error
	}{
		{"a change of a price", lookUpdate("is an error of Redis returned?"), priceTo(bytebites.Cents(300 + int(n)))},
		{"a rating", lab.Look{File: "catalogue.go", Func: "ratings.Rate", Hint: "is an error of Redis returned?"}, rate},
	} {
		_, err := bounded(ctx, change.what, func(ctx context.Context) (struct{}, error) { return struct{}{}, change.make(ctx, s.replicas[0]) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return &lab.Failure{Expected: change.what + " without an error, " + during, Seen: err.Error(), Waited: overdue(err), Look: change.look}
		}
	}
	if err := s.create(ctx, 0, comes, during); err != nil {
		return err
	}
	if err := s.remove(ctx, 1, leaves.TokenHash, during); err != nil {
		return err
	}
	after := append(at(look, append(questions, sessionOf(comes.TokenHash))),
		at(lookDelete("is the session deleted in the database when Redis is away?"), []question{sessionOf(leaves.TokenHash)})...)
	return s.wantAtOnce(ctx, after, "after changes "+during)
}

// usesRedisAgain waits until reads of a question stop reaching the database.
func (s *seam) usesRedisAgain(ctx context.Context, q question, when string) error {
	q.look = lookAway()
	for deadline := time.Now().Add(backWithin); ; {
		if err := s.wantAll(ctx, []question{q}, when); err != nil {
			return err
		}
		s.memory.questions(q.kind)
		if err := s.wantAll(ctx, []question{q}, when); err != nil {
			return err
		}
		n := s.memory.questions(q.kind)
		if n == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("reads that Redis answers again within %s %s", backWithin, when), Seen: fmt.Sprintf("%d questions to the database", n), Waited: lab.Last(backWithin),
				Look: lab.Look{File: "redis.go", Func: "options", Hint: "when does the client try Redis again?"},
			}
		}
		if err := rig.Pause(ctx, 10*pollEvery); err != nil {
			return err
		}
	}
}

const (
	// lateAnswer is how late a Redis may be that is still to be used: the machine of a replica stands
	// still for longer when its CPU quota is used up.
	lateAnswer = 15 * time.Millisecond
	// lateReads is how often a meal is read from such a Redis. One hit shows that it is waited for.
	lateReads = 20
)

// lateRedis reads a meal from a Redis that is late.
func (s *seam) lateRedis(ctx context.Context) error {
	q := meal("m010")
	if err := s.wantAll(ctx, []question{q}, "read at first"); err != nil {
		return err
	}
	s.redis.takes(lateAnswer)
	defer s.redis.takes(0)
	for range lateReads {
		s.memory.questions(q.kind)
		if err := s.want(ctx, 0, q, fmt.Sprintf("while Redis takes %s to answer", lateAnswer)); err != nil {
			return err
		}
		if s.memory.questions(q.kind) == 0 {
			return s.crowdWaits(ctx, q)
		}
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("a meal from a Redis that takes %s to answer", lateAnswer),
		Seen:     fmt.Sprintf("%d of %d reads that asked the database", lateReads, lateReads), Waited: lab.Waited{Each: lateAnswer},
		Look: lab.Look{File: "redis.go", Func: "options", Hint: "for how long does a replica stand still when its CPU quota is used up?"},
	}
}

// lateCallers is how many callers ask at once. With 16 connections and answers of 15 ms the last of them
// waits for 0.14 s.
const lateCallers = 150

// crowdWaits has a crowd read a meal that is kept, while each answer of Redis is late. A caller that
// waits for a connection says nothing about Redis, so few of them may do without it.
func (s *seam) crowdWaits(ctx context.Context, q question) error {
	before, err := s.looked(meter.Bypass)
	if err != nil {
		return err
	}
	began := time.Now()
	all, ctx := errgroup.WithContext(ctx)
	for range lateCallers {
		all.Go(func() error { return s.want(ctx, 0, q, fmt.Sprintf("for one of %d callers at once", lateCallers)) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	after, err := s.looked(meter.Bypass)
	if n := after - before; err == nil && n > lateCallers/4 {
		err = &lab.Failure{
			Expected: fmt.Sprintf("%d callers at once to wait for a connection to Redis, which takes %s to answer", lateCallers, lateAnswer),
			Seen:     fmt.Sprintf("%.0f that asked the database", n), Waited: lab.Waited{From: began, Each: lateAnswer},
			Look: lab.Look{File: "redis.go", Func: "options", Hint: "how many calls may run at once, and for how long does the next caller wait? PoolSize, PoolTimeout"},
		}
	}
	return err
}

// startsWithoutRedis opens caches while Redis is away. They must open, answer, and use Redis when it
// is there.
func (l *trial) startsWithoutRedis(ctx context.Context, _ *lab.Run) error {
	for _, a := range absences() {
		s, err := l.newSeam()
		if err != nil {
			return err
		}
		if err := s.end(ctx, s.startWithout(ctx, a)); err != nil {
			return err
		}
	}
	return nil
}

func (s *seam) startWithout(ctx context.Context, a absence) error {
	a.begin(s.redis)
	err := s.openAll(ctx)
	if err == nil {
		questions := []question{meal("m010"), popular(10), page(bytebites.MealFilter{Limit: 20})}
		err = s.wantAtOnce(ctx, at(lookAway(), questions), "of a replica that started while "+a.what)
	}
	if endErr := a.end(s.redis); err == nil {
		err = endErr
	}
	if err != nil {
		return err
	}
	return s.usesRedisAgain(ctx, meal("m020"), "of a replica that started while "+a.what)
}

// lostSignOut signs a subscriber out while Redis is away, which then comes back with all its keys.
func (s *seam) lostSignOut(ctx context.Context) error {
	session := newSession(200, time.Hour)
	if err := s.create(ctx, 0, session, "before Redis is away"); err != nil {
		return err
	}
	q := sessionOf(session.TokenHash)
	if err := s.wantAll(ctx, []question{q}, "before Redis is away"); err != nil {
		return err
	}
	s.redis.stop()
	err := s.remove(ctx, 0, session.TokenHash, "while Redis refuses connections")
	if startErr := s.redis.start(); err == nil {
		err = startErr
	}
	if err != nil {
		return err
	}
	look := lab.Look{File: "stretch_deletions.go", Func: "owed.add", Hint: "what becomes of a deletion that fails?"}
	for deadline := time.Now().Add(staleTimeout); ; {
		err := s.wantAll(ctx, at(look, []question{q}), fmt.Sprintf("%s after Redis is back, for a subscriber who signed out meanwhile", staleTimeout))
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		if err := rig.Pause(ctx, 10*pollEvery); err != nil {
			return err
		}
	}
}
