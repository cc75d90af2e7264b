package rig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// UpstreamsFile is where nginx finds the list of replicas that are ready: lines for
	// inside an upstream block, which the balancer's controller keeps true.
	UpstreamsFile = "/etc/nginx/upstreams.conf"
	// listTimeout bounds the wait for nginx to have the list that it should have.
	listTimeout = 15 * time.Second
)

// NginxFiles returns the files of an nginx that has no replica yet. Nginx refuses an empty list, so the list has
// one server that is down.
func NginxFiles() map[string][]byte {
	return map[string][]byte{UpstreamsFile: []byte("server 127.0.0.1:1 down;\n")}
}

// FleetOptions say how a fleet is started.
type FleetOptions struct {
	// Service is what every replica is; Name is theirs with a number behind it, "replica"
	// when empty: replica-1, replica-2 and so on.
	Service  testbed.ServiceOptions
	Replicas int
	// Nginx is the configuration of the nginx before them, which listens on port 80.
	Nginx []byte
	// Policy says how often replicas are asked; balancer.DefaultPolicy when zero.
	Policy balancer.Policy
	// Dataset and People are as in Options.
	Dataset seed.Size
	People  int
}

// Fleet is replicas of a service behind nginx. A controller asks them whether they are
// ready and keeps nginx's list of them true, as a cloud balancer's health check does.
type Fleet struct {
	Nginx    *testbed.Nginx
	Replicas []*testbed.Service
	// Generator sends the dinner mix to nginx. Copy it to send another.
	Generator load.Generator

	controller *balancer.Controller
	emails     []string
	stop       context.CancelFunc
	ended      chan error
}

// StartFleet starts replicas and nginx, signs people in and warms up at full speed, and
// then gives every replica the quota of its type. The fleet is ended by StopAsking and
// with its bed.
func StartFleet(ctx context.Context, bed *testbed.Bed, o FleetOptions) (*Fleet, error) {
	if o.Replicas < 1 {
		return nil, fmt.Errorf("start fleet: %d replicas", o.Replicas)
	}
	f := &Fleet{Replicas: make([]*testbed.Service, o.Replicas), emails: emails(o.People)}
	if err := f.startReplicas(ctx, bed, o.Service); err != nil {
		return nil, err
	}
	var err error
	f.Nginx, err = bed.Nginx(ctx, testbed.NginxOptions{
		Conf: o.Nginx, Files: NginxFiles(),
	})
	if err != nil {
		return nil, err
	}
	if err := f.ask(o.Policy); err != nil {
		return nil, err
	}
	if err := f.AwaitAll(ctx); err != nil {
		return nil, errors.Join(err, f.StopAsking())
	}
	err = f.AtFullSpeed(ctx, func() (err error) {
		if f.Generator, err = generator(ctx, f.Nginx.URL(), o.Dataset); err != nil {
			return err
		}
		return f.warmUp(ctx)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("warm up %d replicas: %w", o.Replicas, err), f.StopAsking())
	}
	return f, nil
}

// startReplicas starts them side by side. They are told that everybody on the bed's
// network is a proxy, for nginx is there and its address is not known yet.
func (f *Fleet) startReplicas(ctx context.Context, bed *testbed.Bed, o testbed.ServiceOptions) error {
	env := map[string]string{"BYTEBITES_TRUSTED_PROXIES": bed.Subnet().String()}
	maps.Copy(env, o.Env)
	o.Env = env
	if o.Name == "" {
		o.Name = "replica"
	}
	var starts []func(context.Context) error
	for i := range f.Replicas {
		replica := o
		replica.Name = fmt.Sprintf("%s-%d", o.Name, i+1)
		starts = append(starts, func(ctx context.Context) (err error) {
			f.Replicas[i], err = bed.Service(ctx, replica)
			return err
		})
	}
	return testbed.SideBySide(ctx, starts...)
}

