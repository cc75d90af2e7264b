package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The load of lab 04: subscribers write their own data, on one small server and then on four.
const (
	shards         = 4
	writers        = 20 // subscribers who write, so that every shard has some
	shardsMail     = 5 * time.Millisecond
	writesReplicas = 2 // they leave the generator what it needs, beside so many databases
	// writesStart is below the limit of one server, in requests a second, on a slow machine too.
	writesStart  = 50
	writesWarmUp = 80 // requests a second, at full speed
	writesFactor = 1.6
	writesBurst  = time.Second
	writesAgain  = 2
	// writesOver is the rate of the rush over the limit of one server. The limit of a tenth of a core
	// varies by a third, so lab 04 sends twice the limit, which is half the limit of four.
	writesOver = 2
	writesRush = 2500 * time.Millisecond
	// movingRate is the load during the move, in requests a second. The load is sent in parts of
	// movingPart, because the length of the move is not known beforehand.
	movingRate = 80
	movingPart = time.Second
	lastWords  = 500 // bytes of a mover's log that an error shows
)

// userDataType is that of each server of user data, but during the move.
func userDataType() instance.Type { return instance.Nano() }

// moved is the data that is moved. The tour has no time for all subscribers of the catalogue's
// directory; the writers are among them.
func moved() seed.Size { return seed.Small() }

// moving is half reads, which a mover compares on both servers before it goes on, and half writes,
// which make a move difficult.
func moving() load.Mix {
	return load.Mix{Name: "moving", Skew: load.UserWrites().Skew, Shares: []load.Share{
		{Kind: load.ShowCart, Weight: 30}, {Kind: load.ShowMe, Weight: 20}, {Kind: load.SetCart, Weight: 25},
		{Kind: load.SetAddresses, Weight: 10}, {Kind: load.SetPreferences, Weight: 5}, {Kind: load.RateMeal, Weight: 10},
	}}
}

// nodes are the servers of user data: the old one, which has all subscribers, and the empty shards.
type nodes struct {
	old    *testbed.Postgres
	shards [shards]*testbed.Postgres
}

// starts returns the functions that start them, at full speed.
func (n *nodes) starts() []func(context.Context, *testbed.Bed) error {
	start := func(to **testbed.Postgres, o testbed.PostgresOptions) func(context.Context, *testbed.Bed) error {
		o.Type = userDataType().FullSpeed()
		return func(ctx context.Context, bed *testbed.Bed) (err error) {
			*to, err = bed.Postgres(ctx, o)
			return err
		}
	}
	size := moved()
	all := []func(context.Context, *testbed.Bed) error{start(&n.old, testbed.PostgresOptions{Name: "user-data", Dataset: &size})}
	for i := range n.shards {
		all = append(all, start(&n.shards[i], testbed.PostgresOptions{Name: fmt.Sprintf("shard-%d", 1+i)}))
	}
	return all
}

func (n *nodes) all() []*testbed.Postgres { return append([]*testbed.Postgres{n.old}, n.shards[:]...) }

// resize gives all of them another type. First each writes its changed pages to disk, so that a
// checkpoint does not fall into a load.
func (n *nodes) resize(ctx context.Context, t instance.Type) error {
	var each []func(context.Context) error
	for _, server := range n.all() {
		each = append(each, func(ctx context.Context) error {
			if err := checkpoint(ctx, server); err != nil {
				return err
			}
			return server.Resize(ctx, t)
		})
	}
	return testbed.SideBySide(ctx, each...)
}

func checkpoint(ctx context.Context, server *testbed.Postgres) error {
	pool, err := postgres.Open(ctx, server.URL()+"&application_name=tour", postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1})
	if err != nil {
		return err
	}
	defer pool.Close() //nolint:errcheck // the statement's error counts
	if _, err := pool.ExecContext(ctx, `CHECKPOINT`); err != nil {
		return fmt.Errorf("checkpoint %s: %w", server.Name(), err)
	}
	return nil
}

