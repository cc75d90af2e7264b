package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	given "bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
	"bytebites.example/workshop/shared/workshop/lab"
)

func lookCopy(hint string) lab.Look {
	return lab.Look{File: "copy.go", Func: "copier.copy", Hint: hint}
}

func lookSettle(hint string) lab.Look { return lab.Look{File: "copy.go", Func: "settle", Hint: hint} }

// arrival is what happens on paper when a copy arrives on its mirror.
type arrival struct {
	events []paperEvent
	note   int     // the event that notes the copy at home; below 0 without one
	failed float64 // copies counted as failed
}

// arrives has a mirror on paper that takes a copy. It returns false for a write that fails, which countsCopy judges.
func (l *trial) arrives(ctx context.Context) (a arrival, written bool, err error) {
	s, home, closed, err := l.mirrored()
	if err != nil {
		return a, false, err
	}
	defer closed()
	for _, p := range s.shards {
		p.copies = true
	}
	if failure := s.access.Write(ctx, paperUser, s.change); failure != nil {
		return a, false, nil //nolint:nilerr // it is no error of the check
	}
	_, err = comes(ctx, func() (bool, error) {
		failed, err := s.counter(copiesFailed)
		return failed > 0 || slices.ContainsFunc(s.journal.recorded(), isNote(home)), err
	})
	if err != nil {
		return a, false, err
	}
	if a.failed, err = s.counter(copiesFailed); err != nil {
		return a, false, err
	}
	a.events = s.journal.recorded()
	a.note = slices.IndexFunc(a.events, isNote(home))
	return a, true, nil
}

// copyArrives demands that a copy which arrives is noted at home, after its commit on the mirror.
func (l *trial) copyArrives(ctx context.Context) error {
	a, written, err := l.arrives(ctx)
	switch {
	case err != nil || !written:
		return err
	case a.failed > 0 && a.note < 0:
		return nil // a statement that this paper does not know: servers judge this copy
	case a.failed > 0:
		return &lab.Failure{
			Expected: "no failure counted for a copy that arrived", Seen: fmt.Sprintf("%s: %.0f", copiesFailed, a.failed),
			Look: lookMirror("count a copy that fails"),
		}
	case a.note < 0:
		return &lab.Failure{
			Expected: "a copy that arrived to be noted at home", Seen: told(a.events),
			Look: lookCopy("shard.Copied comes last: without it the mark stays ahead"),
		}
	}
	replaced := slices.IndexFunc(a.events, func(e paperEvent) bool { return e.what == paperReplace })
	if replaced < 0 {
		return nil // oneTransaction judges a copy that replaces nothing
	}
	committed := slices.Index(a.events, paperEvent{a.events[replaced].server, a.events[replaced].tx, paperCommit})
	if committed < 0 || a.note < committed {
		return &lab.Failure{
			Expected: "a copy to be noted at home when it has been committed on the mirror", Seen: told(a.events),
			Look: lookCopy("a copy that is noted and then fails is never made again"),
		}
	}
	return nil
}

// oneTransaction demands that the rows of a copy are replaced in the transaction that compared their versions.
func (l *trial) oneTransaction(ctx context.Context, _ *lab.Run) error {
	return allAnswered(ctx, paperTimeout, lookCopy(""), func(ctx context.Context) error {
		a, written, err := l.arrives(ctx)
		if err != nil || !written || a.note < 0 {
			return err // "marked writes" judges a copy that does not arrive
		}
		replaced := slices.IndexFunc(a.events, func(e paperEvent) bool { return e.what == paperReplace })
		compared := slices.IndexFunc(a.events, func(e paperEvent) bool { return e.what == paperCompare })
		if replaced < 0 || compared < 0 || a.events[compared].tx == 0 || a.events[replaced].tx != a.events[compared].tx {
			return &lab.Failure{
				Expected: "versions compared and rows replaced in one transaction on the mirror", Seen: told(a.events),
				Look: lookCopy("keep shard.Outdated and shard.Replace in one transaction: between two of them another copy can arrive, or the process dies"),
			}
		}
		return nil
	})
}

