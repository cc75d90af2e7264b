package spec

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// The instance types of all servers where something is timed. Together they use at most
// three quarters of a core. Counts are taken at full speed.
func serviceType() instance.Type { return instance.Micro() }
func database() instance.Type    { return instance.Micro() }
func cacheType() instance.Type   { return instance.Micro() }

const (
	// solutions is the program with the solutions of all labs. With before it is the service
	// that the lab starts from.
	solutions = "./solutions/service"
	before    = "02"
	// mailDelay is how long the mail server takes to accept a message. Few orders are placed
	// in this lab.
	mailDelay = 20 * time.Millisecond
	// people is how many subscribers are signed in with a service for the load.
	people = 12
	// answerTimeout bounds the wait of a check for one answer.
	answerTimeout = 10 * time.Second
)

// The names of the stages.
const (
	stageNetwork     = "network"
	stageRedis       = "redis"
	stageDatabase    = "database"
	stageBuild       = "build"
	stageBuildBefore = "build before"
	stageReplicas    = "replicas"
	stagePeople      = "people"
	stageBefore      = "service before"
)

// trial is one run: the servers, and what the checks measured on them.
type trial struct {
	subject Subject

	bed     *testbed.Bed
	server  *testbed.Redis
	redis   *redis.Client // for the checks' own commands
	servers *rig.Servers
	// Two replicas of the subject's service share all servers. The load goes to the first. The
	// second reaches the database over a link that can be made slow.
	replicas [2]*testbed.Service
	link     *testbed.SlowLink
	client   *contract.Client // of the first replica
	http     *http.Client

	one     *rig.Variant // the first replica, with people signed in
	without *rig.Variant // the service of the labs before, without a cache

	queries queriesSeen
	crowds  []crowdSeen
	outage  outageSeen
}

// stages returns what the checks need. The memory check needs Redis only. The service of the
// labs before, and the people, are needed only where browsing is counted or timed.
func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: stageNetwork, Starts: "a private network for the servers", Start: l.startNetwork},
		{Name: stageRedis, Needs: []string{stageNetwork}, Starts: "Redis with your redis.conf", Start: l.startRedis},
		{Name: stageDatabase, Needs: []string{stageNetwork}, Starts: "PostgreSQL with ByteBites's data, and a mail server", Start: l.startDatabase},
		{Name: stageBuild, Needs: []string{stageNetwork}, Starts: "the build of your service", Start: l.build},
		{Name: stageBuildBefore, Needs: []string{stageNetwork}, Starts: "the build of the service without a cache", Start: l.buildBefore},
		{Name: stageReplicas, Needs: []string{stageRedis, stageDatabase, stageBuild}, Starts: "two replicas of your service", Start: l.startReplicas},
		{Name: stagePeople, Needs: []string{stageReplicas}, Starts: "the sessions of subscribers who browse", Start: l.signIn},
		{Name: stageBefore, Needs: []string{stageDatabase, stageBuildBefore}, Starts: "a replica of the service without a cache", Start: l.startBefore},
	}
}

func (l *trial) startNetwork(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.bed, end, err = rig.Bed(ctx, run, testbed.Options{})
	return end, err
}

func (l *trial) startRedis(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	l.server, err = l.bed.Redis(ctx, testbed.RedisOptions{Type: cacheType(), Conf: l.subject.RedisConf})
	if err != nil {
		return nil, redisFault(err)
	}
	l.redis = redis.NewClient(&redis.Options{Addr: l.server.Address()})
	// On its quota, Redis would use up its share of the processor and make a crowd wait. The
	// crowd is to wait for the database.
	return l.redis.Close, l.server.Resize(ctx, cacheType().FullSpeed())
}

// redisFault turns the error of a Redis that refuses its configuration into a failure.
func redisFault(err error) error {
	var start *testbed.StartError
	if errors.As(err, &start) && start.Kind == "redis" {
		return &lab.Failure{
			Expected: "a Redis that starts", Seen: start.Error(), Waited: lab.Late(start),
			Look: lab.Look{File: "redis.conf", Hint: "the log of Redis above names the line"},
		}
	}
	return err
}