// ask has a controller ask the replicas from now on. It does not end with the context of
// the start, which may be that of one of several starts.
func (f *Fleet) ask(policy balancer.Policy) (err error) {
	f.controller, err = balancer.New(balancer.Config{Publisher: f.Nginx.File(UpstreamsFile), Policy: policy})
	if err != nil {
		return err
	}
	for _, r := range f.Replicas {
		if err := f.controller.Register(balancer.Replica{Name: r.Name(), ReadyURL: r.URL() + "/readyz", Upstream: r.Upstream()}); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.ended = stop, make(chan error, 1)
	go func() { f.ended <- f.controller.Run(ctx) }()
	return nil
}

// StopAsking ends the controller: nginx keeps the list that it has. Calling it again
// changes nothing.
func (f *Fleet) StopAsking() error {
	if f.stop == nil {
		return nil
	}
	f.stop()
	f.stop = nil
	return <-f.ended
}

// Serve has nginx send all requests to the first n replicas, from now on. It stops the
// controller first, which would put the others back on the list.
func (f *Fleet) Serve(ctx context.Context, n int) error {
	if n < 1 || n > len(f.Replicas) {
		return fmt.Errorf("serve with %d of %d replicas: want 1 or more that exist", n, len(f.Replicas))
	}
	if err := f.StopAsking(); err != nil {
		return err
	}
	var list strings.Builder
	for _, r := range f.Replicas[:n] {
		fmt.Fprintf(&list, "server %s;\n", r.Upstream())
	}
	return f.Nginx.File(UpstreamsFile).Publish(ctx, []byte(list.String()))
}

// ListError is nginx not having the list of replicas that it should have.
type ListError struct {
	Err    error
	Waited lab.Waited // for the list
}

func (e *ListError) Error() string { return e.Err.Error() }
func (e *ListError) Unwrap() error { return e.Err }

// AwaitList waits until nginx has a list of replicas, by name, that is good. The error is
// a *ListError when that takes too long.
func (f *Fleet) AwaitList(ctx context.Context, good func(names []string) bool) error {
	limit := hostspeed.Wait(listTimeout)
	wait, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	began := time.Now()
	if _, err := f.controller.Await(wait, good); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &ListError{Err: err, Waited: lab.Since(began)}
	}
	return nil
}

// AwaitAll waits until all replicas are on nginx's list.
func (f *Fleet) AwaitAll(ctx context.Context) error {
	return f.AwaitList(ctx, func(names []string) bool { return len(names) == len(f.Replicas) })
}

// Resize gives every replica another type.
func (f *Fleet) Resize(ctx context.Context, t instance.Type) error {
	for _, r := range f.Replicas {
		if err := r.Resize(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// AtFullSpeed lifts the CPU quota of all replicas while do runs. The quotas come back also
// when do fails, see testbed.AtFullSpeed.
func (f *Fleet) AtFullSpeed(ctx context.Context, do func() error) error {
	return testbed.AtFullSpeed(ctx, do, f.Servers()...)
}

// WarmUp signs the same people in anew and answers some load, at full speed.
func (f *Fleet) WarmUp(ctx context.Context) error {
	return f.AtFullSpeed(ctx, func() error { return f.warmUp(ctx) })
}

func (f *Fleet) warmUp(ctx context.Context) (err error) {
	f.Generator.Population.Sessions, err = load.Login(ctx, f.Nginx.URL(), seed.Password, f.emails)
	if err != nil {
		return err
	}
	_, err = f.Generator.Hit(ctx, float64(len(f.Replicas))*warmUpRate, warmUpLength)
	return err
}

// Servers are those whose quotas a fleet's measurement rests on.
func (f *Fleet) Servers() []*testbed.Server {
	var servers []*testbed.Server
	for _, r := range f.Replicas {
		servers = append(servers, r.Server)
	}
	return servers
}

// Stop stops all replicas, side by side.
func (f *Fleet) Stop(ctx context.Context) error {
	var stops []func(context.Context) error
	for _, r := range f.Replicas {
		stops = append(stops, r.Stop)
	}
	return testbed.SideBySide(ctx, stops...)
}
