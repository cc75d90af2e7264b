package sharding

import (
	"context"
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

// byMap calls write with the map that is known.
func byMap(_ context.Context, maps shardstore.Maps, write func(shard.Map) error) error {
	// TODO(lab 04): step 3: after shard.ErrMoved read the map again (maps.Refresh) and repeat.
	// Nothing was written then. Give up with bytebites.ErrBusy after movedRetryFor.
	m, err := maps.Current()
	if err != nil {
		return err
	}
	return write(m)
}

// atHome runs write in a transaction at home.
func (s *stores) atHome(ctx context.Context, version int64, place shard.Place, write func(context.Context) error) error {
	// TODO(lab 04): step 3: go through the home's fence (shard.Within). The map of that version
	// may be out of date by now.
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	return shard.Transact(ctx, s.servers[place.Home].DB, write)
}

// marked makes a change at home, in the transaction of ctx.
func (s *stores) marked(ctx context.Context, place shard.Place, user bytebites.UserID, change shardstore.Change) error {
	// TODO(lab 04): step 4: if there is a mirror, mark the subscriber too (shard.Mark). Otherwise
	// nothing tells the mover that this process died before the copy.
	return change(ctx, s.servers[place.Home].Stores)
}

// mirror copies the subscriber to the mirror.
func (s *stores) mirror(ctx context.Context, place shard.Place, user bytebites.UserID) error {
	// TODO(lab 04): step 4: count (s.meter.CopyFailed) and log a copy that fails, and return nil.
	// The write is stored at home, so that is no error of the request. Use a context that does not
	// end with the client (context.WithoutCancel), with a limit of serverTimeout.
	_, err := s.copier.copy(ctx, place, []bytebites.UserID{user})
	return err
}

// Everywhere asks every server that is a source by the map. Until a move ends, the source of a bucket
// has all of its subscribers, as home or as mirror. So each is counted once.
func (s *stores) Everywhere(ctx context.Context, ask shardstore.Question) ([]any, error) {
	m, err := s.maps.Current()
	if err != nil {
		return nil, err
	}
	// TODO(lab 04): step 2: ask all servers side by side, for totalsTimeout together. Here one
	// server that hangs fails every page. Answers of half of the servers are enough; with fewer,
	// return bytebites.ErrBusy. If one is missing, count it: s.meter.Partial.
	servers := distinct(m.Source[:])
	var answers []any
	for _, server := range servers {
		value, err := s.ask(ctx, server, ask)
		if err != nil {
			return nil, err
		}
		answers = append(answers, value)
	}
	return answers, nil
}

// distinct returns the servers in order, each once.
func distinct(servers []shard.Server) []shard.Server {
	return slices.Compact(slices.Sorted(slices.Values(servers)))
}
