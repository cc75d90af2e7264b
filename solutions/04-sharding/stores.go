package sharding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

const (
	// patience is how long a server may take over one question, one change or one copy. A
	// server that is down then costs its subscribers a second, and the others nothing.
	patience = time.Second
	// displayPatience is the same for a question about everybody. A page asks two of them, one
	// after the other, and can do without an answer.
	displayPatience = 500 * time.Millisecond
	// movingFor is how long a write is tried again because the map changes. At the switch
	// nobody may write for a moment: that is a delay, not an error.
	movingFor   = 3 * time.Second
	movingPause = 25 * time.Millisecond
	// openFor bounds what is done once, when a replica starts.
	openFor = 30 * time.Second
)

// maps is a replica's view of the map: see shard.Maps.
type maps interface {
	Current() (shard.Map, error)
	Refresh(ctx context.Context) (shard.Map, error)
}

// stores is a shardstore.Access. A pool for each server keeps one that is slow from using up
// the connections to the others.
type stores struct {
	router  shard.Router
	maps    maps
	servers []shardstore.Server
	copier  copier
	dark    *shardstore.DarkReads
	meter   *shardstore.Meter
	logger  *slog.Logger
}

// Open returns the stores of user data that is spread over a service's servers.
func Open(r service.Resources, catalogue bytebites.Catalogue) (service.UserData, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openFor)
	defer cancel()
	watched, err := shard.Watch(ctx, r.Catalogue, shardstore.Pools(r), r.Config.Instance, r.Logger)
	if err != nil {
		return service.UserData{}, fmt.Errorf("watch map: %w", err)
	}
	r.OnClose(watched.Close)
	meter, err := shardstore.NewMeter(r.Metrics)
	if err != nil {
		return service.UserData{}, err
	}
	servers := shardstore.Servers(r, catalogue, watched)
	s := &stores{
		router:  NewRouter(),
		maps:    watched,
		servers: servers,
		copier:  copier{shardstore.Pools(r)},
		dark:    shardstore.NewDarkReads(servers, watched.Compared, meter, r.Logger),
		meter:   meter,
		logger:  r.Logger,
	}
	r.OnClose(s.dark.Close)
	return shardstore.UserData(s, s.router), nil
}

// Read asks the subscriber's home.
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

// ask asks one server, and not for ever.
func (s *stores) ask(ctx context.Context, server shard.Server, ask shardstore.Question) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := ask(ctx, s.servers[server].Stores)
	return answer, shardstore.Busy(err)
}

// Write changes what the subscriber's home has, and then brings the mirror up to date. The
// change is safe once the home has committed it, with the mark that it must be copied: if the
// copy fails now, or this process dies before it, the mover finds the mark. So the copy's
// failure is not the request's.
func (s *stores) Write(ctx context.Context, user bytebites.UserID, change shardstore.Change) error {
	var place shard.Place
	err := byMap(ctx, s.maps, func(m shard.Map) error {
		place = s.router.Place(m, user)
		return s.atHome(ctx, m.Version, place, user, change)
	})
	if err == nil && place.Mirrored() {
		s.mirror(ctx, place, user)
	}
	return shardstore.Busy(err)
}

// atHome makes the change at home and marks it, in one transaction behind the home's fence.
func (s *stores) atHome(ctx context.Context, version int64, place shard.Place, user bytebites.UserID, change shardstore.Change) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	home := s.servers[place.Home]
	return shard.Within(ctx, home.DB, version, func(ctx context.Context) error {
		if place.Mirrored() {
			if err := shard.Mark(ctx, home.DB, user); err != nil {
				return fmt.Errorf("mark: %w", err)
			}
		}
		return change(ctx, home.Stores)
	})
}

// mirror copies the subscriber to the mirror. It does not end with the request: whoever hung
// up has changed the home all the same.
func (s *stores) mirror(ctx context.Context, place shard.Place, user bytebites.UserID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if _, err := s.copier.copy(ctx, place, []bytebites.UserID{user}); err != nil {
		s.meter.CopyFailed()
		s.logger.WarnContext(ctx, "not copied yet", "user", string(user), "mirror", int(place.Mirror), "error", err)
	}
}

// byMap calls write with the map that is known, and with a newer one for as long as a fence
// turns it away, but not for ever.
func byMap(ctx context.Context, maps maps, write func(shard.Map) error) error {
	ctx, cancel := context.WithTimeout(ctx, movingFor)
	defer cancel()
	m, err := maps.Current()
	for err == nil {
		if err = write(m); !errors.Is(err, shard.ErrMoved) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", bytebites.ErrBusy, err)
		case <-time.After(movingPause):
		}
		m, err = maps.Refresh(ctx)
	}
	return err
}

// Everywhere asks all servers that are somebody's home by the map, side by side. Before a move
// is settled all of a bucket is at its old home, as home or as mirror, so these have everybody,
// and nobody twice. Half of the answers are enough: what is asked of everybody is for display, and
// a list of popular meals that lacks a quarter of the orders is better than none.
func (s *stores) Everywhere(ctx context.Context, ask shardstore.Question) ([]any, error) {
	m, err := s.maps.Current()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, displayPatience)
	defer cancel()
	homes := distinct(m.Home[:])
	answers := make(chan answer, len(homes))
	for _, home := range homes {
		go func() {
			value, err := s.ask(ctx, home, ask)
			answers <- answer{value, err}
		}()
	}
	return s.gather(ctx, answers, len(homes))
}

// answer is one server's.
type answer struct {
	value any
	err   error
}

// gather returns the answers that come in time, when they are enough.
func (s *stores) gather(ctx context.Context, answers <-chan answer, servers int) ([]any, error) {
	var arrived []any
	var failure error
	for range servers {
		select {
		case a := <-answers:
			if a.err != nil {
				failure = errors.Join(failure, a.err)
				continue
			}
			arrived = append(arrived, a.value)
		case <-ctx.Done(): // the driver may wait longer for a server that hangs; nobody else does
			failure = errors.Join(failure, ctx.Err())
		}
	}
	if 2*len(arrived) < servers {
		return nil, fmt.Errorf("%d of %d servers answered: %w: %w", len(arrived), servers, bytebites.ErrBusy, failure)
	}
	if failure != nil {
		s.meter.Partial(ctx)
		s.logger.WarnContext(ctx, "answered in part", "answers", len(arrived), "servers", servers, "error", failure)
	}
	return arrived, nil
}

// distinct returns the servers in their order, each once.
func distinct(servers []shard.Server) []shard.Server {
	return slices.Compact(slices.Sorted(slices.Values(servers)))
}
