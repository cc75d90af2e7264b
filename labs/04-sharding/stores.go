package sharding

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

// openFor bounds what is done once, when a replica starts.
const openFor = 30 * time.Second

// stores is a shardstore.Access.
type stores struct {
	router  shard.Router
	maps    *shard.Maps
	servers []shardstore.Server // by number
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
	// TODO(lab 04): give each read one second, and pass its error through shardstore.Busy:
	// a server that hangs holds up its callers, and with them this replica. In phase
	// DarkReads, read the mirror too and compare the answers (s.dark.Compare). No caller
	// may wait for that.
	return ask(ctx, s.servers[place.Home].Stores)
}

// Write changes what the subscriber's home has, and then brings the mirror up to date.
func (s *stores) Write(ctx context.Context, user bytebites.UserID, change shardstore.Change) error {
	m, err := s.maps.Current()
	if err != nil {
		return err
	}
	place := s.router.Place(m, user)
	// TODO(lab 04): make this double write safe. As it stands, data is lost
	//   - when this replica uses the map of a moment ago. Go through the home's fence
	//     (shard.Within). When it returns shard.ErrMoved, read the map again
	//     (s.maps.Refresh) and try again for at most 3 seconds; then return
	//     bytebites.ErrBusy
	//   - when the replica dies between both writes, or the second one fails. Mark the
	//     subscriber (shard.Mark) inside the fence, before the change, so that the mover
	//     knows
	//   - when the second write fails and the client is told that nothing was written. The
	//     first write stands: count the failure (s.meter.CopyFailed), log it, and return no
	//     error
	//   - when the client disconnects between both writes: context.WithoutCancel
	// Give each of both writes one second too.
	if err := change(ctx, s.servers[place.Home].Stores); err != nil || !place.Mirrored() {
		return err
	}
	_, err = s.copier.copy(ctx, place, []bytebites.UserID{user})
	return err
}

// Everywhere asks about everybody.
func (s *stores) Everywhere(ctx context.Context, ask shardstore.Question) ([]any, error) {
	// TODO(lab 04): ask each server that is a home by the map (m.Home), side by side, each
	// as Read does. Decide how many answers are enough: popular meals and stars are only
	// shown, so one server of four may be missing, and fewer than half are too few. With
	// too few, return bytebites.ErrBusy. With some missing, count it (s.meter.Partial);
	// that also keeps the cache from storing it.
	answer, err := ask(ctx, s.servers[shard.Old].Stores)
	return []any{answer}, err
}
