package spec

import (
	"context"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/03-cache"
)

// The instance types of the live run. Ten replicas, the database and Redis may use 1.5 cores.
func replicaSize() instance.Type { return instance.Nano() }
func database() instance.Type    { return instance.Micro() }
func cacheSize() instance.Type   { return instance.Micro() }

const (
	// program is the service with the solutions of labs 00 to 03. The load only reads the menu. Lab 02 has
	// the replicas behind nginx, and a lifecycle that drains. With the cache of lab 03 a page costs the
	// database nothing. Without the cache the database has no time before the replicas have none, and more
	// replicas do not help. Shards and a broker would change nothing that is judged.
	program     = "./solutions/service"
	lastApplied = "03"
	// The load that measures the CPU time of a request: 300 requests.
	sampleRate   = 250 // requests a second
	sampleLength = 1200 * time.Millisecond
)

const stageServers = "servers"

func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: stageServers, Starts: "PostgreSQL, Redis, a mail server and nginx", Start: l.startServers},
	}
}

func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: database(), Dataset: seed.Early(), Packages: []string{program},
		Beside: []func(context.Context, *testbed.Bed) error{
			func(ctx context.Context, bed *testbed.Bed) (err error) {
				l.nginx, err = bed.Nginx(ctx, testbed.NginxOptions{
					Conf: horizontal.NginxConf(), Files: rig.NginxFiles(),
				})
				return err
			},
			func(ctx context.Context, bed *testbed.Bed) (err error) {
				l.redis, err = bed.Redis(ctx, testbed.RedisOptions{Type: cacheSize(), Conf: cache.RedisConf()})
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
		Postgres: l.servers.DB, MailSink: l.servers.Mail, Redis: l.redis,
		Env: map[string]string{"BYTEBITES_TRUSTED_PROXIES": l.servers.Bed.Subnet().String()},
	}
}

// measuredReplica starts a replica that is not in the fleet, to measure its capacity.
func (l *trial) measuredReplica(ctx context.Context) (*testbed.Service, error) {
	o := l.service()
	o.Name = "measured-replica"
	return l.servers.Bed.Service(ctx, o)
}

// measure measures the capacity of one replica, and ends it. The load of the live run is a multiple of the
// capacity, so the lab asks the same of a policy on a slow machine and on a fast one.
func (l *trial) measure(ctx context.Context, run *lab.Run, one *testbed.Service) error {
	people, err := load.Discover(ctx, one.URL())
	if err != nil {
		return err
	}
	l.generator = load.Generator{Target: one.URL(), Mix: load.MenuPages(), Population: people, Seed: 1}
	sample, err := (&rig.Variant{Service: one}).Sample(ctx, l.generator, sampleRate, sampleLength)
	if err != nil {
		return err
	}
	rig.ReportHost(run, sample.Result)
	var cost time.Duration
	if cost, l.capacity, err = sample.Capacity(replicaSize()); err != nil {
		return err
	}
	run.Report("CPU time of a request", milliseconds(cost), "ms")
	run.Report("one replica takes", l.capacity, "requests/s")
	l.generator.Target = l.nginx.URL()
	return one.Kill(ctx) // nobody else sends it requests, so it has nothing to drain
}

// newBalancer returns what keeps nginx's list of the replicas. End ends it.
func (l *trial) newBalancer() (b *balancer.Controller, end func() error, err error) {
	b, err = balancer.New(balancer.Config{Publisher: l.nginx.File(rig.UpstreamsFile)})
	if err != nil {
		return nil, nil, err
	}
	return b, rig.InBackground(b.Run), nil
}
