package spec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// What everything runs on where something is timed: together at most three quarters of a
// core. Counts are taken at full speed.
func serviceType() instance.Type { return instance.Micro() }
func database() instance.Type    { return instance.Micro() }
func cacheType() instance.Type   { return instance.Micro() }

const (
	// solutions is the program with every lab's solution in it, and before the last of
	// those that the lab starts from.
	solutions = "./solutions/service"
	before    = "02"
	// mailDelay is how long the mail server takes to accept a message; few order here.
	mailDelay = 20 * time.Millisecond
	// people are signed in with a service for the load.
	people = 12
	// askPatience is how long a check waits for an answer.
	askPatience = 10 * time.Second
)

// trial is one run: the servers, and what was seen on them.
type trial struct {
	subject Subject

	servers *rig.Servers
	server  *testbed.Redis
	redis   *redis.Client // for the checks' own questions
	// Two replicas of the subject's service share all servers. The first is asked by the
	// load; the second reaches the database by a link that can be made slow.
	replicas [2]*testbed.Service
	one      *rig.Variant // the first
	link     *testbed.SlowLink
	client   *contract.Client // of the first
	http     *http.Client

	// without is the service of the labs before.
	without *rig.Variant

	queries queriesSeen
	crowd   crowdSeen
	outage  outageSeen
}

// prepare starts the servers, two replicas of the subject's service, and one of the labs
// before.
func (l *trial) prepare(ctx context.Context, run *lab.Run) (end func() error, err error) {
	var closeServers func() error
	l.servers, closeServers, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: database().FullSpeed(), MailDelay: mailDelay, Packages: []string{l.subject.Package, solutions},
	})
	l.http = &http.Client{Timeout: askPatience, Transport: &http.Transport{MaxIdleConnsPerHost: crowd}}
	end = func() error {
		l.http.CloseIdleConnections()
		var err error
		if l.redis != nil {
			err = l.redis.Close()
		}
		return errors.Join(err, closeServers())
	}
	if err != nil {
		return end, rig.LearnersFault(err, look())
	}
	run.Progress("starting Redis, two replicas of your service, and one as it was before")
	if err := testbed.SideBySide(ctx, l.startRedis, l.startLink); err != nil {
		return end, redisFault(err)
	}
	if err := testbed.SideBySide(ctx, l.learners(l.startOne), l.learners(l.startTwo), l.startWithout); err != nil {
		return end, err
	}
	l.client, err = l.servers.Client(l.replicas[0])
	return end, err
}

func (l *trial) startRedis(ctx context.Context) (err error) {
	l.server, err = l.servers.Bed.Redis(ctx, testbed.RedisOptions{Type: cacheType(), Conf: l.subject.RedisConf})
	if err != nil {
		return err
	}
	l.redis = redis.NewClient(&redis.Options{Addr: l.server.Address()})
	// A crowd would use its share of the processor up and then wait for Redis, not for the
	// database.
	return l.server.Resize(ctx, cacheType().FullSpeed())
}

// redisFault turns a Redis that does not take its configuration into the learner's failure.
func redisFault(err error) error {
	var start *testbed.StartError
	if errors.As(err, &start) && start.Kind == "redis" {
		return &lab.Failure{Expected: "a Redis that starts", Seen: start.Error(), Look: lab.Look{Hint: "redis.conf: its own words are above"}}
	}
	return err
}

func (l *trial) startLink(ctx context.Context) (err error) {
	l.link, err = l.servers.Bed.SlowLink(ctx, testbed.SlowLinkOptions{To: l.servers.DB.Server, Port: testbed.PostgresPort})
	return err
}

func (l *trial) replica(name string) testbed.ServiceOptions {
	return testbed.ServiceOptions{
		Name: name, Package: l.subject.Package, Args: l.subject.Args, Type: serviceType(),
		Postgres: l.servers.DB, MailSink: l.servers.Mail, Redis: l.server,
	}
}

// learners has what fails in a start blamed on the learner's code, where it may be.
func (l *trial) learners(start func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := start(ctx); err != nil {
			return rig.LearnersFault(err, look())
		}
		return nil
	}
}

func (l *trial) startOne(ctx context.Context) (err error) {
	l.one, err = rig.Start(ctx, l.servers.Bed, rig.Options{Service: l.replica("one"), Dataset: l.servers.Dataset, People: people})
	if err != nil {
		return err
	}
	l.replicas[0] = l.one.Service
	return l.one.Service.Resize(ctx, serviceType().FullSpeed())
}

func (l *trial) startTwo(ctx context.Context) (err error) {
	options := l.replica("two")
	options.Env = map[string]string{"BYTEBITES_CATALOGUE_DB": l.servers.DB.URLVia(l.link)}
	if l.replicas[1], err = l.servers.Bed.Service(ctx, options); err != nil {
		return err
	}
	return l.replicas[1].Resize(ctx, serviceType().FullSpeed())
}

// startWithout starts the service of the labs before.
func (l *trial) startWithout(ctx context.Context) (err error) {
	l.without, err = rig.Start(ctx, l.servers.Bed, rig.Options{
		Service: testbed.ServiceOptions{
			Name: "without", Package: solutions, Args: []string{"--through", before}, Type: serviceType(),
			Postgres: l.servers.DB, MailSink: l.servers.Mail,
		},
		Dataset: l.servers.Dataset, People: people,
	})
	if err != nil {
		return err
	}
	return l.without.Service.Resize(ctx, serviceType().FullSpeed())
}

// browsing returns a generator of people who look and do not order.
func browsing(v *rig.Variant, seed uint64) load.Generator {
	g := v.Generator
	g.Mix, g.Seed = load.Browse(), seed
	return g
}

// flush empties Redis.
func (l *trial) flush(ctx context.Context) error {
	if err := l.redis.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("flush redis: %w", err)
	}
	return nil
}

// calls returns how often the database was asked since pgstat.Reset, by the table that
// the statement names first.
func (l *trial) calls(ctx context.Context) (map[string]int64, error) {
	statements, err := pgstat.Read(ctx, l.servers.Pool)
	if err != nil {
		return nil, err
	}
	calls := make(map[string]int64)
	for _, s := range statements {
		calls[s.Table()] += s.Calls
	}
	return calls, nil
}

// answer is what a service answered.
type answer struct {
	status int
	body   []byte
}

// get asks a replica for a path, in somebody's name unless the cookie is empty.
func (l *trial) get(ctx context.Context, replica *testbed.Service, path, cookie string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, replica.URL()+path, nil)
	if err != nil {
		return answer{}, err
	}
	if cookie != "" {
		request.Header.Set("Cookie", cookie)
	}
	response, err := l.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, body}, err
}

// into decodes a body that the contract check has found to be right.
func (a answer) into(dst any) error {
	if err := json.Unmarshal(a.body, dst); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// contract holds the service against its contract.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	if err := contract.Run(ctx, l.client.Target); err != nil {
		return &lab.Failure{
			Expected: "every promise of the API to be kept", Seen: err.Error(),
			Look: lab.Look{Hint: "through.go and catalogue.go: what is kept under which name, and is it still so?"},
		}
	}
	return nil
}

// look is where a service that does not start is mended.
func look() lab.Look {
	return lab.Look{File: "catalogue.go", Hint: "the log above: the service is lab 02's with your cache in front of its stores"}
}
