package spec

import (
	"context"
	"errors"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// The sizes of the machines. Together they have at most 1.5 cores, so that the load generator and
// the mail server, which has no quota, have the rest.
func small() instance.Type    { return instance.Micro() }
func large() instance.Type    { return instance.Medium() }
func database() instance.Type { return instance.Small() }

const (
	// solutions is the program with every lab's solution in it.
	solutions = "./solutions/service"
	// people are signed in with each service for the load.
	people = 10
)

// trial is one run: the servers and the observations on them.
type trial struct {
	subject Subject

	servers *rig.Servers
	tuned   *rig.Variant     // the subject's, on the large type
	untuned *rig.Variant     // the monolith with lab 00's index, on the small type; only where times count
	client  *contract.Client // of it
	people  []*contract.Client

	slow slowSeen
}

// The names of the stages.
const (
	stageServers  = "servers"
	stageService  = "service"
	stageSlowMail = "orders while the mail server is slow"
)

func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: stageServers, Starts: "PostgreSQL and a mail server", Start: l.startServers},
		{Name: stageService, Needs: []string{stageServers}, Starts: "your service", Start: l.startService},
		{Name: stageSlowMail, Needs: []string{stageService}, Starts: "orders while the mail server is slow", Start: func(ctx context.Context, _ *lab.Run) (func() error, error) {
			return nil, l.seeSlowMail(ctx)
		}},
	}
}

func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: database(), MailDelay: mailDelay, Packages: []string{l.subject.Package, solutions},
	})
	return end, rig.LearnersFault(err, look())
}

// startService starts the subject's service and, where times are judged, the monolith that
// it is compared with. It signs in the people of the checks.
func (l *trial) startService(ctx context.Context, run *lab.Run) (end func() error, err error) {
	starts := []func(context.Context) error{func(ctx context.Context) (err error) {
		l.tuned, err = l.start(ctx, "tuned", large(), l.subject.Package, l.subject.Args...)
		return rig.LearnersFault(err, look())
	}}
	if run.Timed() {
		starts = append(starts, func(ctx context.Context) (err error) {
			l.untuned, err = l.start(ctx, "untuned", small(), solutions, "--through", "00")
			return err
		})
	}
	if err := l.servers.AtFullSpeed(ctx, func() error { return testbed.SideBySide(ctx, starts...) }); err != nil {
		return nil, err
	}
	return nil, l.signIn(ctx)
}

// start starts a service, on the servers that all share.
func (l *trial) start(ctx context.Context, name string, size instance.Type, pkg string, args ...string) (*rig.Variant, error) {
	return rig.Start(ctx, l.servers.Bed, rig.Options{
		Service: testbed.ServiceOptions{
			Name: name, Package: pkg, Args: args, Type: size, Postgres: l.servers.DB, MailSink: l.servers.Mail,
		},
		Dataset: l.servers.Dataset, People: people,
	})
}

// signIn signs in the people of the checks' own client, at full speed.
func (l *trial) signIn(ctx context.Context) (err error) {
	if l.client, err = l.servers.Client(l.tuned.Service); err != nil {
		return err
	}
	l.people = make([]*contract.Client, ordersAtOnce)
	return l.tuned.AtFullSpeed(ctx, func() error {
		var errs []error
		for i := range l.people {
			var err error
			l.people[i], err = l.client.As(ctx, l.client.Emails[i])
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// look is where a service that does not start is mended.
func look() lab.Look {
	return lab.Look{File: "checkout.go", Func: "NewCheckout", Hint: "the log above: the service is the monolith with your checkout.go and sizing.go"}
}
