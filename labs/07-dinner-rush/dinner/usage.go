package dinner

import (
	"context"
	"sync"
	"time"

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

// machine is a server and its part.
type machine struct {
	part   Part
	server *testbed.Server
}

// machines returns all servers that run now. The replicas change.
func (m *meter) machines(ctx context.Context) ([]machine, error) {
	s := m.stack
	all := []machine{
		{Catalogue, s.Catalogue.Server}, {Cache, s.Cache.Server}, {Balancer, s.Balancer.Server}, {Broker, s.Broker.Server}, {Relay, s.Relay.Server},
	}
	for _, shard := range s.Shards {
		all = append(all, machine{Shards, shard.Server})
	}
	for _, worker := range s.Workers {
		all = append(all, machine{Workers, worker.Server})
	}
	found, err := s.fleet.found(ctx)
	if err != nil {
		return nil, err
	}
	for _, replica := range found {
		if replica.Running {
			all = append(all, machine{Replicas, replica.Server})
		}
	}
	return all, nil
}

// read adds a sample. A server that does not answer is missing in it, because a fault holds it or it has
// just ended.
func (m *meter) read(ctx context.Context, at time.Duration) error {
	machines, err := m.machines(ctx)
	if err != nil {
		return err
	}
	readings := make([]*testbed.Usage, len(machines))
	var reads sync.WaitGroup
	for i, machine := range machines {
		reads.Go(func() {
			if now, err := machine.server.Usage(ctx); err == nil {
				readings[i] = &now
			}
		})
	}
	reads.Wait()
	sample := Sample{At: at, Used: make(map[Part]float64), Share: make(map[Part]float64)}
	for i, machine := range machines {
		cores, known := m.since(machine.server, readings[i])
		if known {
			sample.Used[machine.part] += cores
			sample.Share[machine.part] = max(sample.Share[machine.part], cores/TypeOf(m.stack.o.Plan, machine.part).CPU)
		}
	}
	if len(sample.Used) > 0 {
		m.samples = append(m.samples, sample)
	}
	return nil
}

// since returns the cores that a server has used on average since its reading before.
func (m *meter) since(server *testbed.Server, now *testbed.Usage) (cores float64, known bool) {
	if now == nil {
		return 0, false
	}
	before, known := m.last[server.ContainerID()]
	m.last[server.ContainerID()] = *now
	passed, used := now.At.Sub(before.At), now.Since(before).CPU
	if used < 0 { // the server was started again, and its counter began anew
		used = now.CPU
	}
	return used.Seconds() / passed.Seconds(), known && passed > 0
}
