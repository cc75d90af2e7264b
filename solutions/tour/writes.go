package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/03-cache"
)

// What people write of themselves, with user data on one small server and then on four. The
// dinner of the other steps has few writes: it does not see this.
const (
	shardingTitle = "Lab 04, sharding"
	shardingFix   = "what people write of themselves is on four small servers, and was on one"
	shardDies     = "one shard of four"
	shards        = 4
	// writesReplicas leave the generator what it needs, beside so many databases.
	writesReplicas = 2
	// writesStart is some of what one of those servers takes, in requests a second, on a slow
	// machine too.
	writesStart  = 40
	writesWarmUp = 80 // requests a second, at full speed
	writesFactor = 1.7
	writesBurst  = time.Second
	// writesAgain may raise what those bursts found: a statement that was held up ends a burst
	// late, and a rush at 1.5 times too low a limit is none.
	writesAgain  = 2
	writesLength = 3 * time.Second // of each rush
	// movingRate is what comes in while everybody is moved, in requests a second, in parts of
	// movingPart: nobody knows beforehand how long it takes.
	movingRate = 80
	movingPart = time.Second
	// lastWords is how much of what a mover said is shown when it failed, in bytes.
	lastWords = 500
)

// userDataType is that of each server of user data, but while everybody is moved: then none
// has a quota, and neither has the mover.
func userDataType() instance.Type { return instance.Nano() }

// moved is who is moved: few of those in the catalogue's directory, for there is not the time
// for all. Those who are signed in are among them.
func moved() seed.Size { return seed.Small() }

// moving is half reads, which a mover compares on both servers before it goes on, and half
// writes, which are what makes a move difficult.
func moving() load.Mix {
	return load.Mix{Name: "moving", Skew: load.UserWrites().Skew, Shares: []load.Share{
		{Kind: load.ShowCart, Weight: 30}, {Kind: load.ShowMe, Weight: 20}, {Kind: load.SetCart, Weight: 25},
		{Kind: load.SetAddresses, Weight: 10}, {Kind: load.SetPreferences, Weight: 5}, {Kind: load.RateMeal, Weight: 10},
	}}
}

// nodes are the servers of user data: the old one, which has everybody, and the shards,
// which have nobody yet.
type nodes struct {
	old    *testbed.Postgres
	shards [shards]*testbed.Postgres
}

// starts returns what starts them, at full speed.
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

// all returns all of them.
func (n *nodes) all() []*testbed.Postgres { return append([]*testbed.Postgres{n.old}, n.shards[:]...) }