// copyIsLost has a home that can be read, and a mirror that refuses the copy.
func (l *trial) copyIsLost(ctx context.Context) error {
	s, home, closed, err := l.mirrored()
	if err != nil {
		return err
	}
	defer closed()
	home.copies = true
	_ = s.access.Write(ctx, paperUser, s.change) // countsCopy judges the error
	_, err = comes(ctx, func() (bool, error) {
		failed, err := s.counter(copiesFailed)
		return failed > 0, err
	})
	if events := s.journal.recorded(); err == nil && slices.ContainsFunc(events, isNote(home)) {
		return &lab.Failure{
			Expected: "no note at home of a copy that the mirror has refused", Seen: told(events),
			Look: lookCopy("a copy that is noted and then fails is never made again"),
		}
	}
	return err
}

// isNote returns a condition: the event is a note of a copy at home.
func isNote(home *paperShard) func(paperEvent) bool {
	return func(e paperEvent) bool { return e.server == home.number && e.what == paperNote }
}

// told describes events.
func told(events []paperEvent) string {
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("server %d: %s", e.server, e.what))
	}
	return fmt.Sprintf("%q", all)
}

const (
	// The servers of a move on paper. Half of the buckets move from source to target, the others stay. The map
	// does not name the last one, which is down.
	paperSource, paperTarget, paperStays, paperDown = shard.Server(0), shard.Server(1), shard.Server(2), shard.Server(3)
	// mostLooks is how often settle may ask for uncopied subscribers. It is far above one question for each
	// subscriber.
	mostLooks = 20 * shardstore.Batch
)

// paperMove is a move on paper, with subscribers whose marks are ahead.
type paperMove struct {
	m    shard.Map
	rows *given.Rows

	mu       sync.Mutex
	uncopied map[shard.Server][]bytebites.UserID // in order of id
	looks    int
	largest  int   // number of subscribers in the largest copy
	finds    error // of each question for uncopied subscribers
	copies   func(context.Context) error
}

// newPaperMove returns a move with more than two batches of subscribers whose home is the source, some new ones
// whose home is the target, and a batch of subscribers who have no mirror. The last were marked by an earlier move.
func (l *trial) newPaperMove() (*paperMove, func()) {
	p := &paperMove{uncopied: make(map[shard.Server][]bytebites.UserID)}
	p.m = shard.Map{Version: 7, Phase: shard.Backfill, NewFrom: "usr_n"}
	for b := range p.m.Source {
		p.m.Source[b], p.m.Target[b] = paperSource, paperTarget
		if b%2 == 1 {
			p.m.Source[b], p.m.Target[b] = paperStays, paperStays
		}
	}
	want := map[shard.Server]int{paperSource: 2*shardstore.Batch + 1, paperTarget: 3, paperStays: shardstore.Batch}
	for i := 0; i < 40*shardstore.Batch; i++ {
		for _, form := range []string{"usr_a%05d", "usr_n%05d"} {
			user := bytebites.UserID(fmt.Sprintf(form, i))
			home := l.subject.Router.Place(p.m, user).Home
			if len(p.uncopied[home]) < want[home] {
				p.uncopied[home] = append(p.uncopied[home], user)
			}
		}
	}
	var pools []*sql.DB
	journal := &paperJournal{}
	for number := range paperDown + 1 {
		server := &paperShard{number: number, journal: journal}
		server.uncopied = func(after string, limit int64) ([]bytebites.UserID, error) { return p.find(number, after, limit) }
		pools = append(pools, sql.OpenDB(server))
	}
	for _, users := range p.uncopied {
		slices.Sort(users)
	}
	p.rows = &given.Rows{Parts: given.Parts{Router: l.subject.Router, Copy: p.copy, Settle: l.subject.Settle}, Pools: pools}
	return p, func() {
		for _, pool := range pools {
			_ = pool.Close() // nothing is open on paper
		}
	}
}

