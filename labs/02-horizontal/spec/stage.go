package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// The instance types: three replicas and a database take at most one core and a quarter.
// The rest is for nginx, the load generator and the mail server, which have no quota.
// Checks that time nothing run at full speed: it saves minutes and changes no count.
func size() instance.Type     { return instance.Micro() }
func database() instance.Type { return instance.Small() }

const (
	// solutions is the program with every lab's solution in it.
	solutions = "./solutions/service"
	// people are signed in for the load.
	people = 8
	// mailDelay is how long the mail server takes to accept a message. It is short, because
	// lab 01 was about waiting and this lab is about computing.
	mailDelay = 20 * time.Millisecond
)

// trial is one run: the servers and the observations on them.
type trial struct {
	subject Subject

	proxies *proxies
	desk    *desk
	servers *rig.Servers
	fleet   *rig.Fleet // the subject's
	before  *before    // nil unless times are judged

	killed once[killSeen]
	rolled once[rollSeen]
}

// once is the result of an action that runs once, and that several checks look at.
type once[T any] struct {
	done  bool
	value T
	err   error
}

func (o *once[T]) get(do func() (T, error)) (T, error) {
	if !o.done {
		o.value, o.err = do()
		o.done = true
	}
	return o.value, o.err
}

// The names of the stages.
const (
	stageProxies = "nginx"
	stageDesk    = "database"
	stageServers = "servers"
	stageFleet   = "replicas"
	stageBefore  = "lab 01's service"
)

func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: stageProxies, Starts: fmt.Sprintf("nginx with your nginx.conf, and %d servers that note what it sends", replicas), Start: l.startProxies},
		{Name: stageDesk, Starts: "an empty PostgreSQL for sessions.go", Start: l.startDesk},
		{Name: stageServers, Starts: "PostgreSQL and a mail server", Start: l.startServers},
		{Name: stageFleet, Needs: []string{stageServers}, Starts: fmt.Sprintf("%d replicas of your service, and nginx", replicas),
			Start: func(ctx context.Context, _ *lab.Run) (end func() error, err error) {
				err = l.startFleet(ctx)
				return l.endFleet, err
			}},
		{Name: stageBefore, Needs: []string{stageServers}, Starts: "one replica of lab 01's service behind an nginx, to compare with",
			Start: func(ctx context.Context, _ *lab.Run) (end func() error, err error) {
				return nil, l.startBefore(ctx)
			}},
	}
}

func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	packages := []string{l.subject.Package}
	if run.Timed() {
		packages = append(packages, solutions)
	}
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: database().FullSpeed(), MailDelay: mailDelay, Packages: packages,
	})
	return end, rig.LearnersFault(err, look())
}

// endFleet stops the health checks before their nginx goes.
func (l *trial) endFleet() error {
	if l.fleet == nil {
		return nil
	}
	return l.fleet.StopAsking()
}

func (l *trial) startFleet(ctx context.Context) (err error) {
	l.fleet, err = rig.StartFleet(ctx, l.servers.Bed, rig.FleetOptions{
		Service: testbed.ServiceOptions{
			Package: l.subject.Package, Args: l.subject.Args, Type: size(),
			Postgres: l.servers.DB, MailSink: l.servers.Mail,
		},
		Replicas: replicas, Nginx: l.subject.Nginx, Dataset: l.servers.Dataset, People: people,
	})
	if err != nil {
		return rig.LearnersFault(err, look())
	}
	return l.fleet.Resize(ctx, size().FullSpeed())
}

// startReplica starts a replica again and waits until nginx knows.
func (l *trial) startReplica(ctx context.Context, r *testbed.Service) error {
	if err := r.Start(ctx); err != nil {
		return rig.LearnersFault(err, look())
	}
	return listFault(l.fleet.AwaitAll(ctx))
}

// listFault turns an nginx that does not get its list into a failure.
func listFault(err error) error {
	var missing *rig.ListError
	if errors.As(err, &missing) {
		return &lab.Failure{
			Expected: "nginx to take the list of the replicas that are ready", Seen: err.Error(), Waited: missing.Waited,
			Look: lab.Look{File: "nginx.conf", Hint: "nginx does not load a configuration that names a replica which is gone"},
		}
	}
	return err
}

// replica returns the replica of a name, or the first.
func (l *trial) replica(name string) *testbed.Service {
	for _, r := range l.fleet.Replicas {
		if r.Name() == name {
			return r
		}
	}
	return l.fleet.Replicas[0]
}

// look is where a service that does not start is mended.
func look() lab.Look {
	return lab.Look{File: "sessions.go", Func: "NewSessions", Hint: "the log above: the service is lab 01's with your sessions.go and shutdown.go"}
}
