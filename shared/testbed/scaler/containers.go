package scaler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
)

// LabelFleet is the label of a replica's container that holds the name of its fleet.
const LabelFleet = "bytebites.fleet"

// ContainersOptions describe a fleet of containers.
type ContainersOptions struct {
	Bed  *testbed.Bed
	Name string // of the fleet
	// Service is what every replica is. Its Name is not used, and it has no Aliases. Its Type must have a CPU quota,
	// because utilisation is a share of the quota.
	Service testbed.ServiceOptions
	// Balancer sends the replicas requests. Its Run must be running.
	Balancer *balancer.Controller
}

// Containers is a fleet of services in containers of a test bed, behind a balancer. It keeps nothing
// that a new fleet needs: the engine knows the replicas by their labels.
type Containers struct {
	bed      *testbed.Bed
	service  testbed.ServiceOptions
	balancer *balancer.Controller

	mu     sync.Mutex
	listed map[string]time.Time     // since when the balancer has the replica on its list, by name
	usages map[string]testbed.Usage // last measurement, by container id
}

// NewContainers returns the fleet. It finds the replicas that an earlier fleet of the same name has
// left on the bed.
func NewContainers(o ContainersOptions) (*Containers, error) {
	switch {
	case o.Bed == nil || o.Balancer == nil:
		return nil, errors.New("fleet of containers: no bed or no balancer")
	case o.Name == "":
		return nil, errors.New("fleet of containers: no name")
	case len(o.Service.Aliases) > 0:
		return nil, fmt.Errorf("fleet of containers %s: replicas cannot share an alias", o.Name)
	case o.Service.Type.CPU <= 0:
		return nil, fmt.Errorf("fleet of containers %s: its type has no CPU quota", o.Name)
	}
	labels := map[string]string{LabelFleet: o.Name}
	maps.Copy(labels, o.Service.Labels)
	o.Service.Labels = labels
	if o.Service.Ready == "" {
		o.Service.Ready = "/readyz"
	}
	return &Containers{
		bed: o.Bed, service: o.Service, balancer: o.Balancer,
		listed: make(map[string]time.Time), usages: make(map[string]testbed.Usage),
	}, nil
}

// Read lists the containers and reads the CPU counters of all that run, side by side.
func (f *Containers) Read(ctx context.Context) ([]Instance, error) {
	found, err := f.bed.FindServices(ctx, f.service)
	if err != nil {
		return nil, err
	}
	ready := f.look()
	instances := make([]Instance, len(found))
	var reads sync.WaitGroup
	for i, c := range found {
		instances[i] = Instance{Name: c.Name(), Ended: !c.Running}
		if !c.Running {
			continue
		}
		instances[i].ReadySince = ready[c.Name()]
		reads.Go(func() {
			usage, err := c.Usage(ctx)
			if err != nil {
				return // late, or the container has just ended: not measured
			}
			instances[i].Utilisation, instances[i].Measured = f.utilisation(c.ContainerID(), usage)
		})
	}
	reads.Wait()
	f.forget(found)
	return instances, nil
}

// utilisation compares a reading of the counters with the one before.
func (f *Containers) utilisation(id string, now testbed.Usage) (share float64, measured bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, known := f.usages[id]
	f.usages[id] = now
	if !known {
		return 0, false
	}
	return shareOf(before, now, f.service.Type.CPU)
}

// shareOf returns the CPU time between two readings as a share of the quota, at most 1. A process
// can use a little more than its quota between two readings, because a quota period may begin
// before the first one. It is not measured when no time has passed, or when the counters began anew.
func shareOf(before, now testbed.Usage, cpu float64) (share float64, measured bool) {
	passed, used := now.At.Sub(before.At), now.Since(before).CPU
	if passed <= 0 || used < 0 {
		return 0, false
	}
	return min(1, used.Seconds()/(passed.Seconds()*cpu)), true
}

// look notes which replicas are on the balancer's list, and returns since when.
func (f *Containers) look() map[string]time.Time {
	published, now := f.balancer.Published(), time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.listed, func(name string, _ time.Time) bool { return !slices.Contains(published, name) })
	for _, name := range published {
		if f.listed[name].IsZero() {
			f.listed[name] = now
		}
	}
	return maps.Clone(f.listed)
}

// forget drops the measurements of containers that do not exist any more.
func (f *Containers) forget(found []testbed.Found) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.usages, func(id string, _ testbed.Usage) bool {
		return !slices.ContainsFunc(found, func(c testbed.Found) bool { return c.ContainerID() == id })
	})
}

// find returns the container of a replica, or nil.
func (f *Containers) find(ctx context.Context, name string) (*testbed.Found, error) {
	found, err := f.bed.FindServices(ctx, f.service)
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		if c.Name() == name {
			return &c, nil
		}
	}
	return nil, nil
}

// Start starts a container, registers it at the balancer and waits until it is on its list. The
// container of an earlier start is used when it runs, else removed: its program may be missing.
func (f *Containers) Start(ctx context.Context, name string) error {
	service, err := f.running(ctx, name)
	if err != nil {
		return fmt.Errorf("start replica %s: %w", name, err)
	}
	err = f.balancer.Register(balancer.Replica{Name: name, ReadyURL: service.URL() + f.service.Ready, Upstream: service.Upstream()})
	if err != nil && !errors.Is(err, balancer.ErrRegistered) {
		return err
	}
	_, err = f.balancer.Await(ctx, func(published []string) bool { return slices.Contains(published, name) })
	f.look()
	if err != nil {
		return fmt.Errorf("start replica %s: %w", name, err)
	}
	return nil
}

// running returns a service of that name that runs, an earlier one or a new one.
func (f *Containers) running(ctx context.Context, name string) (*testbed.Service, error) {
	earlier, err := f.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if earlier != nil && earlier.Running {
		return earlier.Service, nil
	}
	if earlier != nil {
		if err := f.deregister(ctx, name); err != nil { // the new one has another address
			return nil, err
		}
		if err := earlier.Remove(ctx); err != nil {
			return nil, err
		}
	}
	o := f.service
	o.Name = name
	return f.bed.Service(ctx, o)
}

// Drain deregisters a replica, which returns when nginx has a list without it. The service then
// gets SIGTERM and ends when it has answered the requests in flight. The engine kills it after the
// stop timeout of services.
func (f *Containers) Drain(ctx context.Context, name string) error {
	if err := f.deregister(ctx, name); err != nil {
		return fmt.Errorf("drain replica: %w", err)
	}
	c, err := f.find(ctx, name)
	if err != nil {
		return fmt.Errorf("drain replica %s: %w", name, err)
	}
	if c == nil {
		return nil
	}
	if c.Running {
		if err := c.Stop(ctx); err != nil {
			return fmt.Errorf("drain replica: %w", err)
		}
	}
	if err := c.Remove(ctx); err != nil {
		return fmt.Errorf("drain replica: %w", err)
	}
	return nil
}

// deregister takes a replica off the balancer's list, and returns when the balancer has the list
// without it. An earlier call may have ended before that.
func (f *Containers) deregister(ctx context.Context, name string) error {
	err := f.balancer.Deregister(ctx, name)
	if errors.Is(err, balancer.ErrNotRegistered) {
		_, err = f.balancer.Await(ctx, func(published []string) bool { return !slices.Contains(published, name) })
	}
	return err
}