// find is shard.Uncopied.
func (p *paperMove) find(server shard.Server, after string, limit int64) ([]bytebites.UserID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looks++; p.looks > mostLooks {
		return nil, fmt.Errorf("the check ends a settle that asked %d times", mostLooks)
	}
	if server == paperDown {
		return nil, fmt.Errorf("server %d: %w", server, errRefused)
	}
	if p.finds != nil {
		return nil, p.finds
	}
	var found []bytebites.UserID
	for _, user := range p.uncopied[server] {
		if string(user) > after && int64(len(found)) < limit {
			found = append(found, user)
		}
	}
	return found, nil
}

// copy is a given.Parts.Copy. It is called only for subscribers who have a mirror.
func (p *paperMove) copy(ctx context.Context, place shard.Place, users []bytebites.UserID) (shard.Copy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.largest = max(p.largest, len(users))
	if p.copies != nil {
		if err := p.copies(ctx); err != nil {
			return shard.Copy{}, err
		}
	}
	p.uncopied[place.Home] = slices.DeleteFunc(p.uncopied[place.Home], func(user bytebites.UserID) bool {
		return slices.Contains(users, user)
	})
	return shard.Copy{}, nil
}

// settlesAll has subscribers whose marks are ahead on all servers of the map.
func (l *trial) settlesAll(ctx context.Context) error {
	if l.subject.Settle == nil {
		return nil // an answer whose mover has no such part
	}
	p, closed := l.newPaperMove()
	defer closed()
	before := len(p.uncopied[paperSource])
	err := l.subject.Settle(ctx, p.rows, p.m)
	p.mu.Lock()
	defer p.mu.Unlock()
	atSource, atTarget := len(p.uncopied[paperSource]), len(p.uncopied[paperTarget])
	switch {
	case err != nil || atSource > 0 || atTarget > 0:
		return &lab.Failure{
			Expected: "a copy of each subscriber whose mark is ahead, on all servers that the map names",
			Seen: fmt.Sprintf("%s; %d of %d subscribers left on the source, %d new ones on the target",
				seenError(err), atSource, before, atTarget),
			Look: lookSettle("for each server of mover.InUse, read shard.Uncopied batch by batch until a batch is not full"),
		}
	case p.largest > shardstore.Batch:
		return &lab.Failure{
			Expected: fmt.Sprintf("copies of at most %d subscribers (shardstore.Batch)", shardstore.Batch), Seen: fmt.Sprintf("one of %d", p.largest),
			Look: lookSettle("a copy locks the marks of its subscribers, so it is kept small"),
		}
	}
	return nil
}

// settleFails has a server or a copy fail. Homes must not change then, and the mover learns it from the error.
func (l *trial) settleFails(ctx context.Context) error {
	if l.subject.Settle == nil {
		return nil
	}
	for what, fail := range map[string]func(*paperMove){
		"a copy fails":             func(p *paperMove) { p.copies = func(context.Context) error { return errRefused } },
		"a server does not answer": func(p *paperMove) { p.finds = errRefused },
	} {
		p, closed := l.newPaperMove()
		fail(p)
		err := l.subject.Settle(ctx, p.rows, p.m)
		closed()
		if !errors.Is(err, errRefused) {
			return &lab.Failure{
				Expected: "the error when " + what, Seen: seenError(err),
				Look: lookSettle("HandOver changes homes when settle returns nil"),
			}
		}
	}
	return nil
}

// settleEnds has the context of settle end during a copy. Behind closed fences that is closedTimeout.
func (l *trial) settleEnds(ctx context.Context) error {
	if l.subject.Settle == nil {
		return nil
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	p, closed := l.newPaperMove()
	defer closed()
	goesOn := false
	p.copies = func(ctx context.Context) error {
		end()
		goesOn = ctx.Err() == nil
		return context.Canceled
	}
	if err := l.subject.Settle(ctx, p.rows, p.m); goesOn || err == nil {
		return &lab.Failure{
			Expected: "copies that end with the context of settle", Seen: fmt.Sprintf("%s; the copy went on: %t", seenError(err), goesOn),
			Look: lookSettle("pass the context on: all writers wait for it behind closed fences"),
		}
	}
	return nil
}
