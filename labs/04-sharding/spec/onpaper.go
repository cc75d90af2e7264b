package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// evenlyOn returns a map by which the sources are the servers 1 to the given number.
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
	return allAnswered(ctx, paperTimeout, lookEverywhere(""), l.asksSources, l.asksSideBySide, l.takesHalf, l.waitsForNobody)
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
		asked, answers, _, err := l.everywhere(ctx, m, func(_ context.Context, server shard.Server) error { return nil })
		if err != nil {
			return err
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
			_, answers, noted, err := l.everywhere(ctx, evenlyOn(servers), func(_ context.Context, server shard.Server) error {
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

// waitsForNobody has one server hang.
func (l *trial) waitsForNobody(ctx context.Context) error {
	const servers, hung = 4, 1
	_, answers, noted, err := l.everywhere(ctx, evenlyOn(servers), func(ctx context.Context, server shard.Server) error {
		if server != hung {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return enough(servers, 1, answers, noted, "hang")
}

// enough judges what came of a question while some servers gave no answer.
func enough(servers, down int, a paperAnswers, noted bool, what string) error {
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
	case a.failure == nil && !noted:
		return &lab.Failure{
			Expected: "an answer that lacks a server to be counted, and marked as approximate, " + when,
			Seen:     fmt.Sprintf("%s, and no %s or no mark", a, partialAnswers),
			Look:     lookEverywhere("call s.meter.Partial when a server is missing: it counts, and marks the answer"),
		}
	}
	return nil
}

// paperAnswers is what came of a question about all subscribers.
type paperAnswers struct {
	servers []shard.Server // whose answers were returned, in order
	failure error
}

func (a paperAnswers) String() string {
	if a.failure != nil {
		return seenError(a.failure)
	}
	return fmt.Sprintf("answers of servers %d", a.servers)
}

// everywhere asks by a map. It returns the servers that were asked, in order, and each of them once for each
// question. It also reports whether the answer was counted as partial, and marked as approximate.
func (l *trial) everywhere(ctx context.Context, m shard.Map, ask func(context.Context, shard.Server) error) (asked []shard.Server, a paperAnswers, noted bool, err error) {
	s, closed, err := l.onPaper(1+5, m)
	if err != nil {
		return nil, paperAnswers{}, false, err
	}
	defer closed()
	var mu sync.Mutex
	ctx, approximate := bytebites.WithApproximate(ctx)
	answers, failure := s.access.Everywhere(ctx, func(ctx context.Context, at service.UserData) (any, error) {
		server := serverOf(at)
		mu.Lock()
		asked = append(asked, server)
		mu.Unlock()
		return server, ask(ctx, server)
	})
	counted, err := s.counter(partialAnswers)
	a.failure = failure
	for _, answer := range answers {
		server, _ := answer.(shard.Server)
		a.servers = append(a.servers, server)
	}
	slices.Sort(a.servers)
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(asked)
	return slices.Clone(asked), a, counted > 0 && approximate(), err
}

// refusedWrites has fences on paper refuse the writes of an old map.
func (l *trial) refusedWrites(ctx context.Context, _ *lab.Run) error {
	return allAnswered(ctx, paperTimeout, lookFence(""), l.followsMap, l.triesOnce)
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
	changes := func(server shard.Server) int { return times(s.shards[server].recorded(), paperChange) }
	if failure != nil || changes(before) != 0 || changes(after) != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("a write by an old map to be refused by the fence of server %d, and made once on server %d, by the map that is read again", before, after),
			Seen:     fmt.Sprintf("%s, %d changes on server %d, %d on server %d", seenError(failure), changes(before), before, changes(after), after),
			Look:     lookFence("what does a writer do after shard.ErrMoved? And does atHome go through the fence?"),
		}
	}
	return nil
}

// triesOnce has a change fail for a reason that no map can mend.
func (l *trial) triesOnce(ctx context.Context) error {
	s, closed, err := l.onPaper(1+4, everybodyAt(1, 1))
	if err != nil {
		return err
	}
	defer closed()
	s.shards[1].version = 1
	tries := 0
	failure := s.access.Write(ctx, paperUser, func(ctx context.Context, at service.UserData) error {
		tries++
		if err := s.change(ctx, at); err != nil {
			return err
		}
		return bytebites.ErrNotFound
	})
	if tries != 1 || !errors.Is(failure, bytebites.ErrNotFound) || slices.Contains(s.shards[1].recorded(), paperCommit) {
		return &lab.Failure{
			Expected: "the error of a change to be returned at once, and nothing to be stored",
			Seen:     fmt.Sprintf("%s after %d tries; the server: %q", seenError(failure), tries, s.shards[1].recorded()),
			Look:     lookFence("only shard.ErrMoved is worth another try"),
		}
	}
	return nil
}

// markedWrites writes while subscribers have a mirror on paper, which takes no copy.
func (l *trial) markedWrites(ctx context.Context, _ *lab.Run) error {
	return allAnswered(ctx, paperTimeout, lookWrite(""), l.marksInside, l.countsCopy, l.copiesOn)
}

// mirrored returns the subject's stores in phase DoubleWrites, and the home of all subscribers.
func (l *trial) mirrored() (s *paperService, home *paperShard, closed func(), err error) {
	m := everybodyAt(7, shard.Old)
	m.Phase = shard.DoubleWrites
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
	return s, s.shards[shard.Old], closed, nil
}

// marksInside wants the mark in the transaction of the change.
func (l *trial) marksInside(ctx context.Context) error {
	s, home, closed, err := l.mirrored()
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
