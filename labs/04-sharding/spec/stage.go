package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// The instance types for the timed gain. Before and after differ only in the servers of user
// data. Checks, and gains that are counted, run at full speed.
func serviceType() instance.Type   { return instance.Small() }
func userDataType() instance.Type  { return instance.Nano() }
func catalogueType() instance.Type { return instance.Small() }
func cacheType() instance.Type     { return instance.Micro() }

const (
	// solutions is the program with the solutions of all labs. before is the last lab that
	// this one starts from.
	solutions = "./solutions/service"
	before    = "03"
	// mailDelay is how long the mail server takes to accept a message. Few order here.
	mailDelay = 5 * time.Millisecond
	// answerTimeout is how long a check waits for an answer. It is longer than any request
	// lives, so a request without an answer by then has no effect any more.
	answerTimeout = 15 * time.Second
	// idleConnections is how many connections to each replica are kept: enough for all clients.
	idleConnections = 200
	// checkConnections is how many connections a check uses to each server.
	checkConnections = 4
)

// trial is one run of the lab: its servers, and the state of its load.
type trial struct {
	subject Subject
	scale   scale
	http    *http.Client

	databases *oneServer // stage databases
	// Stage servers.
	servers *rig.Servers // the catalogue's server, and the mail server
	cache   *testbed.Redis
	redis   *redis.Client // for the checks' own commands
	nodes   []*node       // the servers of user data, by number
	// Stage fifthServer. A check adds it to nodes by useFifth.
	fifth *node
	// Stage links: the mover's ways to shard 1 and to the map. Nil without the stage.
	moverLink, mapLink *testbed.SlowLink
	// Stage replicas. They know four shards at first, and after replaceReplicas all five. The
	// second replica reaches shard 1 by replicaLink.
	replicas    []*testbed.Service
	replicaLink *testbed.SlowLink
	knowFifth   bool
	doors       *doors
	// Stage subscribers: people write all the time during a move, extras when a check asks.
	people []*person
	extras []*person
	// Stage labBefore.
	without *testbed.Service
	mixed   load.Population // subscribers who write in what is counted and timed

	ledger   *ledger
	phase    atomic.Int64    // of a move, as last seen
	moverLog strings.Builder // the logs of all movers
}

func newTrial(subject Subject, scale scale) *trial {
	return &trial{
		subject: subject, scale: scale, ledger: newLedger(),
		http: &http.Client{Timeout: answerTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: idleConnections}},
	}
}

// node is a server of user data.
type node struct {
	number shard.Server
	server *testbed.Postgres
	pool   *sql.DB
}

// close closes the pool of a node, which may be nil.
func (n *node) close() error {
	if n == nil {
		return nil
	}
	return n.pool.Close()
}

// startServers starts all servers side by side, and builds the programs meanwhile.
func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.nodes = make([]*node, 1+shards)
	options := rig.ServersOptions{
		Database: catalogueType().FullSpeed(), Dataset: l.scale.size, MailDelay: mailDelay,
		Packages: []string{l.subject.Package},
		Beside:   []func(context.Context, *testbed.Bed) error{l.startCache},
	}
	if run.Selection.All() { // the gains need it later
		options.Packages = append(options.Packages, solutions)
	}
	for number := range l.nodes {
		options.Beside = append(options.Beside, func(ctx context.Context, bed *testbed.Bed) (err error) {
			l.nodes[number], err = l.startNode(ctx, bed, shard.Server(number))
			return err
		})
	}
	var closeServers func() error
	l.servers, closeServers, err = rig.Open(ctx, run, options)
	run.Evidence(evidenceFolder)
	return func() error { return errors.Join(l.close(), closeServers()) }, rig.LearnersFault(err, lookOpen())
}

// close closes the connections that the checks have opened.
func (l *trial) close() error {
	l.http.CloseIdleConnections()
	var failures []error
	if l.redis != nil {
		failures = append(failures, l.redis.Close())
	}
	for _, n := range l.nodes {
		failures = append(failures, n.close())
	}
	return errors.Join(failures...)
}

func (l *trial) startCache(ctx context.Context, bed *testbed.Bed) (err error) {
	if l.cache, err = bed.Redis(ctx, testbed.RedisOptions{Type: cacheType().FullSpeed()}); err != nil {
		return err
	}
	l.redis = redis.NewClient(&redis.Options{Addr: l.cache.Address()})
	return nil
}

