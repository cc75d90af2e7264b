package rig

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/workshop/lab"
)

// checkConnections is how many connections a check uses for its own questions.
const checkConnections = 3

// Claim waits for the share of the machine that a run needs: a slot when it measures times,
// else a core. Other runs may use the rest. It is a lab.Lab.Claim.
func Claim(ctx context.Context, run *lab.Run) (release func(), err error) {
	return claim(ctx, run, run.Timed())
}

// ClaimAlone waits for a slot though the run measures no times. It is for labs with so many
// servers that beside another lab their waits of one second would run out.
func ClaimAlone(ctx context.Context, run *lab.Run) (release func(), err error) {
	return claim(ctx, run, true)
}

func claim(ctx context.Context, run *lab.Run, alone bool) (release func(), err error) {
	wait := hostlock.Core
	if alone {
		wait = hostlock.Slot
	}
	return wait(ctx, func(holder string) { run.Progress("waiting for the machine, held by " + holder) })
}

// Dataset is what the databases of a run hold. Times are judged with ByteBites at its full
// size; where nothing but counts is, a smaller one is ready sooner and shows the same.
func Dataset(run *lab.Run) seed.Size {
	if run.Timed() {
		return seed.Full()
	}
	return seed.Growing()
}

// Open starts the servers of a run, which hold the run's Dataset unless the options name
// another. End ends them; it is never nil.
func Open(ctx context.Context, run *lab.Run, o ServersOptions) (s *Servers, end func() error, err error) {
	if o.Dataset == (seed.Size{}) {
		o.Dataset = Dataset(run)
	}
	bed, endBed, err := Bed(ctx, run, o.Bed)
	if err != nil {
		return nil, func() error { return nil }, err
	}
	run.Progress(fmt.Sprintf("starting PostgreSQL with %d orders, and a mail server", o.Dataset.Orders))
	s = &Servers{Bed: bed, Dataset: o.Dataset}
	end = func() error { return errors.Join(s.closePool(), endBed()) }
	return s, end, s.start(ctx, o)
}

// ServersOptions say what all variants of a lab share.
type ServersOptions struct {
	Bed testbed.Options
	// Database is the type of the PostgreSQL server, which is seeded with Dataset.
	Database instance.Type
	Dataset  seed.Size
	// MailDelay is how long the mail server takes to accept a message.
	MailDelay time.Duration
	// Packages are main packages that are built while the servers start, each once.
	Packages []string
	// Beside start what else a lab needs on the bed, at the same time.
	Beside []func(ctx context.Context, bed *testbed.Bed) error
}

// Servers is what all variants of a lab share: one database and a mail server.
type Servers struct {
	Bed  *testbed.Bed
	DB   *testbed.Postgres
	Mail *testbed.MailSink
	// Dataset is what the database holds.
	Dataset seed.Size
	// Pool is for a check's own questions to the database; the application_name of its
	// connections is "check".
	Pool *sql.DB
}

// OpenServers starts the servers, side by side. When it fails it leaves nothing behind.
func OpenServers(ctx context.Context, o ServersOptions) (*Servers, error) {
	bed, err := testbed.Start(ctx, o.Bed)
	if err != nil {
		return nil, err
	}
	s := &Servers{Bed: bed, Dataset: o.Dataset}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OnBed starts the servers of a run on a bed that is there already, with the run's Dataset
// unless the options name another. It is for labs with a stage that needs no database. End
// closes the Pool and is never nil; the servers end with the bed. The options' Bed is not used.
func OnBed(ctx context.Context, run *lab.Run, bed *testbed.Bed, o ServersOptions) (s *Servers, end func() error, err error) {
	if o.Dataset == (seed.Size{}) {
		o.Dataset = Dataset(run)
	}
	s = &Servers{Bed: bed, Dataset: o.Dataset}
	return s, s.closePool, s.start(ctx, o)
}

func (s *Servers) start(ctx context.Context, o ServersOptions) (err error) {
	starts := []func(context.Context) error{
		func(ctx context.Context) (err error) {
			s.DB, err = s.Bed.Postgres(ctx, testbed.PostgresOptions{Type: o.Database, Dataset: &o.Dataset})
			return err
		},
		func(ctx context.Context) (err error) {
			s.Mail, err = s.Bed.MailSink(ctx, testbed.MailSinkOptions{Delay: o.MailDelay})
			return err
		},
	}
	for _, pkg := range slices.Compact(slices.Sorted(slices.Values(o.Packages))) {
		starts = append(starts, func(ctx context.Context) error {
			_, err := s.Bed.Binary(ctx, pkg)
			return err
		})
	}
	for _, start := range o.Beside {
		starts = append(starts, func(ctx context.Context) error { return start(ctx, s.Bed) })
	}
	if err := testbed.SideBySide(ctx, starts...); err != nil {
		return err
	}
	s.Pool, err = postgres.Open(ctx, s.DB.URL()+"&application_name=check", postgres.PoolConfig{MaxOpen: checkConnections, MaxIdle: checkConnections})
	return err
}

// AtFullSpeed lifts the database's CPU quota while f runs, such as while a service builds
// an index as it starts. The quota comes back also when f fails, see testbed.AtFullSpeed.
func (s *Servers) AtFullSpeed(ctx context.Context, f func() error) error {
	return s.DB.AtFullSpeed(ctx, f)
}

// Close stops the servers and everything else on their bed.
func (s *Servers) Close() error { return errors.Join(s.closePool(), s.Bed.Close()) }

func (s *Servers) closePool() error {
	if s.Pool == nil {
		return nil
	}
	return s.Pool.Close()
}

// LearnersFault turns three errors into failures, with the place to look at: a service does not
// build or start, it answers wrongly while the load is made ready, or nginx rejects its
// configuration. All other errors are the environment's and stay unchanged. Of joined errors it
// turns each one, and joins them again.
func LearnersFault(err error, look lab.Look) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		switch e := inner.(type) { //nolint:errorlint // the loop unwraps
		case *load.AnswerError:
			return &lab.Failure{Expected: e.Expected + " for " + e.Request, Seen: e.Seen, Look: look}
		case *gobuild.CompileError:
			return &lab.Failure{Expected: "code that compiles", Seen: e.Error()}
		case *testbed.StartError:
			return startFault(err, e, look)
		case interface{ Unwrap() []error }:
			var all []error
			for _, part := range e.Unwrap() {
				all = append(all, LearnersFault(part, look))
			}
			return errors.Join(all...)
		}
	}
	return err
}

// startFault returns the failure of a server that the learner's files decide on, or err.
func startFault(err error, start *testbed.StartError, look lab.Look) error {
	var waited lab.Waited
	var late *testbed.LateError
	if errors.As(start.Err, &late) {
		waited = lab.Last(late.Within)
	}
	switch start.Kind {
	case "service":
		return &lab.Failure{Expected: "a service that starts", Seen: start.Error(), Look: look, Waited: waited}
	case "nginx":
		return &lab.Failure{
			Expected: "an nginx that starts", Seen: start.Error(), Waited: waited,
			Look: lab.Look{File: "nginx.conf", Hint: "its own words are above"},
		}
	default:
		return err
	}
}
