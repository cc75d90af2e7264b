package dinner

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
)

// usageEvery is the time from one reading of the CPU counters to the next. The engine takes two seconds
// for an answer.
const usageEvery = 3 * time.Second

// Part is a kind of server in a plan, such as "replicas".
type Part string

// The parts. Each has servers of one type.
const (
	Replicas  Part = "replicas"
	Catalogue Part = "catalogue"
	Shards    Part = "shards"
	Workers   Part = "workers"
	Cache     Part = "cache"
	Balancer  Part = "balancer"
	Broker    Part = "broker"
	Relay     Part = "relay"
)

// Parts returns all parts, those of the plan first.
func Parts() []Part {
	return []Part{Replicas, Catalogue, Shards, Workers, Cache, Balancer, Broker, Relay}
}

// TypeOf returns the type of a part's servers.
func TypeOf(p plan.Plan, part Part) instance.Type {
	return map[Part]instance.Type{
		Replicas: p.Replicas.Type, Catalogue: p.Catalogue.Type, Shards: p.Shards.Type, Workers: p.Workers.Type, Cache: p.Cache.Type,
		Balancer: plan.BalancerType(), Broker: plan.BrokerType(), Relay: plan.RelayType(),
	}[part]
}

// Sample is the CPU time that the parts used from the sample before until At.
type Sample struct {
	At time.Duration // since the load began
	// Used is the CPU time of the servers of each part, in cores: 0.2 is a fifth of a core.
	Used map[Part]float64
	// Share is the use of the busiest server of each part, as a share of its quota.
	Share map[Part]float64
}

// meter reads the CPU counters of all servers.
type meter struct {
	stack   *Stack
	last    map[string]testbed.Usage // by container id
	samples []Sample
}

func newMeter(s *Stack) *meter { return &meter{stack: s, last: make(map[string]testbed.Usage)} }

// servers returns all servers that run now, with their parts. The replicas change.
func (m *meter) servers(ctx context.Context) (map[*testbed.Server]Part, error) {
	s := m.stack
	all := map[*testbed.Server]Part{
		s.Catalogue.Server: Catalogue, s.Cache.Server: Cache, s.Balancer.Server: Balancer, s.Broker.Server: Broker, s.Relay.Server: Relay,
	}
	for _, shard := range s.Shards {
		all[shard.Server] = Shards
	}
	for _, worker := range s.Workers {
		all[worker.Server] = Workers
	}
	found, err := s.fleet.found(ctx)
	if err != nil {
		return nil, err
	}
	for _, replica := range found {
		if replica.Running {
			all[replica.Server] = Replicas
		}
	}
	return all, nil
}

// read adds a sample. A server that does not answer, because a fault holds it or it has just ended, is
// missing in it.
func (m *meter) read(ctx context.Context, at time.Duration) error {
	servers, err := m.servers(ctx)
	if err != nil {
		return err
	}
	type reading struct {
		part Part
		id   string
		cpu  float64 // quota, in cores
		now  testbed.Usage
		ok   bool
	}
	readings := make([]reading, 0, len(servers))
	for server, part := range servers {
		readings = append(readings, reading{part: part, id: server.ContainerID(), cpu: TypeOf(m.stack.o.Plan, part).CPU})
		_ = server
	}
	var reads errgroup.Group
	i := 0
	byID := make(map[string]*testbed.Server, len(servers))
	for server := range servers {
		byID[server.ContainerID()] = server
	}
	for i = range readings {
		r := &readings[i]
		reads.Go(func() error {
			now, err := byID[r.id].Usage(ctx)
			r.now, r.ok = now, err == nil
			return nil
		})
	}
	_ = reads.Wait() // no reading returns an error
	sample := Sample{At: at, Used: make(map[Part]float64), Share: make(map[Part]float64)}
	for _, r := range readings {
		before, known := m.last[r.id]
		if !r.ok {
			continue
		}
		m.last[r.id] = r.now
		passed := r.now.At.Sub(before.At).Seconds()
		used := r.now.Since(before).CPU
		if used < 0 { // it was started again, and counts anew
			used = r.now.CPU
		}
		if !known || passed <= 0 {
			continue
		}
		sample.Used[r.part] += used.Seconds() / passed
		sample.Share[r.part] = max(sample.Share[r.part], used.Seconds()/passed/r.cpu)
	}
	if len(sample.Used) > 0 {
		m.samples = append(m.samples, sample)
	}
	return nil
}
