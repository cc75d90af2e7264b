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
	servers := shardstore.Servers(r, catalogue)
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
	// TODO(lab 04): a server that hangs keeps everybody who asks it, and with them this
	// replica. Give each question a second, and pass its error through shardstore.Busy.
	// In phase DarkReads, ask the mirror too and compare, for nobody to wait for: s.dark.Compare.
	return ask(ctx, s.servers[place.Home].Stores)
}

// Write changes what the subscriber's home has, and then brings the mirror up to date.
func (s *stores) Write(ctx context.Context, user bytebites.UserID, change shardstore.Change) error {
	m, err := s.maps.Current()
	if err != nil {
		return err
	}
	place := s.router.Place(m, user)
	// TODO(lab 04): this is a double write as everybody writes it. What is lost
	//   - when this replica goes by the map of a moment ago? Go through the home's fence
	//     (shard.Within), and when it turns you away (shard.ErrMoved) read the map again
	//     (s.maps.Refresh) and try again, for 3 seconds at most: then it is bytebites.ErrBusy
	//   - when it dies between both, or the second one fails? Mark the subscriber (shard.Mark)
	//     inside the fence, before the change: then the mover knows
	//   - when the second one fails, and the client is told that nothing was written? It was:
	//     count it (s.meter.CopyFailed), log it, and say nothing
	//   - when the client has hung up in between? context.WithoutCancel
	// And each of both has a second, as a question has.
	if err := change(ctx, s.servers[place.Home].Stores); err != nil || !place.Mirrored() {
		return err
	}
	_, err = s.copier.copy(ctx, place, []bytebites.UserID{user})
	return err
}

// Everywhere asks about everybody.
func (s *stores) Everywhere(ctx context.Context, ask shardstore.Question) ([]any, error) {
	// TODO(lab 04): ask each server that is somebody's home by the map (m.Home), side by side,
	// each as Read does. Decide which part of the answers is enough: popular meals and stars are
	// for display. With fewer it is bytebites.ErrBusy; with some missing, say so (s.meter.Partial).
	answer, err := ask(ctx, s.servers[shard.Old].Stores)
	return []any{answer}, err
}
