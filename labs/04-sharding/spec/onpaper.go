package spec

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// paperTimeout bounds the calls of one scenario on paper. A call waits for a few seconds at most.
	paperTimeout = 30 * time.Second
	// copyLimit is more than any limit of a copy that the lesson asks for.
	copyLimit = 10 * time.Second
	paperUser = bytebites.UserID("usr_on_paper")
)

// errRefused is the answer of a server that is down.
var errRefused = errors.New("connection refused, by the check")

// everybodyAt returns a map that has all subscribers on one server.
func everybodyAt(version int64, server shard.Server) shard.Map {
	m := shard.Map{Version: version}
	for b := range m.Source {
		m.Source[b], m.Target[b] = server, server
	}
	return m
}

// evenlyOn returns a map that spreads the subscribers evenly over the servers from 1 to the given number.
func evenlyOn(servers int) shard.Map {
	m := shard.Map{Version: 1}
	for b := range m.Source {
		m.Source[b] = shard.Server(1 + b%servers)
		m.Target[b] = m.Source[b]
	}
	return m
}

// gathers asks servers on paper about all subscribers.
func (l *trial) gathers(ctx context.Context, _ *lab.Run) error {
	return allAnswered(ctx, paperTimeout, lookEverywhere(""), l.asksSources, l.asksSideBySide, l.takesHalf, l.waitsForNobody, l.leavesNothing)
}

// asksSources counts who is asked, with the map of each phase of a move to a fifth server.
func (l *trial) asksSources(ctx context.Context) error {
	moving := evenlyOn(4)
	for b := range moving.Target {
		if b%5 == 0 {
			moving.Target[b] = 5
		}
	}
	maps := []shard.Map{everybodyAt(1, shard.Old), evenlyOn(4)}
	for _, phase := range shard.Phases()[1:] {
		moving.Phase = phase
		maps = append(maps, moving)
	}
	for _, m := range maps {
		want := slices.Compact(slices.Sorted(slices.Values(m.Source[:])))
		asked, answers, noted, err := l.everywhereInTime(ctx, m, func(context.Context, shard.Server) error { return nil })
		if err != nil {
			return err
		}
		if answers.failure == nil && noted > 0 {
			return &lab.Failure{
				Expected: "no complete answer to be counted as one in part: the cache would keep none",
				Seen:     fmt.Sprintf("%s: %d", partialAnswers, noted), Look: lookEverywhere("when does an answer lack a server?"),
			}
		}
		if !slices.Equal(asked, want) || answers.failure != nil || !slices.Equal(answers.servers, want) {
			return &lab.Failure{
				Expected: fmt.Sprintf("one answer from each source of the map in phase %s: servers %d", m.Phase, want),
				Seen:     fmt.Sprintf("servers %d asked, %s", asked, answers),
				Look:     lookEverywhere("which servers does the map name in Source?"),
			}
		}
	}
	return nil
}