// shards measures a rush of writes before and after everybody is moved from one server to four.
func (s *show) shards(ctx context.Context) ([]claims.Row, error) {
	const on, onFour = "one b1.nano for user data", "four of them"
	service, fleet, err := s.startSharded(ctx)
	if err != nil {
		return nil, err
	}
	writing := fleet.Generator
	writing.Mix = load.UserWrites()
	if err := s.nodes.resize(ctx, userDataType()); err != nil {
		return nil, err
	}
	watched := fleet.Servers()
	for _, server := range s.nodes.all() {
		watched = append(watched, server.Server)
	}
	watch, err := s.watch(ctx, watched...)
	if err != nil {
		return nil, err
	}
	limit, err := s.bursts(ctx, on, measure.BurstConfig{
		Start: writesStart, Factor: writesFactor, Length: writesBurst, Again: writesAgain, Quotas: watch.Problems,
	}, writing)
	if err != nil {
		return nil, err
	}
	rush := round{name: "rush on one", on: on, to: writing, rate: writesOver * limit.Goodput, length: writesRush, watch: watch}
	one, _, err := s.send(ctx, rush)
	if err != nil {
		return nil, err
	}
	move, err := s.move(ctx, service, fleet.Generator)
	if err != nil {
		return nil, err
	}
	rush.name, rush.on = "rush on four", onFour
	four, _, err := s.send(ctx, rush)
	if err != nil {
		return nil, err
	}
	rows, err := withQuotas(ctx, watch, claims.Sharding(limit, one, four, move))
	if err != nil {
		return nil, err
	}
	return rows, s.removeFleet(ctx, fleet)
}

// startSharded starts replicas that know all servers of user data. All subscribers are on the old one.
func (s *show) startSharded(ctx context.Context) (service testbed.ServiceOptions, fleet *rig.Fleet, err error) {
	if err := s.servers.Mail.SetDelay(ctx, shardsMail); err != nil {
		return service, nil, err
	}
	err = s.doing("start the replicas of lab 04", func(*progress.Step) error {
		if err := s.startRedis(ctx); err != nil {
			return err
		}
		service = s.service("sharding", "04", instance.Micro())
		service.Redis, service.UserData, service.Shards = s.redis, s.nodes.old, s.nodes.shards[:]
		return s.servers.AtFullSpeed(ctx, func() (err error) {
			if fleet, err = s.fleet(ctx, service, writesReplicas, moved(), writers); err != nil {
				return err
			}
			return warmWrites(ctx, fleet.Generator)
		})
	})
	return service, fleet, err
}

// warmWrites sends writes to servers at full speed. Else the first of those that are measured are spent on
// connections and on pages that are read the first time.
func warmWrites(ctx context.Context, to load.Generator) error {
	to.Mix = load.UserWrites()
	_, err := to.Hit(ctx, writesWarmUp, writesBurst)
	return err
}

// move moves all subscribers to the shards, at full speed, while requests come in.
func (s *show) move(ctx context.Context, service testbed.ServiceOptions, to load.Generator) (m claims.Moved, err error) {
	what := fmt.Sprintf("move all subscribers to %d servers while %d requests/s come in", shards, movingRate)
	err = s.doing(what, func(*progress.Step) error {
		if err := s.nodes.resize(ctx, userDataType().FullSpeed()); err != nil {
			return err
		}
		service.Type = instance.Medium().FullSpeed()
		service.Env = map[string]string{"BYTEBITES_DATABASE_TYPE": userDataType().Name, "BYTEBITES_LARGEST_TYPE": userDataType().Name}
		began := time.Now()
		mover, err := s.servers.Bed.Role(ctx, testbed.RoleOptions{Service: service, Name: "mover", Role: "migrate", Args: []string{"done"}})
		if err != nil {
			return err
		}
		ended := awaitMover(ctx, mover)
		to.Mix = moving()
		for done := false; !done; {
			result, err := to.Hit(ctx, movingRate, movingPart)
			if err != nil {
				return err
			}
			m.Sent += result.Sent
			m.Failed += result.Failed
			select {
			case end := <-ended:
				if end.err != nil {
					return end.err
				}
				m.Seconds = end.at.Sub(began).Seconds()
				done = true
			default:
			}
		}
		m.Rate, m.Users, m.Orders = movingRate, moved().Users, moved().Orders
		if err := warmWrites(ctx, to); err != nil {
			return err
		}
		return s.nodes.resize(ctx, userDataType())
	})
	return m, err
}

// moverEnd is when a mover ended, and the reason if it has not reached its goal.
type moverEnd struct {
	at  time.Time
	err error
}

// awaitMover returns a channel that gets a mover's end.
func awaitMover(ctx context.Context, mover *testbed.Role) <-chan moverEnd {
	ended := make(chan moverEnd, 1)
	go func() {
		code, said, err := mover.Wait(ctx)
		at := time.Now()
		if err == nil && code != 0 {
			said = strings.TrimSpace(said)
			err = fmt.Errorf("move subscribers: exit code %d: %s", code, said[max(0, len(said)-lastWords):])
		}
		ended <- moverEnd{at, err}
	}()
	return ended
}