// resize gives all of them another type.
func (n *nodes) resize(ctx context.Context, t instance.Type) error {
	for _, server := range n.all() {
		if err := server.Resize(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// shard measures a rush of writes before and after everybody is moved from one server to
// four, and the move. In the end a shard dies in a dinner of that rate, in requests a second.
func (s *show) shard(ctx context.Context, dinner float64) (*sharding, error) {
	s.report.Note("")
	s.report.Note("%s (%s)", shardingTitle, shardingFix)
	warming := s.report.Step("start it, sign %d people in, warm up", people)
	var service testbed.ServiceOptions
	var fleet *rig.Fleet
	var writing load.Generator
	err := s.servers.AtFullSpeed(ctx, func() (err error) {
		if service, fleet, err = s.startSharded(ctx); err != nil {
			return err
		}
		writing = fleet.Generator
		writing.Mix = load.UserWrites()
		// Else the first bursts are spent on connections and on pages that nobody has read yet,
		// and pass for what the server takes.
		_, err = writing.Hit(ctx, writesWarmUp, writesBurst)
		return err
	})
	warming.End(err)
	if err != nil {
		return nil, err
	}
	if err := s.nodes.resize(ctx, userDataType()); err != nil {
		return nil, err
	}
	watched := append(fleet.Servers(), s.servers.DB.Server)
	for _, server := range s.nodes.all() {
		watched = append(watched, server.Server)
	}
	watch, err := rig.NewWatch(ctx, watched...)
	if err != nil {
		return nil, err
	}
	limit, err := s.limit(ctx, watch, writing)
	if err != nil {
		return nil, err
	}
	told := &sharding{Title: shardingTitle, Fix: shardingFix, Type: userDataType().Name, Servers: shards, SaturationGoodput: limit.Goodput}
	one, err := s.writeRush(ctx, "one server", limit.Goodput, watch, writing)
	if err != nil {
		return nil, err
	}
	if told.Move, err = s.move(ctx, service, fleet.Generator); err != nil {
		return nil, err
	}
	four, err := s.writeRush(ctx, "four servers", limit.Goodput, watch, writing)
	if err != nil {
		return nil, err
	}
	told.One, told.Four = newRush(one), newRush(four)
	told.Doubts = limit.Validity.And(one.Validity).And(four.Validity).Reasons
	if !limit.Saturated {
		told.Doubts = append(told.Doubts, fmt.Sprintf("one server answered all of %.0f requests/s: its limit is higher", limit.Goodput))
	}
	if told.Quotas, err = watch.Quotas(ctx); err != nil {
		return nil, err
	}
	told.Loss, err = s.lose(ctx, shardDies, scene{hit: fleet.Generator.Hit, victim: s.nodes.shards[0].Server}, dinner)
	return told, err
}

// startSharded starts replicas that know all servers of user data, with everybody on the old.
func (s *show) startSharded(ctx context.Context) (testbed.ServiceOptions, *rig.Fleet, error) {
	service := testbed.ServiceOptions{
		Name: "sharding", Package: solutions, Args: []string{"--through", "04"}, Type: instance.Micro(),
		Postgres: s.servers.DB, MailSink: s.servers.Mail, UserData: s.nodes.old, Shards: s.nodes.shards[:],
	}
	redis, err := s.servers.Bed.Redis(ctx, testbed.RedisOptions{Type: instance.Micro(), Conf: cache.RedisConf()})
	if err != nil {
		return service, nil, err
	}
	service.Redis = redis
	fleet, err := rig.StartFleet(ctx, s.servers.Bed, rig.FleetOptions{
		Service: service, Replicas: writesReplicas, Nginx: horizontal.NginxConf(), Dataset: moved(), People: people,
	})
	if err != nil {
		return service, nil, err
	}
	return service, fleet, fleet.StopAsking() // a replica in a rush answers questions late, and is none the worse for it
}

// limit finds what one server takes.
func (s *show) limit(ctx context.Context, watch *rig.Watch, writing load.Generator) (measure.BurstResult, error) {
	bursting := s.report.Step("bursts of writes, until one is too much for one server")
	limit, err := measure.Bursts(ctx, measure.BurstConfig{
		Start: writesStart, Factor: writesFactor, Length: writesBurst, Again: writesAgain, Quotas: watch.Problems,
		OnBurst: func(r load.Result) {
			bursting.Detail(fmt.Sprintf("%d requests in a second, %d answered", r.Sent, r.Completed))
		},
	}, writing.Hit)
	bursting.End(err)
	return limit, err
}

func (s *show) writeRush(ctx context.Context, on string, limit float64, watch *rig.Watch, writing load.Generator) (measure.RushResult, error) {
	rushing := s.report.Step("a rush of writes on %s: %.0f requests/s for %s", on, measure.RushFactor*limit, writesLength)
	rush, err := measure.RushFor(ctx, limit, writesLength, watch.Problems, writing.Hit)
	rushing.End(err)
	return rush, err
}

// move moves everybody to the shards, at full speed, while people go on reading and writing.
func (s *show) move(ctx context.Context, service testbed.ServiceOptions, people load.Generator) (m move, err error) {
	step := s.report.Step("move everybody to %d servers while %d requests/s come in", shards, movingRate)
	defer func() { step.End(err) }()
	if err := s.nodes.resize(ctx, userDataType().FullSpeed()); err != nil {
		return m, err
	}
	service.Type = instance.Medium().FullSpeed()
	service.Env = map[string]string{"BYTEBITES_DATABASE_TYPE": userDataType().Name, "BYTEBITES_LARGEST_TYPE": userDataType().Name}
	began := time.Now()
	mover, err := s.servers.Bed.Role(ctx, testbed.RoleOptions{Service: service, Name: "mover", Role: "migrate", Args: []string{"done"}})
	if err != nil {
		return m, err
	}
	ended := awaitMover(ctx, mover)
	people.Mix = moving()
	for done := false; !done; {
		result, err := people.Hit(ctx, movingRate, movingPart)
		if err != nil {
			return m, err
		}
		m.Sent += result.Sent
		m.Failed += result.Failed
		select {
		case end := <-ended:
			if end.err != nil {
				return m, end.err
			}
			m.Seconds = end.at.Sub(began).Seconds()
			done = true
		default:
		}
	}
	m.Rate, m.Users, m.Orders = movingRate, moved().Users, moved().Orders
	return m, s.nodes.resize(ctx, userDataType())
}

// moverEnd is when a mover ended, and why if it has not come to its goal.
type moverEnd struct {
	at  time.Time
	err error
}

// awaitMover returns what tells once of a mover's end.
func awaitMover(ctx context.Context, mover *testbed.Role) <-chan moverEnd {
	ended := make(chan moverEnd, 1)
	go func() {
		code, said, err := mover.Wait(ctx)
		at := time.Now()
		if err == nil && code != 0 {
			said = strings.TrimSpace(said)
			err = fmt.Errorf("the mover ended with exit code %d: %s", code, said[max(0, len(said)-lastWords):])
		}
		ended <- moverEnd{at, err}
	}()
	return ended
}

// newRush returns what a rush felt like.
func newRush(r measure.RushResult) writeRush {
	return writeRush{
		Rate: r.Rate, Seconds: r.Length.Seconds(), MeanMS: milliseconds(r.Mean), P99MS: milliseconds(r.P99),
		FailureShare: r.FailureShare, Goodput: r.Goodput,
	}
}
