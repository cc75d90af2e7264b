package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// What everything runs on where something is timed. Counts are taken at full speed.
func serviceType() instance.Type  { return instance.Micro() }
func workerType() instance.Type   { return instance.Micro() }
func relayType() instance.Type    { return instance.Nano() }
func brokerType() instance.Type   { return instance.Small() } // RabbitMQ needs half a core
func databaseType() instance.Type { return instance.Small() }
func shardType() instance.Type    { return instance.Nano() }
func cacheType() instance.Type    { return instance.Nano() }

const (
	// solutions is the program with every lab's solution in it, and before the last of
	// those that the lab starts from.
	solutions = "./solutions/service"
	before    = "04"
	// shards are those that people who join are put on. Two will do: with the old server, there
	// are three outboxes.
	shards = 2
	// quickMail is how long the mail server takes to accept a message where that is not
	// what is looked at, and slowMail where it is.
	quickMail = 5 * time.Millisecond
	slowMail  = 2 * time.Second
	// askPatience is how long a check waits for an answer: longer than any request lives.
	askPatience = 15 * time.Second
	// idle is how many connections to each replica are kept.
	idle = 100
	// checkConnections is how many connections a check uses to each server.
	checkConnections = 4
)

// size is ByteBites before it grew: what an order sets off is the same, and the servers are
// ready sooner.
func size() seed.Size { return seed.Early() }

// trial is one run: the servers, and what was seen on them.
type trial struct {
	subject Subject

	servers *rig.Servers // the old server, with the catalogue, and the mail server
	nodes   []*node      // the servers of user data, the old one first
	cache   *testbed.Redis
	broker  *testbed.RabbitMQ
	// relayLink is the relay's way to the broker.
	relayLink *testbed.SlowLink
	// replicas serve the API. The relay and the workers have no other job.
	replicas       []*testbed.Service
	relay          *job
	worker, second *job
	jobs           []*job // all there are

	http   *http.Client
	turn   atomic.Uint64 // of the replicas
	keys   atomic.Uint64 // Idempotency-Keys so far
	crowd  crowd
	people []*person
	meals  recipes

	// missing is why there is no point in looking at the queue: nil once every effect
	// was seen to come, and the events that set them off to pass by.
	missing   error
	early     []*order // the first that there were
	heardFrom int      // the first of them that a tap was to hear of
	heard     *tap
	deaf      error       // why there is no tap
	begun     []*order    // that a worker had in hand when it was killed, or may have had
	kills     []time.Time // of workers

	without *testbed.Service // the service of the labs before; nil unless times are judged
}

// node is a server of user data.
type node struct {
	name   string
	server *testbed.Postgres
	pool   *sql.DB
}

// prepare starts the servers, two replicas of the subject's service, a relay and a worker,
// and gathers people.
func (l *trial) prepare(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.missing = errors.New("no effect was seen to come by way of it yet")
	l.nodes = make([]*node, 1+shards)
	options := rig.ServersOptions{
		Database: databaseType().FullSpeed(), Dataset: size(), MailDelay: quickMail,
		Packages: []string{l.subject.Package, solutions},
		Beside:   []func(context.Context, *testbed.Bed) error{l.startCache, l.startBroker},
	}
	for number := 1; number <= shards; number++ {
		options.Beside = append(options.Beside, func(ctx context.Context, bed *testbed.Bed) error {
			return l.startShard(ctx, bed, number)
		})
	}
	var closeServers func() error
	l.servers, closeServers, err = rig.Open(ctx, run, options)
	l.http = &http.Client{Timeout: askPatience, Transport: &http.Transport{MaxIdleConnsPerHost: idle}}
	end = func() error { return errors.Join(l.close(), closeServers()) }
	if err != nil {
		return end, rig.LearnersFault(err, look())
	}
	run.Evidence(evidenceFolder)
	if err := l.openOld(ctx); err != nil {
		return end, err
	}
	run.Progress("starting two replicas of your service, its relay and a worker, and gathering people")
	if l.meals, err = readRecipes(ctx, l.servers.Pool); err != nil {
		return end, err
	}
	if err := l.startSubject(ctx, run); err != nil {
		return end, rig.LearnersFault(err, look())
	}
	return end, l.gather(ctx)
}

// close keeps what the relay and the workers wrote, and closes what the checks have opened.
func (l *trial) close() error {
	l.http.CloseIdleConnections()
	var failures []error
	if l.heard != nil {
		failures = append(failures, l.heard.close())
	}
	for _, j := range l.jobs {
		failures = append(failures, j.keepLog(context.Background()))
	}
	for _, n := range l.nodes {
		if n != nil && n.pool != nil {
			failures = append(failures, n.pool.Close())
		}
	}
	return errors.Join(failures...)
}

func (l *trial) startCache(ctx context.Context, bed *testbed.Bed) (err error) {
	l.cache, err = bed.Redis(ctx, testbed.RedisOptions{Type: cacheType().FullSpeed()})
	return err
}

