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

// What everything runs on: together at most a core and a half. The rest is for the load
// generator and the mail server, which has no quota.
func small() instance.Type    { return instance.Micro() }
func large() instance.Type    { return instance.Medium() }
func database() instance.Type { return instance.Small() }

const (
	// solutions is the program with every lab's solution in it.
	solutions = "./solutions/service"
	// people are signed in with each service for the load.
	people = 10
)

// trial is one run: the servers, and what was seen on them.
type trial struct {
	subject Subject

	servers *rig.Servers
	tuned   *rig.Variant     // the subject's, on the large type
	untuned *rig.Variant     // the monolith with lab 00's index, on the small type; only where times count
	client  *contract.Client // of it
	people  []*contract.Client

	slow slowSeen
}

// prepare starts the servers and the subject's service, and sees what it does while
// the mail server is slow.
func (l *trial) prepare(ctx context.Context, run *lab.Run) (end func() error, err error) {
	if end, err = l.open(ctx, run); err != nil {
		return end, err
	}
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
		return end, err
	}
	if err := l.signIn(ctx); err != nil {
		return end, err
	}
	run.Progress("ordering while the mail server is slow")
	return end, l.seeSlowMail(ctx)
}

// open claims the machine and starts the servers.
func (l *trial) open(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: database(), MailDelay: mailDelay, Packages: []string{l.subject.Package, solutions},
	})
	return end, rig.LearnersFault(err, look())
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
	return lab.Look{File: "checkout.go", Hint: "the log above: the service is the monolith with your checkout.go and sizing.go"}
}
