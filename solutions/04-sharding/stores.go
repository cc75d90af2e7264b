package sharding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

const (
	// serverTimeout is how long a server may take for one read, one write or one copy. A server
	// that hangs then costs its own subscribers a second, and all others nothing.
	serverTimeout = time.Second
	// totalsTimeout bounds a question about all subscribers. A page asks two of them, one after
	// the other, and can do without an answer.
	totalsTimeout = 500 * time.Millisecond
	// movedRetryFor is how long a write is tried again while homes change. A switch closes the
	// fences for a moment: for a subscriber that is a delay, not an error.
	movedRetryFor   = 3 * time.Second
	movedRetryPause = 25 * time.Millisecond
)

// stores is a shardstore.Access. It has a pool of connections to each server, so that a slow server
// cannot use up the connections to the others.
type stores struct {
	router  shard.Router
	maps    shardstore.Maps
	servers []shardstore.Server // by number
	copier  copier
	dark    *shardstore.DarkReads
	meter   *shardstore.Meter
	logger  *slog.Logger
}

// Read asks the subscriber's home. In phase DarkReads it has the answer compared with the mirror's,
// in the background.
func (s *stores) Read(ctx context.Context, user bytebites.UserID, ask shardstore.Question) (any, error) {
	m, err := s.maps.Current()
	if err != nil {
		return nil, err
	}
	place := s.router.Place(m, user)
	if m.Phase == shard.DarkReads && place.Mirrored() {
		s.dark.Compare(user, place, func(ctx context.Context, server shard.Server) (any, error) { return s.ask(ctx, server, ask) })
	}
	return s.ask(ctx, place.Home, ask)
}

// ask asks one server, for at most serverTimeout. Without an answer the error is ErrBusy.
func (s *stores) ask(ctx context.Context, server shard.Server, ask shardstore.Question) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	answer, err := ask(ctx, s.servers[server].Stores)
	return answer, shardstore.Busy(err)
}

// Write makes a change at the subscriber's home, and then copies the subscriber to the mirror.
func (s *stores) Write(ctx context.Context, user bytebites.UserID, change shardstore.Change) error {
	var place shard.Place
	err := byMap(ctx, s.maps, func(m shard.Map) error {
		place = s.router.Place(m, user)
		return s.atHome(ctx, m.Version, place, func(ctx context.Context) error {
			return s.marked(ctx, place, user, change)
		})
	})
	if err == nil && place.Mirrored() {
		err = s.mirror(ctx, place, user)
	}
	return shardstore.Busy(err)
}

// byMap calls write with the map that is known. While the home's fence refuses the write, it reads the
// map again and repeats the call, for at most movedRetryFor.
func byMap(ctx context.Context, maps shardstore.Maps, write func(shard.Map) error) error {
	ctx, cancel := context.WithTimeout(ctx, movedRetryFor)
	defer cancel()
	m, err := maps.Current()
	for err == nil {
		if err = write(m); !errors.Is(err, shard.ErrMoved) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", bytebites.ErrBusy, err)
		case <-time.After(movedRetryPause):
		}
		m, err = maps.Refresh(ctx)
	}
	return err
}

// atHome runs write in a transaction at home, behind the home's fence. A process may be suspended
// between reading the map and writing, so only the server can tell whether it is still the home.
func (s *stores) atHome(ctx context.Context, version int64, place shard.Place, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	return shard.Within(ctx, s.servers[place.Home].DB, version, write)
}

// marked makes a change at home, and marks the subscriber if there is a mirror. Both are in the
// transaction of ctx: if this process dies before the copy, the mover finds the mark. A copy locks the
// mark before the rows, and so does this.
func (s *stores) marked(ctx context.Context, place shard.Place, user bytebites.UserID, change shardstore.Change) error {
	home := s.servers[place.Home]
	if place.Mirrored() {
		if err := shard.Mark(ctx, home.DB, user); err != nil {
			return fmt.Errorf("mark: %w", err)
		}
	}
	return change(ctx, home.Stores)
}

// mirror copies the subscriber to the mirror. The write is stored already, so a copy that fails is
// not the request's error: the mark stays ahead, and the mover copies it. The copy goes on when the
// client disconnects.
func (s *stores) mirror(ctx context.Context, place shard.Place, user bytebites.UserID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverTimeout)
	defer cancel()
	if _, err := s.copier.copy(ctx, place, []bytebites.UserID{user}); err != nil {
		s.meter.CopyFailed()
		s.logger.WarnContext(ctx, "copy to mirror failed", "user", string(user), "mirror", int(place.Mirror), "error", err)
	}
	return nil
}

// Everywhere asks every server that is a source by the map, side by side. Until a move ends, the
// source of a bucket has all of its subscribers, as home or as mirror. So each is counted once.
func (s *stores) Everywhere(ctx context.Context, ask shardstore.Question) ([]any, error) {
	m, err := s.maps.Current()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, totalsTimeout)
	defer cancel()
	servers := distinct(m.Source[:])
	answers := make(chan answer, len(servers))
	for _, server := range servers {
		go func() {
			value, err := s.ask(ctx, server, ask)
			answers <- answer{value, err}
		}()
	}
	return s.gather(ctx, answers, len(servers))
}

// answer is one server's answer.
type answer struct {
	value any
	err   error
}

// gather returns the answers that arrive in time. Half of the servers are enough, because these
// answers are only shown. It counts an answer that lacks a server.
func (s *stores) gather(ctx context.Context, answers <-chan answer, servers int) ([]any, error) {
	var arrived []any
	var failure error
	for range servers {
		var a answer
		select {
		case a = <-answers:
		case <-ctx.Done(): // the driver may wait longer for a server that hangs
			a.err = ctx.Err()
		}
		if a.err != nil {
			failure = errors.Join(failure, a.err)
			continue
		}
		arrived = append(arrived, a.value)
	}
	if 2*len(arrived) < servers {
		return nil, fmt.Errorf("%d of %d servers answered: %w: %w", len(arrived), servers, bytebites.ErrBusy, failure)
	}
	if failure != nil {
		s.meter.Partial(ctx)
		s.logger.WarnContext(ctx, "answer lacks a server", "answers", len(arrived), "servers", servers, "error", failure)
	}
	return arrived, nil
}

// distinct returns the servers in order, each once.
func distinct(servers []shard.Server) []shard.Server {
	return slices.Compact(slices.Sorted(slices.Values(servers)))
}