func (l *trial) startBroker(ctx context.Context, bed *testbed.Bed) (err error) {
	l.broker, err = bed.RabbitMQ(ctx, testbed.RabbitMQOptions{Type: brokerType().FullSpeed()})
	if err != nil {
		return err
	}
	l.relayLink, err = bed.SlowLink(ctx, testbed.SlowLinkOptions{Name: "relay-to-broker", To: l.broker.Server, Port: testbed.AMQPPort})
	return err
}

func (l *trial) startShard(ctx context.Context, bed *testbed.Bed, number int) (err error) {
	n := &node{name: fmt.Sprintf("shard-%d", number)}
	if n.server, err = bed.Postgres(ctx, testbed.PostgresOptions{Name: n.name, Type: shardType().FullSpeed()}); err != nil {
		return err
	}
	if n.pool, err = openPool(ctx, n.server); err == nil {
		l.nodes[number] = n
	}
	return err
}

func (l *trial) openOld(ctx context.Context) (err error) {
	l.nodes[0] = &node{name: "the old server", server: l.servers.DB}
	l.nodes[0].pool, err = openPool(ctx, l.servers.DB)
	return err
}

func openPool(ctx context.Context, server *testbed.Postgres) (*sql.DB, error) {
	return postgres.Open(ctx, server.URL()+"&application_name=check", postgres.PoolConfig{MaxOpen: checkConnections, MaxIdle: checkConnections})
}

// service says what a process of the subject's program is given.
func (l *trial) service(name string) testbed.ServiceOptions {
	o := testbed.ServiceOptions{
		Name: name, Package: l.subject.Package, Args: l.subject.Args, Type: serviceType().FullSpeed(),
		Postgres: l.servers.DB, MailSink: l.servers.Mail, Redis: l.cache, Broker: l.broker,
	}
	for _, n := range l.nodes[1:] {
		o.Shards = append(o.Shards, n.server)
	}
	return o
}

// startSubject starts the replicas, then the relay and a worker, and moves new people to the
// shards. Where times are judged it starts what the subject is compared with.
func (l *trial) startSubject(ctx context.Context, run *lab.Run) error {
	l.replicas = make([]*testbed.Service, 2)
	var starts []func(context.Context) error
	for i, name := range []string{"one", "two"} {
		starts = append(starts, func(ctx context.Context) (err error) {
			l.replicas[i], err = l.servers.Bed.Service(ctx, l.service(name))
			return err
		})
	}
	if run.Timed() {
		starts = append(starts, l.startWithout)
	}
	if err := testbed.SideBySide(ctx, starts...); err != nil {
		return err
	}
	return testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) { l.relay, err = l.startJob(ctx, "relay", "relay"); return err },
		func(ctx context.Context) (err error) { l.worker, err = l.startJob(ctx, "worker", "worker"); return err },
		l.moveNewPeople)
}

// startWithout starts the service of the labs before, on the same servers.
func (l *trial) startWithout(ctx context.Context) (err error) {
	o := l.service("without")
	o.Package, o.Args, o.Broker = solutions, []string{"--through", before}, nil
	l.without, err = l.servers.Bed.Service(ctx, o)
	return err
}

// moveNewPeople has lab 04's solution begin its move: who joins from now on lives on a shard.
func (l *trial) moveNewPeople(ctx context.Context) (err error) {
	o := l.service("")
	o.Package, o.Args, o.Broker = solutions, []string{"--through", before}, nil
	// What was read to warm the server up says nothing about how much memory it needs.
	if _, err := l.servers.Pool.ExecContext(ctx, `SELECT pg_stat_reset()`); err != nil {
		return fmt.Errorf("count anew: %w", err)
	}
	o.Env = map[string]string{"BYTEBITES_DATABASE_TYPE": databaseType().Name, "BYTEBITES_LARGEST_TYPE": databaseType().Name}
	mover, err := l.servers.Bed.Role(ctx, testbed.RoleOptions{Service: o, Name: "mover", Role: "migrate", Args: []string{shard.NewUsers.String()}})
	if err != nil {
		return err
	}
	code, log, err := mover.Wait(ctx)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("move new people to the shards: exit code %d: %s", code, tail(log))
	}
	return mover.Remove(ctx)
}

// needsQueue is the failure of a check of what comes by way of the queue when nothing does.
func (l *trial) needsQueue() error {
	if l.missing == nil {
		return nil
	}
	return &lab.Failure{
		Expected: "effects that come by way of the queue", Seen: "needs the queue: " + l.missing.Error(), Look: lab.Look{Hint: "the checks effects and new consumer"},
	}
}

// look is where a service that does not start is mended.
func look() lab.Look {
	return lab.Look{File: "topology.go", Hint: "the log above: the service is lab 04's with your publisher, consumers and topology"}
}
