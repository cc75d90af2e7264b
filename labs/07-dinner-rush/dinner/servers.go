package dinner

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
)

// checkConnections bounds the connections of the checks to each database.
const checkConnections = 3

// Stack is all servers of a plan.
type Stack struct {
	Bed       *testbed.Bed
	Catalogue *testbed.Postgres
	Shards    []*testbed.Postgres
	Cache     *testbed.Redis
	Broker    *testbed.RabbitMQ
	Mail      *testbed.MailSink
	Balancer  *testbed.Nginx
	Relay     *testbed.Role
	Workers   []*testbed.Role

	// Generator sends the dinner mix to nginx.
	Generator load.Generator
	// Warm is the load that was sent before the dinner. Its orders are in the books too.
	Warm load.Result

	o          Options
	assignment shard.Assignment
	catalogue  *sql.DB
	pools      []*sql.DB // of the shards
	fleet      *fleet
	stock      map[bytebites.MealID]int // before the first order
}

// Open starts all servers side by side and signs people in, at full speed. Then it gives each server the
// CPU quota of its type. Close ends what the bed does not end; it must be called also after an error.
func Open(ctx context.Context, bed *testbed.Bed, o Options) (*Stack, error) {
	s := &Stack{Bed: bed, o: o}
	if err := o.validate(); err != nil {
		return s, err
	}
	for _, step := range []func(context.Context) error{
		s.startServers, s.publishMap, s.startProgram, s.gather, s.throttle,
	} {
		if err := step(ctx); err != nil {
			return s, fmt.Errorf("open dinner: %w", err)
		}
	}
	return s, nil
}

