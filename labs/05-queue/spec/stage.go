package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// The types of all servers where something is timed. Counts are taken at full speed.
func serviceType() instance.Type  { return instance.Micro() }
func workerType() instance.Type   { return instance.Micro() }
func relayType() instance.Type    { return instance.Nano() }
func brokerType() instance.Type   { return instance.Small() } // RabbitMQ needs half a core
func databaseType() instance.Type { return instance.Small() }
func shardType() instance.Type    { return instance.Nano() }
func cacheType() instance.Type    { return instance.Nano() }

const (
	// solutions is the program with every lab's solution in it, and before is the last lab
	// that this lab builds on.
	solutions = "./solutions/service"
	before    = "04"
	// shards is how many shards new subscribers are put on. With the old server there are
	// three outboxes.
	shards = 2
	// quickMail is how long the mail server takes to accept a message in most checks, and
	// slowMail where a check is about that time.
	quickMail = 5 * time.Millisecond
	slowMail  = 2 * time.Second
	// answerTimeout bounds a check's request. It is longer than the service works on one.
	answerTimeout = 15 * time.Second
	// idleConnections is how many idle connections to each replica are kept.
	idleConnections = 100
	// checkConnections is how many connections a check uses to each database server.
	checkConnections = 4
)

// size is ByteBites before it grew: an order has the same effects, and the servers are ready
// sooner.
func size() seed.Size { return seed.Early() }

// The names of the stages.
const (
	serversStage  = "servers"
	replicasStage = "replicas"
	peopleStage   = "subscribers"
	jobsStage     = "relay and worker"
	withoutStage  = "service of lab 04"
)

// stages returns what the checks share. The relay and a worker start beside the signing in of
// subscribers.
func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: serversStage, Alone: true, Start: l.startServers,
			Starts: "PostgreSQL with two shards, Redis, RabbitMQ and a mail server, and build your service"},
		{Name: replicasStage, Needs: []string{serversStage}, Start: l.startReplicas,
			Starts: "two replicas of your service"},
		{Name: peopleStage, Needs: []string{replicasStage}, Start: l.gather,
			Starts: "sessions of subscribers of all three servers of user data"},
		{Name: jobsStage, Needs: []string{replicasStage}, Start: l.startJobs,
			Starts: "the relay and a worker of your service"},
		{Name: withoutStage, Needs: []string{serversStage}, Start: l.startWithout,
			Starts: "the service of lab 04, to compare with"},
	}
}

// trial is one run: the servers, and what the checks saw on them.
type trial struct {
	subject Subject

	servers *rig.Servers // the old server, with the catalogue, and the mail server
	nodes   []*node      // the servers of user data, the old one first
	cache   *testbed.Redis
	broker  *testbed.RabbitMQ
	// relayLink is the relay's connection to the broker.
	relayLink *testbed.SlowLink
	// replicas serve the API. The relay and the workers are processes of their own.
	replicas       []*testbed.Service
	relay          *job
	worker, second *job // second is nil until a check needs two workers
	workers        int  // how many of the two run

	jobsMu sync.Mutex
	jobs   []*job // all that were started

	http   *http.Client
	turn   atomic.Uint64 // the number of requests so far; replicas take turns by it
	keys   atomic.Uint64 // the number of Idempotency-Keys so far
	crowd  crowd
	people []*person
	meals  recipes

	looked []*order    // the orders of the check "effects"
	begun  []*order    // the orders of the check "worker killed"
	downed []*order    // the orders of the check "broker down"
	kills  []time.Time // when workers were killed

	without *testbed.Service // the service of lab 04
}

// node is a server of user data.
type node struct {
	name   string
	server *testbed.Postgres
	pool   *sql.DB
}

// startServers starts all that the service needs, side by side, and builds the programs
// meanwhile.
func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.http = &http.Client{Timeout: answerTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: idleConnections}}
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
	end = func() error { return errors.Join(l.closeClients(), closeServers()) }
	if err != nil {
		return end, learnersFault(err)
	}
	if err := l.openOld(ctx); err != nil {
		return end, err
	}
	l.meals, err = readRecipes(ctx, l.servers.Pool)
	return end, err
}

// closeClients closes the checks' own connections to the servers.
func (l *trial) closeClients() error {
	l.http.CloseIdleConnections()
	var failures []error
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

// service returns the options of a process of the subject's program.
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

// serviceBefore returns the options of a process of lab 04's solution, on the same servers.
func (l *trial) serviceBefore(name string) testbed.ServiceOptions {
	o := l.service(name)
	o.Package, o.Args, o.Broker = solutions, []string{"--through", before}, nil
	return o
}

func (l *trial) startReplicas(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	l.replicas = make([]*testbed.Service, 2)
	var starts []func(context.Context) error
	for i, name := range []string{"one", "two"} {
		starts = append(starts, func(ctx context.Context) (err error) {
			l.replicas[i], err = l.servers.Bed.Service(ctx, l.service(name))
			return err
		})
	}
	return nil, learnersFault(testbed.SideBySide(ctx, starts...))
}

// startJobs starts the relay and a worker. At the end the logs of all jobs are kept.
func (l *trial) startJobs(ctx context.Context, run *lab.Run) (end func() error, err error) {
	run.Evidence(evidenceFolder)
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) { l.relay, err = l.startJob(ctx, "relay", "relay"); return err },
		func(ctx context.Context) (err error) { l.worker, err = l.startJob(ctx, "worker", "worker"); return err })
	l.workers = 1
	return l.keepLogs, learnersFault(err)
}

func (l *trial) startWithout(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	l.without, err = l.servers.Bed.Service(ctx, l.serviceBefore("without"))
	return nil, err
}

// learnersFault turns an error of the learner's service into a failure.
func learnersFault(err error) error {
	return rig.LearnersFault(err, lab.Look{File: "topology.go", Func: "Declare", Hint: "see the log above: the service is lab 04's with your topology.go, publisher.go and consumers.go"})
}
