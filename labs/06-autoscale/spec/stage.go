package spec

import (
	"context"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/02-horizontal"
)

// The instance types of the live run. Ten replicas and the database may use 1.5 cores.
func replicaSize() instance.Type { return instance.Nano() }
func database() instance.Type    { return instance.Small() }

const (
	// program is the service with the solutions of labs 00 to 02. The live run only reads meals. Lab 02
	// has what that needs: replicas behind nginx with shared sessions, and a lifecycle that drains.
	// Redis, shards and a broker would take part of two cores and change nothing that is judged.
	program     = "./solutions/service"
	lastApplied = "02"
	// people are signed in for the load.
	people = 8
	// burstStart is the rate of the first burst, in requests a second: below what one replica takes on
	// any machine. burstsAgain further bursts are at the limit, and the best of them counts.
	burstStart  = 20
	burstLength = 1500 * time.Millisecond
	burstsAgain = 2
)

// The names of the stages.
const (
	stageServers = "servers"
	stageReplica = "one replica"
)

func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: stageServers, Starts: "PostgreSQL, a mail server and nginx", Start: l.startServers},
		{Name: stageReplica, Needs: []string{stageServers}, Starts: "one replica, to measure what it takes", Start: l.measureReplica},
	}
}

// looking is the load of the live run: people look at meals, and one request in eleven plans a week. The
// plan keeps the service busy and not the database, so the utilisation of replicas follows the rate.
func looking() load.Mix {
	mix := load.Browse()
	mix.Name = "looking"
	mix.Shares = []load.Share{{Kind: load.ShowMeal, Weight: 10}, {Kind: load.Recommendations, Weight: 1}}
	return mix
}

func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: database(), Dataset: seed.Growing(), Packages: []string{program},
		Beside: []func(context.Context, *testbed.Bed) error{
			func(ctx context.Context, bed *testbed.Bed) (err error) {
				l.nginx, err = bed.Nginx(ctx, testbed.NginxOptions{
					Conf: horizontal.NginxConf(), Files: map[string][]byte{rig.UpstreamsFile: []byte("server 127.0.0.1:1 down;\n")},
				})
				return err
			},
		},
	})
	return end, err
}

// service is what every replica is.
func (l *trial) service() testbed.ServiceOptions {
	return testbed.ServiceOptions{
		Package: program, Args: []string{"--through", lastApplied}, Type: replicaSize(),
		Postgres: l.servers.DB, MailSink: l.servers.Mail,
		Env: map[string]string{"BYTEBITES_TRUSTED_PROXIES": l.servers.Bed.Subnet().String()},
	}
}

// measureReplica finds what one replica takes, and stops it. The load of the live run is a multiple of
// that. So the lab asks the same of a policy on a slow machine and on a fast one.
func (l *trial) measureReplica(ctx context.Context, run *lab.Run) (end func() error, err error) {
	o := l.service()
	o.Name = "measured-replica"
	one, err := rig.Start(ctx, l.servers.Bed, rig.Options{Service: o, Dataset: l.servers.Dataset, People: people})
	if err != nil {
		return nil, err
	}
	l.generator = one.Generator
	l.generator.Mix = looking()
	watch, err := rig.NewWatch(ctx, one.Service.Server)
	if err != nil {
		return nil, err
	}
	l.capacity, err = rig.Limit(ctx, run, "one replica",
		measure.BurstConfig{Start: burstStart, Length: burstLength, Again: burstsAgain, Quotas: watch.Problems}, l.generator.Hit)
	if err != nil {
		return nil, err
	}
	quotas, err := watch.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	run.ReportQuotas(quotas...)
	run.Report("one replica takes", l.capacity, "requests/s")
	l.generator.Target = l.nginx.URL()
	return nil, one.Service.Stop(ctx)
}

// newBalancer returns what keeps nginx's list of the replicas. End ends it.
func (l *trial) newBalancer() (b *balancer.Controller, end func() error, err error) {
	b, err = balancer.New(balancer.Config{Publisher: l.nginx.File(rig.UpstreamsFile)})
	if err != nil {
		return nil, nil, err
	}
	return b, inBackground(b.Run), nil
}

// inBackground runs a function that returns when its context ends. End ends it, and returns its error.
func inBackground(do func(context.Context) error) (end func() error) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- do(ctx) }()
	return func() error {
		stop()
		return <-ended
	}
}
