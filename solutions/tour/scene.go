package main

import (
	"context"
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

// scene is what a step measures.
type scene struct {
	hit     measure.Hit
	servers []*testbed.Server // whose quotas the figures rest on
	victim  *testbed.Server   // which dies in the end, if any does
	others  []*testbed.Server // that go with it
}

// remove ends the scene at once, for nobody asks it for anything any more.
func (s scene) remove(ctx context.Context) error {
	var removals []func(context.Context) error
	for _, server := range append(s.servers, s.others...) {
		removals = append(removals, server.Remove)
	}
	return testbed.SideBySide(ctx, removals...)
}

// start starts what a step measures.
func (s *show) start(ctx context.Context, step step) (scene, error) {
	service := testbed.ServiceOptions{
		Name: step.name, Package: solutions, Args: step.service,
		Type: step.size, Postgres: s.servers.DB, MailSink: s.servers.Mail,
	}
	if step.replicas == 0 {
		variant, err := rig.Start(ctx, s.servers.Bed, rig.Options{Service: service, Dataset: seed.Full(), People: people})
		if err != nil {
			return scene{}, err
		}
		server := variant.Service.Server
		return scene{hit: variant.Generator.Hit, servers: []*testbed.Server{server}, victim: server}, nil
	}
	if step.cached {
		redis, err := s.servers.Bed.Redis(ctx, testbed.RedisOptions{Type: instance.Micro(), Conf: cache.RedisConf()})
		if err != nil {
			return scene{}, err
		}
		service.Redis = redis
	}
	fleet, err := rig.StartFleet(ctx, s.servers.Bed, rig.FleetOptions{
		Service: service, Replicas: step.replicas, Nginx: horizontal.NginxConf(), Dataset: seed.Full(), People: people,
	})
	if err != nil {
		return scene{}, err
	}
	// A replica in a rush answers questions late, and is none the worse for it.
	if err := fleet.StopAsking(); err != nil {
		return scene{}, err
	}
	played := scene{
		hit: fleet.Generator.Hit, servers: fleet.Servers(),
		victim: fleet.Replicas[0].Server, others: []*testbed.Server{fleet.Nginx.Server},
	}
	if step.cached {
		played.victim = service.Redis.Server
		played.servers = append(played.servers, played.victim)
	}
	return played, nil
}

// A dinner in which something dies.
const (
	lossLength = 4 * time.Second
	lossAfter  = time.Second
)

// lose kills the scene's victim in the middle of a dinner of that rate, in requests a
// second, and has nobody start it again.
func (s *show) lose(ctx context.Context, dies string, played scene, rate float64) (*loss, error) {
	losing := s.report.Step("%s dies after %s of %.1f requests/s", dies, lossAfter, rate)
	var result load.Result
	_, err := dying(ctx, played.victim, func(ctx context.Context) (err error) {
		result, err = played.hit(ctx, rate, lossLength)
		return err
	})
	losing.End(err)
	if err != nil {
		return nil, err
	}
	return &loss{
		Dies: dies, Rate: rate, Seconds: lossLength.Seconds(), AfterSeconds: lossAfter.Seconds(),
		Sent: result.Sent, Failed: result.Failed,
	}, nil
}

// dying kills the victim lossAfter meanwhile has begun, and returns when it died, once meanwhile
// has ended.
func dying(ctx context.Context, victim *testbed.Server, meanwhile func(context.Context) error) (died time.Time, err error) {
	err = testbed.SideBySide(ctx, meanwhile, func(ctx context.Context) error {
		select {
		case <-time.After(lossAfter):
		case <-ctx.Done():
			return ctx.Err()
		}
		err := victim.Kill(ctx)
		died = time.Now()
		return err
	})
	return died, err
}
