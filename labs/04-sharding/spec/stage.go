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

// What everything runs on where something is timed: before and after differ by the servers
// of user data alone. Counts are taken at full speed.
func serviceType() instance.Type   { return instance.Small() }
func userDataType() instance.Type  { return instance.Nano() }
func catalogueType() instance.Type { return instance.Small() }
func cacheType() instance.Type     { return instance.Micro() }

const (
	// solutions is the program with every lab's solution in it, and before the last of
	// those that the lab starts from.
	solutions = "./solutions/service"
	before    = "03"
	// mailDelay is how long the mail server takes to accept a message; few order here.
	mailDelay = 5 * time.Millisecond
	// askPatience is how long a check waits for an answer: longer than any request lives, so
	// that whatever has not been answered by then will not happen any more.
	askPatience = 15 * time.Second
	// idle is how many connections to each replica are kept: enough for everybody.
	idle = 200
	// checkConnections is how many connections a check uses to each server.
	checkConnections = 4
)

// trial is one run: the servers, and what was seen on them.
type trial struct {
	subject Subject
	scale   scale

	servers *rig.Servers // the catalogue's, and the mail server
	cache   *testbed.Redis
	redis   *redis.Client // for the checks' own questions
	nodes   []*node       // the servers of user data, by number
	// What the mover is to find slow or cut: its way to shard 1 and to the map. And the way
	// of the second replica to shard 1.
	moverLink, mapLink, replicaLink *testbed.SlowLink
	// Replicas of the subject's service, which share all servers: of four shards first, and then of
	// a fifth too.
	replicas  []*testbed.Service
	knowFifth bool
	doors     *doors
	http      *http.Client

	people []*person // who write all the time
	extras []*person // who write when a check has them
	ledger *ledger

	phase    atomic.Int64    // of a move, as it was seen last
	moverLog strings.Builder // what all movers wrote
	moved    error           // why nobody lives on a shard; nil when everybody does

	without *testbed.Service // the service of the labs before
	mixed   load.Population  // who write in what is counted and timed
}

// node is a server of user data.
type node struct {
	number shard.Server
	server *testbed.Postgres
	pool   *sql.DB
}

// prepare starts the servers and two replicas of the subject's service, and signs people in.
func (l *trial) prepare(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.moved = errors.New("nobody has been moved to a shard yet")
	l.nodes = make([]*node, 1+shards)
	options := rig.ServersOptions{
		Database: catalogueType().FullSpeed(), Dataset: l.scale.size, MailDelay: mailDelay,
		Packages: []string{l.subject.Package, solutions},
		Beside:   []func(context.Context, *testbed.Bed) error{l.startCache},
	}
	for number := range l.nodes {
		options.Beside = append(options.Beside, func(ctx context.Context, bed *testbed.Bed) error {
			return l.startNode(ctx, bed, shard.Server(number))
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
	run.Progress("starting two replicas of your service, and signing people in")
	if err := testbed.SideBySide(ctx, l.startLinks()...); err != nil {
		return end, err
	}
	l.replicas = make([]*testbed.Service, 2)
	if err := testbed.SideBySide(ctx, l.startReplicas()...); err != nil {
		return end, rig.LearnersFault(err, look())
	}
	l.doors = newDoors(l.replicas)
	l.ledger = newLedger()
	return end, l.signIn(ctx)
}

// close closes what the checks have opened.
func (l *trial) close() error {
	l.http.CloseIdleConnections()
	var failures []error
	if l.redis != nil {
		failures = append(failures, l.redis.Close())
	}
	for _, n := range l.nodes {
		if n != nil && n.pool != nil {
			failures = append(failures, n.pool.Close())
		}
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

// startNode starts a server of user data: the old one with everybody's, a shard with nothing.
func (l *trial) startNode(ctx context.Context, bed *testbed.Bed, number shard.Server) (err error) {
	options := testbed.PostgresOptions{Name: fmt.Sprintf("shard-%d", number), Type: l.scale.machine.FullSpeed()}
	if number == shard.Old {
		options.Name, options.Dataset = "old", &l.scale.size
	}
	n := &node{number: number}
	if n.server, err = bed.Postgres(ctx, options); err != nil {
		return err
	}
	n.pool, err = postgres.Open(ctx, n.server.URL()+"&application_name=check", postgres.PoolConfig{MaxOpen: checkConnections, MaxIdle: checkConnections})
	if err == nil {
		l.nodes[number] = n
	}
	return err
}

// restart starts a server that was killed. Connections to it that nobody was using have died with
// it, and whoever takes one for a session of their own would be the first to see.
func (n *node) restart(ctx context.Context) error {
	if err := n.server.Start(ctx); err != nil {
		return err
	}
	n.pool.SetMaxIdleConns(0)
	n.pool.SetMaxIdleConns(checkConnections)
	return nil
}

// startLinks returns what starts the links.
func (l *trial) startLinks() []func(context.Context) error {
	start := func(link **testbed.SlowLink, name string, to *testbed.Postgres) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			*link, err = l.servers.Bed.SlowLink(ctx, testbed.SlowLinkOptions{Name: name, To: to.Server, Port: testbed.PostgresPort})
			return err
		}
	}
	return []func(context.Context) error{
		start(&l.moverLink, "mover-to-shard-1", l.nodes[1].server),
		start(&l.mapLink, "mover-to-map", l.servers.DB),
		start(&l.replicaLink, "two-to-shard-1", l.nodes[1].server),
	}
}

// service says what a process of the subject's program is given: all servers of user data
// there are, shard 1 by a link unless that is nil.
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

// startReplicas returns what starts the replicas. The second reaches shard 1 by a link.
func (l *trial) startReplicas() []func(context.Context) error {
	var starts []func(context.Context) error
	one, two := l.service(nil), l.service(l.replicaLink)
	one.Name, two.Name = "one", "two"
	for i, options := range []testbed.ServiceOptions{one, two} {
		starts = append(starts, func(ctx context.Context) (err error) {
			l.replicas[i], err = l.startReplica(ctx, options)
			return err
		})
	}
	return starts
}

func (l *trial) startReplica(ctx context.Context, options testbed.ServiceOptions) (*testbed.Service, error) {
	replica, err := l.servers.Bed.Service(ctx, options)
	if err != nil {
		return nil, err
	}
	return replica, replica.Resize(ctx, serviceType().FullSpeed())
}

// bucket is a subscriber's. One that there is not, for which there is a check, is taken for
// another, so that the other checks can go on.
func (l *trial) bucket(user bytebites.UserID) shard.Bucket {
	b := shard.Bucket(0)
	_ = guarded("router.go", func() error { b = l.subject.Router.Bucket(user); return nil })
	return (b%shard.Buckets + shard.Buckets) % shard.Buckets
}

// home is the server of a subscriber, by a map.
func (l *trial) home(m shard.Map, p *person) *node {
	return l.nodes[m.Home[l.bucket(p.user)]]
}

// flush empties Redis.
func (l *trial) flush(ctx context.Context) error {
	if err := l.redis.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("flush redis: %w", err)
	}
	return nil
}

// needsMigration is the failure of a check of what is on the shards when nobody is.
func (l *trial) needsMigration() error {
	if l.moved == nil {
		return nil
	}
	return &lab.Failure{Expected: "everybody on a shard", Seen: "needs the migration: " + l.moved.Error(), Look: lab.Look{Hint: "the check migration"}}
}

// look is where a service that does not start is mended.
func look() lab.Look {
	return lab.Look{File: "stores.go", Hint: "the log above: the service is lab 03's with your stores of user data"}
}
