package wrong

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/service"
	"bytebites.example/workshop/shared/shard"
	"bytebites.example/workshop/shared/sharded"
	"bytebites.example/workshop/solutions/04-sharding"
)

const (
	patience = time.Second
	tries    = 40
	again    = 50 * time.Millisecond
)

// elsewhere is a sharded.Access that asks the next server when one does not answer: there are
// four, so why should anybody see an error?
type elsewhere struct {
	router  shard.Router
	maps    *shard.Maps
	servers []sharded.Server
	dark    *sharded.DarkReads
}

func openElsewhere(r service.Resources, catalogue bytebites.Catalogue) (service.UserData, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	maps, err := shard.Watch(ctx, r.Catalogue, sharded.Pools(r), r.Config.Instance, r.Logger)
	if err != nil {
		return service.UserData{}, fmt.Errorf("watch map: %w", err)
	}
	r.OnClose(maps.Close)
	meter, err := sharded.NewMeter(r.Metrics)
	if err != nil {
		return service.UserData{}, err
	}
	servers := sharded.Servers(r, catalogue)
	e := &elsewhere{
		router: sharding.NewRouter(), maps: maps, servers: servers,
		dark: sharded.NewDarkReads(servers, maps.Compared, meter, r.Logger),
	}
	r.OnClose(e.dark.Close)
	return sharded.UserData(e, e.router), nil
}

// next returns the server that is asked in the place of one that does not answer.
func (e *elsewhere) next(m shard.Map, user bytebites.UserID) shard.Server {
	bucket := e.router.Bucket(user)
	return m.Home[(int(bucket)+shard.Buckets/2)%shard.Buckets]
}

func (e *elsewhere) Read(ctx context.Context, user bytebites.UserID, ask sharded.Question) (any, error) {
	m, err := e.maps.Current()
	if err != nil {
		return nil, err
	}
	place := e.router.Place(m, user)
	if m.Phase == shard.DarkReads && place.Mirrored() {
		e.dark.Compare(user, place, func(ctx context.Context, server shard.Server) (any, error) { return e.ask(ctx, server, ask) })
	}
	answer, err := e.ask(ctx, place.Home, ask)
	if errors.Is(err, bytebites.ErrBusy) {
		return e.ask(ctx, e.next(m, user), ask)
	}
	return answer, err
}

func (e *elsewhere) ask(ctx context.Context, server shard.Server, ask sharded.Question) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := ask(ctx, e.servers[server].Stores)
	return answer, sharded.Busy(err)
}

func (e *elsewhere) Write(ctx context.Context, user bytebites.UserID, change sharded.Change) error {
	m, err := e.maps.Current()
	for try := 1; err == nil; try++ {
		place := e.router.Place(m, user)
		err = e.atHome(ctx, m, place, user, change)
		if errors.Is(err, bytebites.ErrBusy) {
			other := e.next(m, user)
			err = e.atHome(ctx, m, shard.Place{Home: other, Mirror: other}, user, change)
		}
		if err == nil && place.Mirrored() {
			_ = e.mirror(ctx, place, user) // the mover finds it
		}
		if !errors.Is(err, shard.ErrMoved) || try == tries {
			return err
		}
		time.Sleep(again)
		m, err = e.maps.Refresh(ctx)
	}
	return err
}

func (e *elsewhere) atHome(ctx context.Context, m shard.Map, place shard.Place, user bytebites.UserID, change sharded.Change) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	home := e.servers[place.Home]
	return sharded.Busy(shard.Within(ctx, home.DB, m.Version, func(ctx context.Context) error {
		if place.Mirrored() {
			if err := shard.Mark(ctx, home.DB, user); err != nil {
				return err
			}
		}
		return change(ctx, home.Stores)
	}))
}

func (e *elsewhere) mirror(ctx context.Context, place shard.Place, user bytebites.UserID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	home, mirror := e.servers[place.Home].DB, e.servers[place.Mirror].DB
	return copyRows(ctx, home, mirror, []bytebites.UserID{user}, false)
}

func (e *elsewhere) Everywhere(ctx context.Context, ask sharded.Question) ([]any, error) {
	m, err := e.maps.Current()
	if err != nil {
		return nil, err
	}
	var answers []any
	asked := make(map[shard.Server]bool)
	for _, server := range m.Home {
		if asked[server] {
			continue
		}
		asked[server] = true
		if answer, err := e.ask(ctx, server, ask); err == nil {
			answers = append(answers, answer)
		}
	}
	return answers, nil
}