// startNode starts a server of user data. The old server has all subscribers, a shard is empty.
func (l *trial) startNode(ctx context.Context, bed *testbed.Bed, number shard.Server) (*node, error) {
	options := testbed.PostgresOptions{Name: fmt.Sprintf("shard-%d", number), Type: l.scale.machine.FullSpeed()}
	if number == shard.Old {
		options.Name, options.Dataset = "old", &l.scale.size
	}
	server, err := bed.Postgres(ctx, options)
	if err != nil {
		return nil, err
	}
	pool, err := postgres.Open(ctx, server.URL()+"&application_name=check", postgres.PoolConfig{MaxOpen: checkConnections, MaxIdle: checkConnections})
	if err != nil {
		return nil, err
	}
	return &node{number: number, server: server, pool: pool}, nil
}

// startFifth starts a fifth shard, which no replica knows yet.
func (l *trial) startFifth(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	l.fifth, err = l.startNode(ctx, l.servers.Bed, shards+1)
	return nil, err
}

// useFifth adds the fifth shard to the servers of user data. It does so once.
func (l *trial) useFifth() {
	if len(l.nodes) == 1+shards {
		l.nodes = append(l.nodes, l.fifth)
	}
}

// restart starts a server that was killed. It closes the pool's idle connections, because they
// are broken and the next caller would get an error from them.
func (n *node) restart(ctx context.Context) error {
	if err := n.server.Start(ctx); err != nil {
		return err
	}
	n.pool.SetMaxIdleConns(0)
	n.pool.SetMaxIdleConns(checkConnections)
	return nil
}

// startLinks starts the mover's links.
func (l *trial) startLinks(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	return nil, testbed.SideBySide(ctx,
		l.link(&l.moverLink, "mover-to-shard-1", l.nodes[1].server),
		l.link(&l.mapLink, "mover-to-map", l.servers.DB))
}

// link returns a function that starts a link to a PostgreSQL server.
func (l *trial) link(link **testbed.SlowLink, name string, to *testbed.Postgres) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		*link, err = l.servers.Bed.SlowLink(ctx, testbed.SlowLinkOptions{Name: name, To: to.Server, Port: testbed.PostgresPort})
		return err
	}
}

// service returns the options of a process of the subject's program. It knows all servers of
// user data, and reaches shard 1 by a link unless that is nil.
func (l *trial) service(toShard1 *testbed.SlowLink) testbed.ServiceOptions {
	o := testbed.ServiceOptions{
		Package: l.subject.Package, Args: l.subject.Args, Type: serviceType(),
		Postgres: l.servers.DB, UserData: l.nodes[shard.Old].server, MailSink: l.servers.Mail, Redis: l.cache,
	}
	for _, n := range l.nodes[1:] {
		url := n.server.InternalURL()
		if n.number == 1 && toShard1 != nil {
			url = n.server.URLVia(toShard1)
		}
		o.ShardURLs = append(o.ShardURLs, url)
	}
	return o
}

// startReplicas starts two replicas. The second reaches shard 1 by a link.
func (l *trial) startReplicas(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	one, two := l.service(nil), testbed.ServiceOptions{}
	l.replicas = make([]*testbed.Service, 2)
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			one.Name = "one"
			l.replicas[0], err = l.startReplica(ctx, one)
			return err
		},
		func(ctx context.Context) (err error) {
			if err := l.link(&l.replicaLink, "two-to-shard-1", l.nodes[1].server)(ctx); err != nil {
				return err
			}
			two = l.service(l.replicaLink)
			two.Name = "two"
			l.replicas[1], err = l.startReplica(ctx, two)
			return err
		})
	l.doors = newDoors(l.replicas)
	return nil, rig.LearnersFault(err, lookOpen())
}

func (l *trial) startReplica(ctx context.Context, options testbed.ServiceOptions) (*testbed.Service, error) {
	replica, err := l.servers.Bed.Service(ctx, options)
	if err != nil {
		return nil, err
	}
	return replica, replica.Resize(ctx, serviceType().FullSpeed())
}

// bucket returns the bucket of a subscriber. An impossible bucket is replaced by a possible one:
// the check buckets rejects it, and this function must not panic.
func (l *trial) bucket(user bytebites.UserID) shard.Bucket {
	b := shard.Bucket(0)
	_ = guarded(lab.Look{File: "router.go", Func: "router.Bucket"}, func() error { b = l.subject.Router.Bucket(user); return nil })
	return (b%shard.Buckets + shard.Buckets) % shard.Buckets
}

// home returns the home of a subscriber, by a map.
func (l *trial) home(m shard.Map, p *person) *node {
	return l.nodes[m.Source[l.bucket(p.user)]]
}

// flush empties Redis.
func (l *trial) flush(ctx context.Context) error {
	if err := l.redis.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("flush redis: %w", err)
	}
	return nil
}

// lookOpen says where a service that does not start is mended.
func lookOpen() lab.Look {
	return lab.Look{File: "stores.go", Func: "stores.Read", Hint: "read the log above; the service is that of lab 03 with your stores of user data"}
}
