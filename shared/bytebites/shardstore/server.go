package shardstore

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// Server is one server of user data: its connection pool and the stores over it.
type Server struct {
	DB     *sql.DB
	Stores service.UserData
}

// Servers returns a service's servers of user data, indexed by their numbers: shard.Old first. The
// supplier ledger looks up ingredients in the catalogue. Popular meals and ratings leave out subscribers
// who have left a server by the present map, and whose rows are still there.
func Servers(r service.Resources, catalogue bytebites.Catalogue, maps *shard.Maps) []Server {
	here := func(table string) string { return shard.NotLeft(maps.Version(), table) }
	servers := make([]Server, 0, 1+len(r.Shards))
	for _, db := range Pools(r) {
		outbox, claims := r.OutboxOn(db)
		servers = append(servers, Server{DB: db, Stores: service.UserData{
			Profiles: postgres.NewProfiles(db),
			Carts:    postgres.NewCarts(db),
			Ratings:  postgres.NewRatings(db).Counting(here),
			Orders:   postgres.NewOrders(db).Counting(here),
			Ledger:   postgres.NewLedger(db, catalogue),
			Weeks:    postgres.NewWeeks(db),
			Outbox:   outbox,
			Claims:   claims,
		}})
	}
	return servers
}

// Pools returns the connection pools of a service's servers of user data, indexed by their numbers:
// shard.Old first.
func Pools(r service.Resources) []*sql.DB {
	return append([]*sql.DB{r.UserData}, r.Shards...)
}

// Shards returns the numbers of a service's shards: all its servers of user data but shard.Old.
func Shards(r service.Resources) []shard.Server {
	shards := make([]shard.Server, len(r.Shards))
	for i := range shards {
		shards[i] = shard.Old + 1 + shard.Server(i)
	}
	return shards
}

// openTimeout bounds the work at the start of a replica.
const openTimeout = 30 * time.Second

// Maps is a replica's view of the map: see shard.Maps.
type Maps interface {
	Current() (shard.Map, error)
	Refresh(ctx context.Context) (shard.Map, error)
}

// Parts are what an Access to several servers is made of.
type Parts struct {
	Maps    Maps
	Servers []Server // by number
	Dark    *DarkReads
	Meter   *Meter
	Logger  *slog.Logger
}

// Pools returns the connections to the servers, by number.
func (p Parts) Pools() []*sql.DB {
	pools := make([]*sql.DB, len(p.Servers))
	for number, server := range p.Servers {
		pools[number] = server.DB
	}
	return pools
}

// Open returns the parts over a service's servers. They close with the service. It fails when the map
// names a server that the service does not know, and when the map or the fence of the old server,
// while that one has all user data, cannot be read.
func Open(r service.Resources, catalogue bytebites.Catalogue) (Parts, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	watched, err := shard.Watch(ctx, r.Catalogue, Pools(r), r.Config.Instance, r.Logger)
	if err != nil {
		return Parts{}, fmt.Errorf("watch map: %w", err)
	}
	r.OnClose(watched.Close)
	meter, err := NewMeter(r.Metrics)
	if err != nil {
		return Parts{}, err
	}
	servers := Servers(r, catalogue, watched)
	dark := NewDarkReads(servers, watched.Compared, meter, r.Logger)
	r.OnClose(dark.Close)
	return Parts{Maps: watched, Servers: servers, Dark: dark, Meter: meter, Logger: r.Logger}, nil
}
