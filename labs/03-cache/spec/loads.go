package spec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// seamCrowd is the number of callers on a replica that miss the same key at the same time.
	seamCrowd = 60
	// crowdLoads is how many loads such a crowd may cost on a replica. One is enough. The rest allows
	// for a machine so busy that Redis is late and its callers load for themselves; the check
	// "stampede" has the stricter bound. Without single flight each caller loads.
	crowdLoads = seamCrowd / 2
	// longestLoad is the longest time limit that a load may have.
	longestLoad = 30 * time.Second
	// leaveTimeout bounds the time until a caller that has left is let go.
	leaveTimeout = time.Second
	// endlessAfter is how long the stores wait for the end of a load whose context names no end.
	endlessAfter = 8 * time.Second
)

// requestKey is a context key of a request, such as that of an open transaction.
type requestKey struct{}

// sharedLoads judges the loads of meals, ratings and popular meals for crowds.
func (s *seam) sharedLoads(ctx context.Context) error {
	for _, q := range []question{meal("m010"), mealsByID("m011", "m012"), ratingsOf("m010"), popular(10)} {
		if err := s.sharedLoad(ctx, q); err != nil {
			return err
		}
	}
	for _, judge := range []func(context.Context) error{s.sharedWhileAway, s.leavers, s.failedLoad, s.loadsTogether} {
		if err := judge(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sharedWhileAway has a crowd read a meal while Redis refuses every command.
func (s *seam) sharedWhileAway(ctx context.Context) error {
	s.redis.refuses(loading)
	defer s.redis.answers()
	return s.fewLoads(ctx, meal("m014"), s.redis.answers, "while Redis answers each command with LOADING",
		lookGet("are ids that Redis did not answer for loaded by loadOnce, as ids that it misses are?"))
}

// failedLoad has a crowd wait for a load that fails. The error is the answer of all: a query for each of
// them would come when the database can least answer it.
func (s *seam) failedLoad(ctx context.Context) error {
	s.memory.fail(true)
	end := func() { s.memory.fail(false) }
	defer end()
	return s.fewLoads(ctx, meal("m016"), end, "while the database fails", lookLoad("what does a caller do when the load that it waited for fails?"))
}

// gatherMost bounds the wait until a crowd has gathered.
const gatherMost = 4 * gatherFor

// fewLoads has a crowd miss the same key while something fails, and counts the loads. Other checks judge
// the answers. It calls end, which ends the failure, before the first load ends. So a caller that comes late,
// on a busy machine, finds an entry as it would in any other crowd.
func (s *seam) fewLoads(ctx context.Context, q question, end func(), when string, look lab.Look) error {
	s.redis.flush()
	s.memory.questions(q.kind)
	letGo := s.memory.hold()
	defer letGo()
	var callers sync.WaitGroup
	for range seamCrowd {
		callers.Go(func() {
			_, _ = bounded(ctx, q.what, func(ctx context.Context) (string, error) { return q.ask(ctx, s.replicas[0]) })
		})
	}
	loads := 0
	for began := time.Now(); time.Since(began) < gatherMost && loads <= crowdLoads; {
		if err := rig.Pause(ctx, pollEvery); err != nil {
			return err
		}
		loads += s.memory.questions(q.kind)
	}
	end()
	letGo()
	callers.Wait()
	if loads += s.memory.questions(q.kind); loads > crowdLoads && ctx.Err() == nil {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d loads for %d callers that miss %s at the same time on one replica, %s", crowdLoads, seamCrowd, q.what, when),
			Seen:     fmt.Sprintf("%d", loads), Look: look,
		}
	}
	return ctx.Err()
}

// leaving is how many callers miss the same key one after the other, each of whom leaves.
const leaving = 6

// leavers has callers leave one after the other while the load of the first one is under way. A caller
// that leaves must not have the next one begin a load of its own.
func (s *seam) leavers(ctx context.Context) error {
	q := meal("m015")
	s.redis.flush()
	s.memory.questions(q.kind)
	letGo := s.memory.hold()
	defer letGo()
	loads := 0
	for range leaving {
		caller, leave := context.WithCancel(ctx)
		left := make(chan error, 1)
		go func() {
			_, err := recovered(caller, q.what, func(ctx context.Context) (string, error) { return q.ask(ctx, s.replicas[0]) })
			left <- err
		}()
		for began := time.Now(); time.Since(began) < gatherFor && caller.Err() == nil; {
			n := s.memory.questions(q.kind)
			loads += n
			if n > 0 {
				break
			}
			_ = rig.Pause(caller, pollEvery) // the loop ends with the caller
		}
		leave()
		if err := letLeave(ctx, left, q); err != nil {
			return err
		}
	}
	if loads += s.memory.questions(q.kind); loads > leaving/2 {
		return &lab.Failure{
			Expected: fmt.Sprintf("one load of %s, of which %d callers leave one after the other", q.what, leaving),
			Seen:     fmt.Sprintf("%d loads", loads), Look: lookLoad("does the load go on, and do later callers share it, when a caller leaves?"),
		}
	}
	return nil
}

// loadsTogether reads eight meals and their ratings that Redis does not have.
func (s *seam) loadsTogether(ctx context.Context) error {
	ids := []bytebites.MealID{"m001", "m002", "m003", "m004", "m005", "m006", "m007", "m008"}
	for _, q := range []question{mealsByID(ids...), ratingsOf(ids...)} {
		s.redis.flush()
		s.memory.questions(q.kind)
		if err := s.want(ctx, 0, q, "with an empty Redis"); err != nil {
			return err
		}
		if n := s.memory.questions(q.kind); n > len(ids)/2 {
			return &lab.Failure{
				Expected: fmt.Sprintf("one load for %d ids that Redis does not have", len(ids)), Seen: fmt.Sprintf("%d", n),
				Look: lookLoad("does one load get all missing ids?"),
			}
		}
	}
	return nil
}

// loadSeen is what the stores see of the loads for a crowd.
type loadSeen struct {
	mu      sync.Mutex
	first   context.Context // of the first load
	carries bool            // some load has values of a request
	began   chan struct{}   // closed by the first load
}

func (l *loadSeen) read(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = ctx
		close(l.began)
	}
	l.carries = l.carries || ctx.Value(requestKey{}) != nil
}

// sharedLoad has a crowd miss the same key on one replica, after a first caller whose load is under
// way and who then leaves.
func (s *seam) sharedLoad(ctx context.Context, q question) error {
	s.redis.flush()
	s.memory.questions(q.kind)
	seen := &loadSeen{began: make(chan struct{})}
	s.memory.change(func() { s.memory.reading = seen.read })
	defer s.memory.change(func() { s.memory.reading = nil })
	letGo := s.memory.hold()
	defer letGo()

	var callers sync.WaitGroup
	first, leave := context.WithCancel(context.WithValue(ctx, requestKey{}, "a transaction"))
	defer leave()
	left := make(chan error, 1)
	go func() {
		_, err := recovered(first, q.what, func(ctx context.Context) (string, error) { return q.ask(ctx, s.replicas[0]) })
		left <- err
	}()
	if err := await(ctx, seen.began, q); err != nil {
		return err
	}
	wrong := make(chan error, seamCrowd)
	for range seamCrowd {
		callers.Go(func() { wrong <- s.want(ctx, 0, q, "though the caller that began the load has left") })
	}
	if err := rig.Pause(ctx, gatherFor); err != nil {
		return err
	}
	leave()
	if err := letLeave(ctx, left, q); err != nil {
		return err
	}
	letGo()
	callers.Wait()
	close(wrong)
	for err := range wrong {
		var failure *lab.Failure
		if errors.As(err, &failure) {
			failure.Look = lookLoad("give the load a context of its own: the context of one caller ends when that caller leaves")
		}
		if err != nil {
			return err
		}
	}
	if n := s.memory.questions(q.kind); n > crowdLoads {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d loads for %d callers that miss %s at the same time on one replica", crowdLoads, seamCrowd+1, q.what),
			Seen:     fmt.Sprintf("%d", n), Look: lookLoad("which request loads, and which ones wait for it?"),
		}
	}
	return s.ownContext(ctx, seen, q)
}

