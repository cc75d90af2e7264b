package wrong

import (
	"context"
	"errors"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

const (
	patience = time.Second
	tries    = 40
	again    = 50 * time.Millisecond
)

// access is a shardstore.Access with a mistake in it.
type access struct {
	mistake
	maps    shardstore.Maps
	servers []shardstore.Server
	dark    *shardstore.DarkReads
}

// mistake is what an access gets wrong.
type mistake struct {
	router shard.Router
	// elsewhere asks the next server when one does not answer: there are four, so why should
	// anybody see an error?
	elsewhere bool
	// everyServer asks all servers about all subscribers, the old one too.
	everyServer bool
}

// open is a service.Composition's UserData.
func (wrong mistake) open(r service.Resources, catalogue bytebites.Catalogue) (service.UserData, error) {
	parts, err := shardstore.Open(r, catalogue)
	if err != nil {
		return service.UserData{}, err
	}
	return shardstore.UserData(&access{mistake: wrong, maps: parts.Maps, servers: parts.Servers, dark: parts.Dark}, wrong.router), nil
}

// next returns the server that is asked in the place of one that does not answer.
func (a *access) next(m shard.Map, user bytebites.UserID) shard.Server {
	bucket := a.router.Bucket(user)
	return m.Source[(int(bucket)+shard.Buckets/2)%shard.Buckets]
}

func (a *access) Read(ctx context.Context, user bytebites.UserID, ask shardstore.Question) (any, error) {
	m, err := a.maps.Current()
	if err != nil {
		return nil, err
	}
	place := a.router.Place(m, user)
	if m.Phase == shard.DarkReads && place.Mirrored() {
		a.dark.Compare(user, place, func(ctx context.Context, server shard.Server) (any, error) { return a.ask(ctx, server, ask) })
	}
	answer, err := a.ask(ctx, place.Home, ask)
	if a.elsewhere && errors.Is(err, bytebites.ErrBusy) {
		return a.ask(ctx, a.next(m, user), ask)
	}
	return answer, err
}

func (a *access) ask(ctx context.Context, server shard.Server, ask shardstore.Question) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := ask(ctx, a.servers[server].Stores)
	return answer, shardstore.Busy(err)
}

func (a *access) Write(ctx context.Context, user bytebites.UserID, change shardstore.Change) error {
	m, err := a.maps.Current()
	for try := 1; err == nil; try++ {
		place := a.router.Place(m, user)
		err = a.atHome(ctx, m, place, user, change)
		if a.elsewhere && errors.Is(err, bytebites.ErrBusy) {
			other := a.next(m, user)
			err = a.atHome(ctx, m, shard.Place{Home: other, Mirror: other}, user, change)
		}
		if err == nil && place.Mirrored() {
			_ = a.mirror(ctx, place, user) // the mover finds it
		}
		if !errors.Is(err, shard.ErrMoved) || try == tries {
			return err
		}
		time.Sleep(again)
		m, err = a.maps.Refresh(ctx)
	}
	return err
}

func (a *access) atHome(ctx context.Context, m shard.Map, place shard.Place, user bytebites.UserID, change shardstore.Change) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	home := a.servers[place.Home]
	return shardstore.Busy(shard.Within(ctx, home.DB, m.Version, func(ctx context.Context) error {
		if place.Mirrored() {
			if err := shard.Mark(ctx, home.DB, user); err != nil {
				return err
			}
		}
		return change(ctx, home.Stores)
	}))
}

func (a *access) mirror(ctx context.Context, place shard.Place, user bytebites.UserID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	home, mirror := a.servers[place.Home].DB, a.servers[place.Mirror].DB
	return copyRows(ctx, home, mirror, []bytebites.UserID{user}, false)
}

func (a *access) Everywhere(ctx context.Context, ask shardstore.Question) ([]any, error) {
	m, err := a.maps.Current()
	if err != nil {
		return nil, err
	}
	var answers []any
	asked := make(map[shard.Server]bool)
	servers := m.Source[:]
	if a.everyServer {
		servers = slices.Concat(servers, []shard.Server{shard.Old})
	}
	for _, server := range servers {
		if asked[server] {
			continue
		}
		asked[server] = true
		if answer, err := a.ask(ctx, server, ask); err == nil {
			answers = append(answers, answer)
		}
	}
	return answers, nil
}
