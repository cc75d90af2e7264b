package spec

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// mixPeople is how many subscribers of each of the four shards write in the counted and the
	// timed load. They stand for thousands of subscribers, a quarter on each shard. If so few were
	// chosen by chance, one shard could have twice as many as another.
	mixPeople = 6
	// mixRequests is how many requests are counted, mixAtOnce how many are under way at a time.
	mixRequests = 600
	mixAtOnce   = 4
	// firstOfMix is the number of the first subscriber who may be one of them.
	firstOfMix = 3001
)

// writes matches statements that write.
var writes = regexp.MustCompile(`(?i)\b(INSERT INTO|UPDATE|DELETE FROM)\b`)

// mix returns subscribers who write, equally many of each of the four shards, and the meals they
// choose from. Both services accept their sessions, because they share the session store.
func (l *trial) mix(ctx context.Context) (load.Population, error) {
	if len(l.mixed.Sessions) > 0 {
		return l.mixed, nil
	}
	emails, err := l.mixEmails(ctx)
	if err != nil {
		return load.Population{}, err
	}
	population, err := load.Discover(ctx, l.without.URL())
	if err != nil {
		return load.Population{}, err
	}
	population.Meals = slices.DeleteFunc(population.Meals, func(meal bytebites.MealID) bool { return meal >= l.scale.size.ScarceMeal(1) })
	population.Sessions, err = load.Login(ctx, l.without.URL(), seed.Password, emails)
	l.mixed = population
	return population, err
}

// mixEmails returns the addresses of equally many subscribers of each of the four shards, ordered
// by shard.
func (l *trial) mixEmails(ctx context.Context) ([]string, error) {
	m, err := l.readMap(ctx)
	if err != nil {
		return nil, err
	}
	var of [1 + shards][]string
	for n, missing := firstOfMix, shards*mixPeople; n <= l.scale.size.Users && missing > 0; n++ {
		home := m.Source[l.bucket(seed.User(n))]
		if home >= 1 && home <= shards && len(of[home]) < mixPeople {
			of[home] = append(of[home], seed.Email(n))
			missing--
		}
	}
	return slices.Concat(of[:]...), nil
}

// startWithout starts the service of the labs before. All its user data is on the old server.
func (l *trial) startWithout(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	l.without, err = l.servers.Bed.Service(ctx, testbed.ServiceOptions{
		Name: "without", Package: solutions, Args: []string{"--through", before}, Type: serviceType(),
		Postgres: l.servers.DB, UserData: l.nodes[shard.Old].server, MailSink: l.servers.Mail, Redis: l.cache,
	})
	if err != nil {
		return nil, err
	}
	return nil, l.without.Resize(ctx, serviceType().FullSpeed())
}

// busiest counts the statements that write for the same requests, on one server and on four.
func (l *trial) busiest(ctx context.Context, run *lab.Run) (lab.Measured, error) {
	one, err := l.writesOf(ctx, l.without)
	if err != nil {
		return lab.Measured{}, err
	}
	four, err := l.writesOf(ctx, l.replicas[0])
	if err != nil {
		return lab.Measured{}, err
	}
	all := 0.0
	for _, n := range four {
		all += float64(n)
	}
	onOne, onBusiest := float64(one[shard.Old])/mixRequests, float64(slices.Max(four[1:]))/mixRequests
	run.Report("statements that write, on all shards together", all/mixRequests, "statements/request")
	text := evidence.Table(fmt.Sprintf("Statements that write on each server of user data, for %d requests that write user data.\n"+
		"From pg_stat_statements.\n\n", mixRequests), func(w io.Writer) {
		fmt.Fprintln(w, "server\tone server\tshards\t")
		for _, n := range l.nodes {
			fmt.Fprintf(w, "%d\t%d\t%d\t\n", n.number, one[n.number], four[n.number])
		}
	})
	if err := evidence.Keep(Name, "writes.txt", text); err != nil {
		return lab.Measured{}, err
	}
	if one[shard.Old] == 0 || onBusiest == 0 || four[shard.Old] > 0 {
		return lab.Measured{}, &lab.Failure{
			Expected: "writes on the shards and none on the old server", Seen: fmt.Sprintf("%v, by server", four),
			Look: lab.Look{File: "stores.go", Func: "stores.Write", Hint: "see writes.txt in .workshop/04-sharding"},
		}
	}
	return lab.Measured{Before: onOne, After: onBusiest, Ratio: onOne / onBusiest}, nil
}

// userWrites returns a generator of requests that write user data.
func (l *trial) userWrites(ctx context.Context, service *testbed.Service) (load.Generator, error) {
	population, err := l.mix(ctx)
	return load.Generator{Target: service.URL(), Mix: load.UserWrites(), Population: population, Seed: 1}, err
}

// ofShard1 returns the load with only the subscribers of shard 1.
func ofShard1(g load.Generator) load.Generator {
	g.Population.Sessions = g.Population.Sessions[:len(g.Population.Sessions)/shards]
	return g
}

// writesOf sends the mix to a service, and returns the number of statements that wrote, by server.
func (l *trial) writesOf(ctx context.Context, service *testbed.Service) ([]int64, error) {
	g, err := l.userWrites(ctx, service)
	if err != nil {
		return nil, err
	}
	stream, err := load.NewStream(g.Mix, g.Population, g.Seed, service.Name())
	if err != nil {
		return nil, err
	}
	for _, n := range l.nodes {
		if err := pgstat.Reset(ctx, n.pool); err != nil {
			return nil, err
		}
	}
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(mixAtOnce)
	for i := range uint64(mixRequests) {
		group.Go(func() error { return l.send(sending, service, g.Population, stream.Request(i)) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	counts := make([]int64, len(l.nodes))
	for i, n := range l.nodes {
		statements, err := pgstat.Read(ctx, n.pool)
		if err != nil {
			return nil, err
		}
		for _, s := range statements {
			if writes.MatchString(s.Query) && namesTable.MatchString(s.Query) {
				counts[i] += s.Calls
			}
		}
	}
	return counts, nil
}

// send sends one request of a mix, and demands an answer without an error.
func (l *trial) send(ctx context.Context, service *testbed.Service, people load.Population, q load.Request) error {
	r := request{method: q.Method, path: q.Path, key: q.Key}
	if q.User >= 0 {
		r.cookie = people.Sessions[q.User].Cookie
	}
	if q.Body != nil {
		r.body = raw(q.Body)
	}
	a, err := l.ask(ctx, service, r)
	if err != nil {
		return err
	}
	if a.Status >= 400 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s %s to be answered", q.Method, strings.SplitN(q.Path, "?", 2)[0]),
			Seen:     a.String(), Waited: a.Waited(), Look: lab.Look{File: "stores.go", Func: "stores.Write"},
		}
	}
	return nil
}

// raw is a body in JSON.
type raw []byte

func (r raw) MarshalJSON() ([]byte, error) { return r, nil }