// await waits for the first load of a question.
func await(ctx context.Context, began <-chan struct{}, q question) error {
	timeout := hostspeed.Wait(seamTimeout)
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	select {
	case <-began:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return &lab.Failure{
			Expected: fmt.Sprintf("a load of %s while Redis is empty", q.what), Seen: fmt.Sprintf("none within %s", timeout),
			Look: lookLoad("where does the answer come from while Redis is empty?"),
		}
	}
}

// letLeave waits until a caller that has left is let go, while its load goes on. It demands an error, because
// a thing that is not loaded yet may exist.
func letLeave(ctx context.Context, left <-chan error, q question) error {
	limit := time.NewTimer(hostspeed.Wait(leaveTimeout))
	defer limit.Stop()
	select {
	case err := <-left:
		if err != nil || ctx.Err() != nil {
			return ctx.Err()
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("an error for a caller that leaves while %s is loaded", q.what), Seen: "an answer without an error",
			Look: lookLoad("what is returned when the caller's context ends before the load?"),
		}
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return &lab.Failure{
			Expected: fmt.Sprintf("a caller that leaves while %s is loaded to be let go", q.what), Seen: "it waits for the load",
			Look: lookLoad("does it wait for the end of its own context too?"),
		}
	}
}

// ownContext judges the context of a load: it has an end of its own, and no values of a request.
func (s *seam) ownContext(ctx context.Context, seen *loadSeen, q question) error {
	seen.mu.Lock()
	load, carries := seen.first, seen.carries
	seen.mu.Unlock()
	if carries {
		return &lab.Failure{
			Expected: fmt.Sprintf("a load of %s whose context has no values of the request, because one of them may be an open transaction", q.what),
			Seen:     "a value of the first caller's context", Look: lookLoad("which context is the load's made of?"),
		}
	}
	if end, bounded := load.Deadline(); bounded {
		if left := time.Until(end); left > longestLoad {
			return endless(q, fmt.Sprintf("a time limit of %s", left.Round(time.Second)))
		}
		return nil
	}
	switch {
	case load.Done() == nil:
		return endless(q, "none")
	case load.Err() != nil:
		return nil // it ended with the load
	}
	limit := time.NewTimer(endlessAfter)
	defer limit.Stop()
	select {
	case <-load.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return endless(q, "none")
	}
}

