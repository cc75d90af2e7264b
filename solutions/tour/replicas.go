package main

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The load of lab 02: orders and nothing else, at a quick mail server. The numbers are those of its
// gain, but for the length of the rush: the story's 800 ms need some seconds to pile up.
const (
	replicas       = 3
	replicasMail   = 20 * time.Millisecond
	replicasStart  = 12  // rate of the first burst, in requests a second
	replicasGrowth = 1.5 // from burst to burst: the tour has no time for the lab's 1.3
	replicasBurst  = 1500 * time.Millisecond
	replicasAgain  = 1
	replicasFactor = 1.75 // of the rush, over the limit of one replica
	replicasRush   = 4 * time.Second
)

// startThree starts lab 02's replicas behind nginx, once.
func (s *show) startThree(ctx context.Context) error {
	if s.three != nil {
		return nil
	}
	what := fmt.Sprintf("start %d replicas on b1.micro behind nginx", replicas)
	err := s.doing(what, func(*progress.Step) error {
		return s.servers.AtFullSpeed(ctx, func() (err error) {
			s.three, err = s.fleet(ctx, s.service("replica", "02", instance.Micro()), replicas, seed.Full(), people)
			return err
		})
	})
	s.serving = replicas
	return err
}

// replicas measures the same rush with one replica and with three. In the end one of three dies.
func (s *show) replicas(ctx context.Context) ([]claims.Row, error) {
	if s.single == nil {
		tuned, err := s.startTuned(ctx)
		if err != nil {
			return nil, err
		}
		if err := s.singleDies(ctx, tuned); err != nil {
			return nil, err
		}
		if err := remove(ctx, tuned.Service.Server); err != nil {
			return nil, err
		}
	}
	if err := s.startThree(ctx); err != nil {
		return nil, err
	}
	row, err := s.rushReplicas(ctx)
	if err != nil {
		return nil, err
	}
	victim := s.three.Replicas[replicas-1]
	fleet, err := s.dies(ctx, "three replicas", "one replica of three", s.three.Generator, victim.Server)
	if err != nil {
		return nil, err
	}
	s.serving = replicas - 1
	return append(row, claims.Death(*s.single, fleet)), s.three.Serve(ctx, s.serving)
}

func (s *show) rushReplicas(ctx context.Context) ([]claims.Row, error) {
	const one, all = "one replica on b1.micro", "three of them"
	if err := s.servers.Mail.SetDelay(ctx, replicasMail); err != nil {
		return nil, err
	}
	watch, err := s.watch(ctx, s.three.Servers()...)
	if err != nil {
		return nil, err
	}
	ordering := s.three.Generator
	ordering.Mix = load.OnlyOrders()
	if err := s.three.Serve(ctx, 1); err != nil {
		return nil, err
	}
	limit, err := s.bursts(ctx, one, measure.BurstConfig{
		Start: replicasStart, Factor: replicasGrowth, Length: replicasBurst, Again: replicasAgain, Quotas: watch.Problems,
	}, ordering)
	if err != nil {
		return nil, err
	}
	rush := round{name: "rush on one", on: one, to: ordering, rate: replicasFactor * limit.Goodput, length: replicasRush, watch: watch}
	before, _, err := s.send(ctx, rush)
	if err != nil {
		return nil, err
	}
	if err := s.three.Serve(ctx, replicas); err != nil {
		return nil, err
	}
	rush.name, rush.on = "rush on three", all
	after, _, err := s.send(ctx, rush)
	if err != nil {
		return nil, err
	}
	return withQuotas(ctx, watch, claims.Replicas(limit, before, after))
}

// bursts finds the limit of servers by bursts.
func (s *show) bursts(ctx context.Context, on string, config measure.BurstConfig, to load.Generator) (limit claims.Limit, err error) {
	err = s.doing("bursts, until they are too much for "+on, func(step *progress.Step) error {
		config.OnBurst = func(r load.Result) {
			step.Detail(fmt.Sprintf("%.1f requests/s asked, %d of %d answered", r.OfferedRate(), r.Completed, r.Sent))
		}
		found, err := measure.Bursts(ctx, config, to.Hit)
		limit = claims.OfBursts(on, found)
		return err
	})
	return limit, err
}

// fleet starts replicas behind nginx, and signs people in. No controller asks them whether they are
// ready, because a replica in a rush answers late.
func (s *show) fleet(ctx context.Context, service testbed.ServiceOptions, n int, size seed.Size, people int) (*rig.Fleet, error) {
	fleet, err := rig.StartFleet(ctx, s.servers.Bed, rig.FleetOptions{
		Service: service, Replicas: n, Nginx: horizontal.NginxConf(), Dataset: size, People: people,
	})
	if err != nil {
		return nil, err
	}
	return fleet, fleet.StopAsking()
}
