package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/promstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// timedLength and untimedLength are how long a dinner is in a run that judges times, and in one that
	// judges counts.
	timedLength   = 90 * time.Second
	untimedLength = 30 * time.Second
	timedPeople   = 100
	untimedPeople = 40
	// mailDelay is how long the mail server takes to accept a message, as in lab 00.
	mailDelay = 60 * time.Millisecond

	stageTimeout = 6 * time.Minute
	playTimeout  = 6 * time.Minute
)

// stageDinner is the name of the stage.
const stageDinner = "dinner"

// The monolith is the service as lab 00 found it, without any solution. Its machine is that of lab 00,
// and its database that of labs 01 and 02. A larger database would leave the measuring machine no idle
// time.
const (
	monolithPackage = "./solutions/service"
	// monolithPeople are signed in. They are fewer than in the dinner, because the sign-in would delay
	// its start. The cost of a request does not depend on how many there are.
	monolithPeople = 30
)

func monolithType() instance.Type     { return instance.Small() }
func monolithDatabase() instance.Type { return instance.Small() }

// live is the dinner rush of a run.
type live struct {
	bed      *testbed.Bed
	stack    *dinner.Stack
	watch    *rig.Watch
	monolith *load.Generator // nil in a run that judges no times

	played bool
	seen   rushSeen
	err    error
}

// rushSeen is what all live checks look at.
type rushSeen struct {
	dinner.Seen
	books   dinner.Books
	price   float64 // of what ran, in dollars
	steps   map[string]promstat.Sum
	entries []plan.Entries
}

func (l *trial) stages() []lab.Stage {
	return []lab.Stage{{
		Name: stageDinner, Timeout: stageTimeout, Alone: true, Start: l.openDinner,
		Starts: "all servers of your plan, with the data of the subscribers on their shards",
	}}
}

// openDinner starts the servers of the plan, and those of the monolith beside them.
func (l *trial) openDinner(ctx context.Context, run *lab.Run) (end func() error, err error) {
	p, err := l.planned()
	if err != nil {
		return nil, err
	}
	bed, closeBed, err := rig.Bed(ctx, run, testbed.Options{})
	if err != nil {
		return nil, err
	}
	l.live.bed = bed
	end = func() error {
		var errs []error
		if l.live.stack != nil {
			errs = append(errs, l.live.stack.Close())
		}
		return errors.Join(append(errs, closeBed())...)
	}
	below, people := l.subject.Below, untimedPeople
	if run.Timed() {
		people = timedPeople
	}
	starts := []func(context.Context) error{func(ctx context.Context) (err error) {
		l.live.stack, err = dinner.Open(ctx, bed, dinner.Options{
			Plan: p, Program: dinner.Program{Package: below.Package, Args: below.Args},
			Router: below.Router, Policy: below.Policy, Nginx: below.Nginx, Redis: below.Redis,
			Size: rig.Dataset(run), People: people, MailDelay: mailDelay, Progress: run.Progress,
		})
		return rig.LearnersFault(err, lookPlan("does the plan carry the sign-in of subscribers? See the error above"))
	}}
	if run.Timed() {
		starts = append(starts, func(ctx context.Context) error { return l.openMonolith(ctx, rig.Dataset(run)) })
	}
	if err := testbed.SideBySide(ctx, starts...); err != nil {
		return end, err
	}
	l.live.watch, err = rig.NewWatch(ctx, l.live.stack.Machines()...)
	return end, err
}

// openMonolith starts the monolith that the gain compares with.
func (l *trial) openMonolith(ctx context.Context, size seed.Size) error {
	var database *testbed.Postgres
	var mail *testbed.MailSink
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			database, err = l.live.bed.Postgres(ctx, testbed.PostgresOptions{Name: "monolith-db", Type: monolithDatabase(), Dataset: &size})
			return err
		},
		func(ctx context.Context) (err error) {
			mail, err = l.live.bed.MailSink(ctx, testbed.MailSinkOptions{Name: "monolith-mail", Delay: mailDelay})
			return err
		})
	if err != nil {
		return fmt.Errorf("start monolith: %w", err)
	}
	variant, err := rig.Start(ctx, l.live.bed, rig.Options{
		Service: testbed.ServiceOptions{
			Name: "monolith", Package: monolithPackage, Type: monolithType(),
			Postgres: database, MailSink: mail,
		},
		Dataset: size, People: monolithPeople,
	})
	if err != nil {
		return fmt.Errorf("start monolith: %w", err)
	}
	sessions := variant.Generator.Population.Sessions
	if variant.Generator.Population, err = dinner.Population(ctx, variant.Service.URL(), size); err != nil {
		return fmt.Errorf("start monolith: %w", err)
	}
	variant.Generator.Population.Sessions = sessions
	l.live.monolith = &variant.Generator
	return nil
}

// lookPlan is the place of everything that the live run shows.
func lookPlan(hint string) lab.Look { return lab.Look{File: "plan.yaml", Hint: hint} }
