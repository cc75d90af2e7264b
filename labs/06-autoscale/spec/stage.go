package spec

import (
	"context"
	"fmt"
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

// meals is the load of the live run. Each request reads a page of the menu, which Redis has. Such requests
// cost about the same, so the utilisation of replicas follows the rate.
func meals() load.Mix {
	mix := load.Browse()
	mix.Name, mix.Shares = "meals", []load.Share{{Kind: load.ListMeals, Weight: 1}}
	return mix
}

func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: database(), Dataset: seed.Early(), Packages: []string{program},
		Beside: []func(context.Context, *testbed.Bed) error{
			func(ctx context.Context, bed *testbed.Bed) (err error) {
				l.nginx, err = bed.Nginx(ctx, testbed.NginxOptions{
					Conf: horizontal.NginxConf(), Files: map[string][]byte{rig.UpstreamsFile: []byte("server 127.0.0.1:1 down;\n")},
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

// measure measures the capacity of one replica, and ends it. The capacity is the CPU of a second,
// divided by the CPU time of a request. The load of the live run is a multiple of that. So the lab asks the same of a policy on a slow
// machine and on a fast one. CPU time hardly depends on what else the machine does.
func (l *trial) measure(ctx context.Context, run *lab.Run, one *testbed.Service) error {
	var sample load.Result
	var used testbed.Usage
	err := one.AtFullSpeed(ctx, func() error {
		people, err := load.Discover(ctx, one.URL())
		if err != nil {
			return err
		}
		l.generator = load.Generator{Target: one.URL(), Mix: meals(), Population: people, Seed: 1}
		// The first requests fill the cache, and are not measured.
		if _, err := l.generator.Hit(ctx, sampleRate, sampleLength); err != nil {
			return err
		}
		before, err := one.Usage(ctx)
		if err != nil {
			return err
		}
		if sample, err = l.generator.Hit(ctx, sampleRate, sampleLength); err != nil {
			return err
		}
		after, err := one.Usage(ctx)
		used = after.Since(before)
		return err
	})
	if err != nil {
		return err
	}
	rig.ReportHost(run, sample)
	if sample.Failed > 0 || used.CPU <= 0 {
		return &lab.Doubt{
			Reason: fmt.Sprintf("the capacity of one replica could not be measured: %d of %d requests failed, with %v of CPU time", sample.Failed, sample.Sent, used.CPU),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	cost := used.CPU / time.Duration(sample.Sent)
	l.capacity = replicaSize().CPU / cost.Seconds()
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