// Close ends the controllers of the replicas and closes the connections of the checks.
func (s *Stack) Close() error {
	var errs []error
	if s.fleet != nil {
		errs = append(errs, s.fleet.close())
	}
	for _, pool := range append(slices.Clone(s.pools), s.catalogue) {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// spread assigns all buckets to the plan's shards, as the mover of lab 04 does, and divides the data.
func (s *Stack) spread() (seed.Spread, error) {
	servers := make([]shard.Server, s.o.Plan.Shards.Count)
	for i := range servers {
		servers[i] = shard.Server(i + 1)
	}
	s.assignment = s.o.Router.Plan(shard.Assignment{}, servers)
	return seed.NewSpread(s.o.Size, len(servers), s.home)
}

// home returns the number of a subscriber's shard, counted from 1.
func (s *Stack) home(user bytebites.UserID) int { return int(s.assignment[s.o.Router.Bucket(user)]) }

// startServers starts what the program needs, and builds the program meanwhile.
func (s *Stack) startServers(ctx context.Context) error {
	spread, err := s.spread()
	if err != nil {
		return err
	}
	p := s.o.Plan
	s.o.Progress(fmt.Sprintf("starting a catalogue, %d shards with %d subscribers, Redis, RabbitMQ, nginx and a mail server", p.Shards.Count, s.o.Size.Users))
	s.Shards, s.pools = make([]*testbed.Postgres, p.Shards.Count), make([]*sql.DB, p.Shards.Count)
	starts := []func(context.Context) error{
		func(ctx context.Context) (err error) { _, err = s.Bed.Binary(ctx, s.o.Program.Package); return err },
		func(ctx context.Context) (err error) {
			s.Catalogue, s.catalogue, err = s.database(ctx, "catalogue", p.Catalogue.Type, spread.Catalogue())
			return err
		},
		func(ctx context.Context) (err error) {
			conf := fmt.Sprintf("%s\nmaxmemory %dmb\n", s.o.Redis, p.Cache.MemoryMiB) // the last line of a name counts
			s.Cache, err = s.Bed.Redis(ctx, testbed.RedisOptions{Type: p.Cache.Type, Conf: conf})
			return err
		},
		func(ctx context.Context) (err error) {
			s.Broker, err = s.Bed.RabbitMQ(ctx, testbed.RabbitMQOptions{Type: plan.BrokerType().FullSpeed()})
			return err
		},
		func(ctx context.Context) (err error) {
			s.Mail, err = s.Bed.MailSink(ctx, testbed.MailSinkOptions{Delay: s.o.MailDelay})
			return err
		},
		func(ctx context.Context) (err error) {
			s.Balancer, err = s.Bed.Nginx(ctx, testbed.NginxOptions{
				Type: plan.BalancerType(), Conf: s.o.Nginx, Files: rig.NginxFiles(),
			})
			return err
		},
	}
	for i := range s.Shards {
		starts = append(starts, func(ctx context.Context) (err error) {
			s.Shards[i], s.pools[i], err = s.database(ctx, fmt.Sprintf("shard-%d", i+1), p.Shards.Type, spread.UserData(i+1))
			return err
		})
	}
	return testbed.SideBySide(ctx, starts...)
}

// database starts a PostgreSQL server without a quota, and opens it for the checks.
func (s *Stack) database(ctx context.Context, name string, t instance.Type, share seed.Share) (*testbed.Postgres, *sql.DB, error) {
	full := t.FullSpeed()
	server, err := s.Bed.Postgres(ctx, testbed.PostgresOptions{Name: name, Type: full, Share: &share})
	if err != nil {
		return nil, nil, err
	}
	pool, err := postgres.Open(ctx, server.URL()+"&application_name=check", postgres.PoolConfig{MaxOpen: checkConnections, MaxIdle: checkConnections})
	return server, pool, err
}

// publishMap publishes the map of lab 04 in its state after the move: all buckets are on the shards.
func (s *Stack) publishMap(ctx context.Context) (err error) {
	for _, pool := range s.pools {
		if err := shard.Prepare(ctx, pool); err != nil {
			return err
		}
	}
	mover, err := shard.NewMover(ctx, s.catalogue, append([]*sql.DB{s.catalogue}, s.pools...), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mover.Close()) }()
	settled := shard.Map{Phase: shard.Settled, Source: s.assignment, Target: s.assignment}
	return mover.Switch(ctx, func(context.Context) error { return nil }, func(context.Context) (shard.Map, error) { return settled, nil })
}

// service returns the options of a process of the program.
func (s *Stack) service(t instance.Type) testbed.ServiceOptions {
	return testbed.ServiceOptions{
		Package: s.o.Program.Package, Args: s.o.Program.Args, Type: t,
		Postgres: s.Catalogue, Shards: s.Shards, MailSink: s.Mail, Redis: s.Cache, Broker: s.Broker,
		Env: map[string]string{"BYTEBITES_TRUSTED_PROXIES": s.Bed.Subnet().String()},
	}
}

// startProgram starts the replicas, the relay and the workers.
func (s *Stack) startProgram(ctx context.Context) error {
	p := s.o.Plan
	s.o.Progress(fmt.Sprintf("starting %d replicas, the relay and %d workers", p.Replicas.First(), p.Workers.Count))
	s.Workers = make([]*testbed.Role, p.Workers.Count)
	starts := []func(context.Context) error{
		s.openFleet,
		func(ctx context.Context) (err error) {
			s.Relay, err = s.Bed.Role(ctx, testbed.RoleOptions{Service: s.service(plan.RelayType()), Role: "relay"})
			return err
		},
	}
	for i := range s.Workers {
		starts = append(starts, func(ctx context.Context) (err error) {
			s.Workers[i], err = s.Bed.Role(ctx, testbed.RoleOptions{Service: s.service(p.Workers.Type), Name: fmt.Sprintf("worker-%d", i+1), Role: "worker"})
			return err
		})
	}
	return testbed.SideBySide(ctx, starts...)
}

// Machines returns the servers that run all evening, which are all but the replicas.
func (s *Stack) Machines() []*testbed.Server {
	all := []*testbed.Server{s.Catalogue.Server, s.Cache.Server, s.Broker.Server, s.Balancer.Server, s.Relay.Server}
	for _, shard := range s.Shards {
		all = append(all, shard.Server)
	}
	for _, worker := range s.Workers {
		all = append(all, worker.Server)
	}
	return all
}

// throttle gives each server that started at full speed the quota of its type.
func (s *Stack) throttle(ctx context.Context) error {
	for i, pool := range append([]*sql.DB{s.catalogue}, s.pools...) {
		// Else PostgreSQL might write the changes so far to disk in the middle of the dinner.
		if _, err := pool.ExecContext(ctx, `CHECKPOINT`); err != nil {
			return fmt.Errorf("checkpoint database %d: %w", i, err)
		}
	}
	p := s.o.Plan
	if err := s.Catalogue.Resize(ctx, p.Catalogue.Type); err != nil {
		return err
	}
	for _, server := range s.Shards {
		if err := server.Resize(ctx, p.Shards.Type); err != nil {
			return err
		}
	}
	replicas, err := s.fleet.found(ctx)
	if err != nil {
		return err
	}
	for _, replica := range replicas {
		if err := replica.Resize(ctx, p.Replicas.Type); err != nil {
			return err
		}
	}
	return s.Broker.Resize(ctx, plan.BrokerType())
}