func (l *trial) startDatabase(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.servers, end, err = rig.OnBed(ctx, run, l.bed, rig.ServersOptions{Database: database().FullSpeed(), MailDelay: mailDelay})
	return end, err
}

func (l *trial) build(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	_, err = l.bed.Binary(ctx, l.subject.Package)
	return nil, rig.LearnersFault(err, look())
}

func (l *trial) buildBefore(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	_, err = l.bed.Binary(ctx, solutions)
	return nil, err
}

// startReplicas starts both replicas side by side.
func (l *trial) startReplicas(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	l.http = &http.Client{Timeout: hostspeed.Wait(answerTimeout), Transport: &http.Transport{MaxIdleConnsPerHost: crowd}}
	end = func() error {
		l.http.CloseIdleConnections()
		return nil
	}
	if err := testbed.SideBySide(ctx, l.startOne, l.startTwo); err != nil {
		return end, rig.LearnersFault(err, look())
	}
	l.warmUp(ctx)
	l.client, err = l.servers.Client(l.replicas[0])
	return end, err
}

func (l *trial) startOne(ctx context.Context) error {
	return l.startReplica(ctx, 0, testbed.ServiceOptions{Name: "one"})
}

func (l *trial) startTwo(ctx context.Context) (err error) {
	l.link, err = l.bed.SlowLink(ctx, testbed.SlowLinkOptions{To: l.servers.DB.Server, Port: testbed.PostgresPort})
	if err != nil {
		return err
	}
	return l.startReplica(ctx, 1, testbed.ServiceOptions{
		Name: "two", Env: map[string]string{"BYTEBITES_CATALOGUE_DB": l.servers.DB.URLVia(l.link)},
	})
}

func (l *trial) startReplica(ctx context.Context, i int, o testbed.ServiceOptions) (err error) {
	o.Package, o.Args, o.Type = l.subject.Package, l.subject.Args, serviceType()
	o.Postgres, o.MailSink, o.Redis = l.servers.DB, l.servers.Mail, l.server
	if l.replicas[i], err = l.bed.Service(ctx, o); err != nil {
		return err
	}
	return l.replicas[i].Resize(ctx, serviceType().FullSpeed())
}

// warmUp has both replicas open their connections to the database and to Redis. It ignores
// the answers, because the checks judge them.
func (l *trial) warmUp(ctx context.Context) {
	var reading sync.WaitGroup
	for _, replica := range l.replicas {
		for _, place := range shownAt() {
			reading.Go(func() { _, _ = l.get(ctx, replica, place, "") })
		}
	}
	reading.Wait()
}

// signIn signs people in with the first replica, which stays at full speed. One visitor comes
// first: if signing in fails, the failure names sessions.go and does not blame the machine.
func (l *trial) signIn(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	if _, err := l.signInVisitors(ctx, 1); err != nil {
		return nil, err
	}
	l.one, err = rig.Attach(ctx, l.replicas[0], rig.Options{Dataset: l.servers.Dataset, People: people})
	return nil, rig.LearnersFault(err, lookPage("do two pages share a key?"))
}

// startBefore starts the service of the labs before, and signs the same people in with it.
func (l *trial) startBefore(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	l.without, err = rig.Start(ctx, l.bed, rig.Options{
		Service: testbed.ServiceOptions{
			Name: "without", Package: solutions, Args: []string{"--through", before}, Type: serviceType(),
			Postgres: l.servers.DB, MailSink: l.servers.Mail,
		},
		Dataset: l.servers.Dataset, People: people,
	})
	if err != nil {
		return nil, err
	}
	return nil, l.without.Service.Resize(ctx, serviceType().FullSpeed())
}

// browsing returns a generator of people who read and do not order.
func browsing(v *rig.Variant, seed uint64) load.Generator {
	g := v.Generator
	g.Mix, g.Seed = load.Browse(), seed
	return g
}

// look is the place to mend a service that does not start.
func look() lab.Look {
	return lab.Look{
		File: "redis.go", Func: "Open",
		Hint: "see the log above: the service is that of lab 02 with your cache before its stores",
	}
}