func lookEntries(hint string) lab.Look {
	return lab.Look{File: "through.go", Func: "reader.loadEntries", Hint: hint}
}

func endless(q question, seen string) error {
	return &lab.Failure{
		Expected: fmt.Sprintf("a time limit of at most %s for a load of %s, because nobody can end it from outside", longestLoad, q.what),
		Seen:     seen, Look: lookLoad("when does a load end that the database never answers?"),
	}
}

// storeErrors is storeError for several questions.
func (s *seam) storeErrors(ctx context.Context, questions ...question) error {
	for _, q := range questions {
		if err := s.storeError(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// storeError has the stores fail for a moment. A question that needs them must fail, and be answered
// rightly as soon as they work again.
func (s *seam) storeError(ctx context.Context, q question) error {
	s.redis.flush()
	s.memory.fail(true)
	defer s.memory.fail(false)
	for r := range s.replicas {
		seen, err := bounded(ctx, q.what, func(ctx context.Context) (string, error) { return q.ask(ctx, s.replicas[r]) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			look := q.look
			look.Hint = "is an error of the load returned?"
			return &lab.Failure{
				Expected: fmt.Sprintf("an error for %s while the database fails and Redis is empty", q.what), Seen: quote(seen, 0), Look: look,
			}
		case !errors.Is(err, errStore):
			look := q.look
			look.Hint = "is the error of the load returned as it is, or wrapped by %w?"
			return &lab.Failure{
				Expected: fmt.Sprintf("the store's error for %s while the database fails and Redis is empty", q.what), Seen: err.Error(), Waited: overdue(err), Look: look,
			}
		}
	}
	s.memory.fail(false)
	return s.wantAll(ctx, at(lookEntries("what is put into the cache when a load fails?"), []question{q}), "as soon as the database works again")
}

// storeErrorInPart has the stores fail when some of the meals are in the cache and some are not.
func (s *seam) storeErrorInPart(ctx context.Context) error {
	if err := s.wantAll(ctx, []question{mealsByID("m031", "m032"), ratingsOf("m031")}, "read before the database fails"); err != nil {
		return err
	}
	s.memory.fail(true)
	defer s.memory.fail(false)
	for _, q := range []question{mealsByID("m031", "m032", "m033"), ratingsOf("m031", "m032")} {
		seen, err := bounded(ctx, q.what, func(ctx context.Context) (string, error) { return q.ask(ctx, s.replicas[0]) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			return &lab.Failure{
				Expected: fmt.Sprintf("an error for %s: some are in Redis, and the database fails for the others", q.what), Seen: quote(seen, 0),
				Look: lookGet("is an error of the load returned when other ids were found?"),
			}
		}
	}
	return nil
}

// errorsOfStores judges errors of the stores for meals, ratings and popular meals.
func (s *seam) errorsOfStores(ctx context.Context) error {
	if err := s.storeErrors(ctx, meal("m021"), mealsByID("m022", "m023"), meal("none"), ratingsOf("m021"), popular(10)); err != nil {
		return err
	}
	return s.storeErrorInPart(ctx)
}

// sharedPages judges loads of pages, and errors of the stores for them.
func (s *seam) sharedPages(ctx context.Context) error {
	first := page(bytebites.MealFilter{Limit: 20})
	if err := s.sharedLoad(ctx, first); err != nil {
		return err
	}
	return s.storeErrors(ctx, first, page(bytebites.MealFilter{Limit: 20, Cuisine: "thai"}), page(bytebites.MealFilter{Limit: 20, Search: "m01"}))
}