// asksSideBySide has each server answer only when all of them have been asked.
func (l *trial) asksSideBySide(ctx context.Context) error {
	const servers = 4
	var (
		mu    sync.Mutex
		began int
		all   = make(chan struct{})
	)
	_, answers, _, err := l.everywhere(ctx, evenlyOn(servers), func(ctx context.Context, _ shard.Server) error {
		mu.Lock()
		if began++; began == servers {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if began < servers || answers.failure != nil {
		return &lab.Failure{
			Expected: fmt.Sprintf("all %d servers to be asked before one of them answers", servers),
			Seen:     fmt.Sprintf("%d asked, %s", began, answers),
			Look:     lookEverywhere("ask each server in a goroutine of its own"),
		}
	}
	return nil
}

// takesHalf has some servers refuse at once. A right answer may ask for more than half.
func (l *trial) takesHalf(ctx context.Context) error {
	for _, servers := range []int{1, 3, 4} {
		for down := 1; down <= servers; down++ {
			_, answers, noted, err := l.everywhereInTime(ctx, evenlyOn(servers), func(_ context.Context, server shard.Server) error {
				if int(server) <= down {
					return errRefused
				}
				return nil
			})
			if err != nil {
				return err
			}
			if err := enough(servers, down, answers, noted, "refuse"); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	// totalsTimeoutAtMost is as long as an answer may take.
	totalsTimeoutAtMost = 500 * time.Millisecond
	// slowTotals is nearly totalsTimeout. An answer takes that long only when a server hangs, or the machine.
	slowTotals = 400 * time.Millisecond
	// longTotals is longer than totalsTimeout and shorter than the limit of one server.
	longTotals = 900 * time.Millisecond
	// totalsLooks is how often a question is asked whose answer the machine may have held up.
	totalsLooks = 5
)

// waitsForNobody has one server hang.
func (l *trial) waitsForNobody(ctx context.Context) error {
	const servers, hung = 4, 1
	var (
		mu    sync.Mutex
		limit time.Duration // of the question to the server that hangs
		ended bool
	)
	_, answers, noted, err := l.everywhere(ctx, evenlyOn(servers), func(ctx context.Context, server shard.Server) error {
		if server != hung {
			return nil
		}
		mu.Lock()
		if end, ok := ctx.Deadline(); ok {
			limit = time.Until(end)
		}
		mu.Unlock()
		<-ctx.Done()
		mu.Lock()
		defer mu.Unlock()
		ended = true
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if limit > longTotals && ended {
		return &lab.Failure{
			Expected: "an answer within totalsTimeout (500 ms) while a server hangs",
			Seen:     "one that waited for that server, whose question has a limit of " + limit.Round(10*time.Millisecond).String(),
			Look:     lookEverywhere("give all of them totalsTimeout together"),
		}
	}
	return enough(servers, 1, answers, noted, "hang")
}

// leavesNothing has a server answer only when its question has ended, as a driver may. No goroutine may be left
// when it has.
func (l *trial) leavesNothing(ctx context.Context) error {
	const servers, hung = 4, 1
	late := make(chan struct{})
	time.AfterFunc(slowTotals+totalsTimeoutAtMost, func() { close(late) })
	label := pprof.Labels("check", fmt.Sprintf("gathering-%p", late))
	var err error
	pprof.Do(ctx, label, func(ctx context.Context) { // goroutines inherit the label
		_, _, _, err = l.everywhere(ctx, evenlyOn(servers), func(_ context.Context, server shard.Server) error {
			if server == hung {
				<-late
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	<-late
	left := func() int {
		var profile strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // a strings.Builder takes all
		return strings.Count(profile.String(), fmt.Sprintf("gathering-%p", late))
	}
	gone, err := comes(ctx, func() (bool, error) { return left() == 0, nil })
	if err == nil && !gone {
		return &lab.Failure{
			Expected: "no goroutine left when all servers have answered, one of them late", Seen: "one that waits for a receiver",
			Look: lookEverywhere("give the channel room for all answers, so that a late goroutine never blocks"),
		}
	}
	return err
}

// enough judges what came of a question while some servers gave no answer.
func enough(servers, down int, a paperAnswers, noted int, what string) error {
	when := fmt.Sprintf("when %d of %d servers %s", down, servers, what)
	busy := errors.Is(a.failure, bytebites.ErrBusy)
	switch {
	case 2*down > servers && !busy:
		return &lab.Failure{
			Expected: "bytebites.ErrBusy " + when, Seen: a.String(),
			Look: lookEverywhere("half of the servers must answer: what is half of an odd number?"),
		}
	case 4*down <= servers && a.failure != nil, a.failure != nil && !busy:
		return &lab.Failure{
			Expected: "the answers of the others " + when, Seen: a.String(), Look: lookEverywhere("answers of half of the servers are enough"),
		}
	case a.failure == nil && len(a.servers) != servers-down:
		return &lab.Failure{
			Expected: "the answers of the servers that answer, " + when, Seen: a.String(), Look: lookEverywhere("return one value for each server that answered"),
		}
	case a.failure == nil && noted != 1:
		return &lab.Failure{
			Expected: "an answer that lacks a server to be counted once, and marked as approximate, " + when,
			Seen:     fmt.Sprintf("%s, and %s: %d with a mark", a, partialAnswers, noted),
			Look:     lookEverywhere("call s.meter.Partial once when a server is missing: it counts, and marks the answer"),
		}
	}
	return nil
}

// paperAnswers are the answers to a question about all subscribers.
type paperAnswers struct {
	servers []shard.Server // whose answers were returned, in order
	failure error
	took    time.Duration
}

func (a paperAnswers) String() string {
	if a.failure != nil {
		return seenError(a.failure)
	}
	return fmt.Sprintf("answers of servers %d", a.servers)
}

// everywhereInTime asks servers that answer or refuse at once. If it takes nearly totalsTimeout, the machine may
// have held up some of them, so it asks again. An answer that waits for that limit does so each time.
func (l *trial) everywhereInTime(ctx context.Context, m shard.Map, ask func(context.Context, shard.Server) error) (asked []shard.Server, a paperAnswers, noted int, err error) {
	for range totalsLooks {
		asked, a, noted, err = l.everywhere(ctx, m, ask)
		if err != nil || a.took < slowTotals {
			return asked, a, noted, err
		}
	}
	return nil, a, 0, &lab.Failure{
		Expected: "an answer at once when each server answers or refuses at once",
		Seen:     fmt.Sprintf("%s after %v", a, a.took.Round(time.Millisecond)),
		Look:     lookEverywhere("does a server that refuses send an error?"),
	}
}

// everywhere asks by a map. It returns the servers that were asked, in order, and each of them once for each
// question. It also returns how often the answer was counted as partial if it was marked as approximate.
func (l *trial) everywhere(ctx context.Context, m shard.Map, ask func(context.Context, shard.Server) error) (asked []shard.Server, a paperAnswers, noted int, err error) {
	s, closed, err := l.onPaper(1+5, m)
	if err != nil {
		return nil, paperAnswers{}, 0, err
	}
	defer closed()
	var mu sync.Mutex
	ctx, approximate := bytebites.WithApproximate(ctx)
	began := time.Now()
	answers, failure := s.access.Everywhere(ctx, func(ctx context.Context, at service.UserData) (any, error) {
		server := serverOf(at)
		mu.Lock()
		asked = append(asked, server)
		mu.Unlock()
		return server, ask(ctx, server)
	})
	a.took = time.Since(began)
	counted, err := s.counter(partialAnswers)
	a.failure = failure
	for _, answer := range answers {
		server, _ := answer.(shard.Server)
		a.servers = append(a.servers, server)
	}
	slices.Sort(a.servers)
	if approximate() {
		noted = int(counted)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(asked)
	return slices.Clone(asked), a, noted, err
}

// refusedWrites has fences on paper refuse the writes of an old map.
func (l *trial) refusedWrites(ctx context.Context, _ *lab.Run) error {
	return allAnswered(ctx, paperTimeout, lookFence(""), l.followsMap, l.trustsMap, l.triesOnce, l.pausesAndEnds)
}

// followsMap knows a map that is out of date twice: the next reading is as old, the one after is new.
func (l *trial) followsMap(ctx context.Context) error {
	const before, after = shard.Server(1), shard.Server(2)
	const now = 5
	s, closed, err := l.onPaper(1+4, everybodyAt(now-2, before), everybodyAt(now-1, before), everybodyAt(now, after))
	if err != nil {
		return err
	}
	defer closed()
	for _, p := range s.shards {
		p.version = now
	}
	failure := s.access.Write(ctx, paperUser, s.change)
	changes := func(server shard.Server) int {
		return times(s.shards[server].recorded(), paperChange) + times(s.shards[server].recorded(), paperChange+paperOutside)
	}
	if failure != nil || changes(before) != 0 || changes(after) != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("a write by an old map to be refused by the fence of server %d, and made once on server %d, by the map that is read again", before, after),
			Seen:     fmt.Sprintf("%s, %d changes on server %d, %d on server %d", seenError(failure), changes(before), before, changes(after), after),
			Look:     lookFence("what does a writer do after shard.ErrMoved? And does atHome go through the fence?"),
		}
	}
	return nil
}

// writesSettled writes by the right map, while nobody moves. It returns how often the map was read, and what
// the home of the subscriber was asked.
func (l *trial) writesSettled(ctx context.Context) (failure error, readings int, events []string, err error) {
	s, closed, err := l.onPaper(1+4, everybodyAt(1, 1))
	if err != nil {
		return nil, 0, nil, err
	}
	defer closed()
	s.shards[1].version = 1
	failure = s.access.Write(ctx, paperUser, s.change)
	return failure, s.maps.readings(), s.shards[1].recorded(), nil
}

// trustsMap knows the right map.
func (l *trial) trustsMap(ctx context.Context) error {
	failure, readings, events, err := l.writesSettled(ctx)
	if err != nil {
		return err
	}
	if failure != nil || readings > 0 {
		return &lab.Failure{
			Expected: "a write by the map that is known, while the fence lets it pass",
			Seen:     fmt.Sprintf("%s, and the map read %d times; the server: %q", seenError(failure), readings, events),
			Look:     lookFence("call maps.Refresh after shard.ErrMoved only: it is a query to the catalogue's database"),
		}
	}
	return nil
}

// triesOnce has a change fail for a reason that no map can mend, with a mirror and without one. After ErrBusy it is
// unknown what the first try has done.
func (l *trial) triesOnce(ctx context.Context) error {
	for _, reason := range []error{bytebites.ErrNotFound, bytebites.ErrBusy, errRefused, context.DeadlineExceeded} {
		settled, closed, err := l.onPaper(1+4, everybodyAt(1, 1))
		if err != nil {
			return err
		}
		defer closed()
		settled.shards[1].version = 1
		copied, home, closed, err := l.mirrored()
		if err != nil {
			return err
		}
		defer closed()
		for _, err := range []error{failsOnce(ctx, settled, settled.shards[1], reason), failsOnce(ctx, copied, home, reason)} {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// failsOnce makes a change at home that fails.
func failsOnce(ctx context.Context, s *paperService, home *paperShard, reason error) error {
	tries := 0
	failure := s.access.Write(ctx, paperUser, func(ctx context.Context, at service.UserData) error {
		tries++
		if err := s.change(ctx, at); err != nil {
			return err
		}
		return reason
	})
	events := home.recorded()
	wrong := &lab.Failure{
		Expected: fmt.Sprintf("the error of a change (%v) to be returned at once, and nothing to be stored or copied", reason),
		Seen:     fmt.Sprintf("%s after %d tries; the server: %q", seenError(failure), tries, events[:min(len(events), mostEvents)]),
		Look:     lookFence("only shard.ErrMoved is worth another try"),
	}
	switch {
	case slices.Contains(events, paperRead):
		wrong.Look = lookWrite("a write that was not made has no copy, and its error is the answer")
		return wrong
	case tries != 1 || !errors.Is(failure, reason) || slices.Contains(events, paperCommit):
		return wrong
	}
	return nil
}

const (
	// mostEvents is how many events of a server a message shows.
	mostEvents = 12
	// The client leaves when the map has been read so often. A pause that grows gets there too.
	leavesAfter = 4
	// leastPause is a fifth of movedRetryPause.
	leastPause = 5 * time.Millisecond
	// mostReadings is how often the map may be read when the client has left. A write that does not notice it
	// reads the map a hundred times.
	mostReadings = leavesAfter + 8
)

// pausesAndEnds has a fence that stays closed, and a client that leaves.
func (l *trial) pausesAndEnds(ctx context.Context) error {
	s, closed, err := l.onPaper(1+4, everybodyAt(1, 1))
	if err != nil {
		return err
	}
	defer closed()
	client, leave := context.WithCancel(ctx)
	defer leave()
	shortest, last := time.Hour, time.Time{}
	s.maps.onRefresh = func(n int) {
		now := time.Now()
		if n > 1 {
			shortest = min(shortest, now.Sub(last))
		}
		if last = now; n == leavesAfter {
			leave()
		}
	}
	failure := s.access.Write(client, paperUser, s.change)
	readings := s.maps.readings()
	switch {
	case failure == nil || readings < leavesAfter:
		return &lab.Failure{
			Expected: "a write to be tried again while the fence is closed", Seen: fmt.Sprintf("%s, the map read %d times", seenError(failure), readings),
			Look: lookFence("wait movedRetryPause, read the map again, and call write again"),
		}
	case shortest < leastPause:
		return &lab.Failure{
			Expected: "a pause of movedRetryPause before the map is read again", Seen: fmt.Sprintf("one of %v", shortest.Round(time.Microsecond)),
			Look: lookFence("all writers wait at a closed fence, and each reading is a query"),
		}
	case readings > mostReadings:
		return &lab.Failure{
			Expected: "no more tries when the client has left", Seen: fmt.Sprintf("the map read %d times, %d of them afterwards", readings, readings-leavesAfter),
			Look: lookFence("wait for movedRetryPause or for ctx.Done()"),
		}
	}
	return nil
}

// markedWrites writes while subscribers have a mirror on paper, which takes no copy.
func (l *trial) markedWrites(ctx context.Context, _ *lab.Run) error {
	return allAnswered(ctx, paperTimeout, lookWrite(""), l.marksInside, l.countsCopy, l.copiesOn, l.marksMirrored, l.marksFirst, l.copyArrives, l.copyIsLost, l.settlesAll, l.settleFails, l.settleEnds)
}

// mirrored returns the subject's stores in phase DoubleWrites, and the home of all subscribers.
func (l *trial) mirrored() (s *paperService, home *paperShard, closed func(), err error) {
	return l.inPhase(shard.DoubleWrites, shard.Old)
}

// inPhase returns the subject's stores in a phase of a move to server 1, and the given home.
func (l *trial) inPhase(phase shard.Phase, at shard.Server) (s *paperService, home *paperShard, closed func(), err error) {
	m := everybodyAt(7, shard.Old)
	m.Phase = phase
	for b := range m.Target {
		m.Target[b] = 1
	}
	s, closed, err = l.onPaper(1+4, m)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, p := range s.shards {
		p.version = m.Version
	}
	return s, s.shards[at], closed, nil
}

// marksInside wants the mark in the transaction of the change, before the flip and after it. A copy begins when
// that transaction has been committed.
func (l *trial) marksInside(ctx context.Context) error {
	for phase, at := range map[shard.Phase]shard.Server{shard.DoubleWrites: shard.Old, shard.Flipped: 1} {
		s, home, closed, err := l.inPhase(phase, at)
		if err != nil {
			return err
		}
		defer closed()
		_ = s.access.Write(ctx, paperUser, s.change) // countsCopy judges the error
		events := home.recorded()
		change, commit := slices.Index(events, paperChange), slices.Index(events, paperCommit)
		begin := slices.Index(events, paperBegin)
		mark := slices.Index(events, paperMark)
		if begin < 0 || change < begin || mark < begin || commit < max(mark, change) {
			return &lab.Failure{
				Expected: "a change and its mark in one transaction at home, while the subscriber has a mirror",
				Seen:     fmt.Sprintf("%q", events), Look: lookMark("call shard.Mark with the context of the change"),
			}
		}
		if read := slices.Index(events, paperRead); read >= 0 && read < commit {
			return &lab.Failure{
				Expected: "a copy that begins when the write has been committed at home", Seen: fmt.Sprintf("%q", events),
				Look: lookWrite("a commit may fail, and then the mirror would have what home has not"),
			}
		}
	}
	return nil
}

// marksMirrored writes while no subscriber has a mirror.
func (l *trial) marksMirrored(ctx context.Context) error {
	failure, _, events, err := l.writesSettled(ctx)
	if err != nil {
		return err
	}
	if failure != nil || slices.Contains(events, paperMark) || slices.Contains(events, paperRead) {
		return &lab.Failure{
			Expected: "no mark and no copy of a subscriber without a mirror", Seen: fmt.Sprintf("%s; the server: %q", seenError(failure), events),
			Look: lookMark("ask place.Mirrored first"),
		}
	}
	return nil
}

// marksFirst has a mark that cannot be made, because no subscriber can have the id.
func (l *trial) marksFirst(ctx context.Context) error {
	s, home, closed, err := l.mirrored()
	if err != nil {
		return err
	}
	defer closed()
	failure := s.access.Write(ctx, "usr\x00", s.change)
	if events := home.recorded(); !errors.Is(failure, bytebites.ErrNotFound) || slices.Contains(events, paperCommit) {
		return &lab.Failure{
			Expected: "bytebites.ErrNotFound and nothing stored when shard.Mark returns that error",
			Seen:     fmt.Sprintf("%s; at home: %q", seenError(failure), events), Look: lookMark("return the error of shard.Mark, with %w"),
		}
	}
	return nil
}

// countsCopy wants a copy that fails to be counted and logged, and the write to stand.
func (l *trial) countsCopy(ctx context.Context) error {
	s, home, closed, err := l.mirrored()
	if err != nil {
		return err
	}
	defer closed()
	failure := s.access.Write(ctx, paperUser, s.change)
	if failure != nil {
		return &lab.Failure{
			Expected: "a write that is stored at home to be answered without an error when its copy fails",
			Seen:     fmt.Sprintf("%s; at home: %q", seenError(failure), home.recorded()),
			Look:     lookMirror("the write is stored at home: count and log a failed copy, and return nil"),
		}
	}
	// A copy in the background fails later than the answer.
	told := func() (bool, error) {
		counted, err := s.counter(copiesFailed)
		return counted > 0 && s.log.String() != "", err
	}
	switch noted, err := comes(ctx, told); {
	case err != nil:
		return err
	case !noted:
		return &lab.Failure{
			Expected: "a copy that failed to be counted (Meter.CopyFailed) and logged",
			Seen:     fmt.Sprintf("no count or no line in the log; at home: %q", home.recorded()),
			Look:     lookMirror("count it, and log it"),
		}
	}
	for _, reading := range home.readings() {
		if end, ok := reading.Deadline(); !ok || time.Until(end) > copyLimit {
			return &lab.Failure{
				Expected: "a copy with a limit of serverTimeout", Seen: "one without a limit, or with one of more than " + copyLimit.String(),
				Look: lookMirror("bound the copy by serverTimeout, with a context that does not end with the client"),
			}
		}
	}
	return nil
}

// copiesOn has the client leave when the write has been committed.
func (l *trial) copiesOn(ctx context.Context) error {
	s, home, closed, err := l.mirrored()
	if err != nil {
		return err
	}
	defer closed()
	client, leave := context.WithCancel(ctx)
	defer leave()
	home.onCommit = leave
	_ = s.access.Write(client, paperUser, s.change) // nobody hears the answer
	switch begun, err := comes(ctx, func() (bool, error) { return len(home.readings()) > 0, nil }); {
	case err != nil:
		return err
	case !begun:
		return &lab.Failure{
			Expected: "a copy to be made although the client left after the commit", Seen: fmt.Sprintf("at home: %q", home.recorded()),
			Look: lookMirror("use a context that does not end with the client"),
		}
	}
	return nil
}

// comes waits up to settlesWithin for a condition.
func comes(ctx context.Context, condition func() (bool, error)) (bool, error) {
	for deadline := time.Now().Add(settlesWithin); ; {
		if is, err := condition(); is || err != nil {
			return is, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return false, err
		}
	}
}
