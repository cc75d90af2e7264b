package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/03-cache"
	"bytebites.example/workshop/solutions/tour/claims"
)

const (
	// solutions is the program with every lab's solution in it.
	solutions = "./solutions/service"
	people    = 12 // who are signed in for a load
	// maxRepeats is how many loads of a tour are sent again, because the generator or the host has
	// spoiled them. More would take too long, and a machine that spoils so many is too busy.
	maxRepeats = 4
	// settlePause is the pause after a load. In it the service ends what its clients gave up on.
	settlePause = 500 * time.Millisecond
)

// databaseType leaves the generator what it needs beside the largest service.
func databaseType() instance.Type { return instance.Small() }

// show holds the servers that acts share, and the pace of the tour.
type show struct {
	report *progress.Reporter
	acts   []act
	pace   *pace

	servers *rig.Servers
	nodes   nodes // of user data, for lab 04
	broker  *testbed.RabbitMQ
	// The others start when an act needs them first.
	redis   *testbed.Redis
	untuned *rig.Variant // lab 00's service on the small machine
	three   *rig.Fleet   // lab 02's replicas
	serving int          // how many of three are alive
	single  *claims.Dying
	began   time.Time // when the first servers were started
	repeats int       // loads that were sent again so far
}

func newShow(report *progress.Reporter, chosen []act) *show {
	return &show{report: report, acts: chosen, pace: newPace(chosen, hostspeed.Slowness())}
}

// plays reports whether an act is chosen.
func (s *show) plays(name string) bool {
	return slices.ContainsFunc(s.acts, func(a act) bool { return a.name == name })
}

// parts are the names of the chosen acts; nil if all are.
func (s *show) parts() []string {
	if len(s.acts) == len(acts()) {
		return nil
	}
	var names []string
	for _, a := range s.acts {
		names = append(names, a.name)
	}
	return names
}

// open starts the servers that the chosen acts need.
func (s *show) open(ctx context.Context) error {
	s.began = time.Now()
	return s.step(func() error {
		var beside []func(context.Context, *testbed.Bed) error
		what := "PostgreSQL with a million orders and a mail server"
		if s.plays("shards") {
			beside = append(beside, s.nodes.starts()...)
			what += ", user data of its own"
		}
		if s.plays("queue") {
			beside = append(beside, s.startBroker)
			what += ", RabbitMQ"
		}
		return s.doing("start "+what, func(*progress.Step) (err error) {
			s.servers, err = rig.OpenServers(ctx, rig.ServersOptions{
				Bed: testbed.Options{Progress: s.report}, Database: databaseType(), Dataset: seed.Full(), MailDelay: peakMail,
				Packages: []string{solutions}, Beside: beside,
			})
			return err
		})
	})
}

func (s *show) close() error {
	var failures []error
	if s.three != nil {
		failures = append(failures, s.three.StopAsking())
	}
	return errors.Join(append(failures, s.servers.Close())...)
}

// play plays all acts, until one fails. The story has the rows up to there, and is never nil.
func (s *show) play(ctx context.Context) (*claims.Story, error) {
	began := s.began
	story := &claims.Story{
		CPUs: runtime.NumCPU(), Slowness: s.pace.slowness, Began: began,
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Parts: s.parts(),
	}
	for _, a := range s.acts {
		err := s.step(func() error {
			rows, err := a.play(s, ctx)
			story.Add(rows...)
			return err
		})
		story.Seconds = time.Since(began).Seconds()
		if err != nil {
			return story, fmt.Errorf("lab %s, %s: %w", a.lab, a.title, err)
		}
	}
	return story, nil
}

// step does the next step of the pace.
func (s *show) step(do func() error) error {
	s.report.Note("")
	s.report.Note("%s", s.pace.line())
	began := time.Now()
	err := do()
	s.pace.end(time.Since(began))
	return err
}

// doing shows a step while it is done.
func (s *show) doing(what string, do func(*progress.Step) error) error {
	step := s.report.Step("%s", what)
	err := do(step)
	step.End(err)
	return err
}

// service says how the solutions through a lab are started, on the servers that all share; none for
// the monolith.
func (s *show) service(name, through string, size instance.Type) testbed.ServiceOptions {
	o := testbed.ServiceOptions{Name: name, Package: solutions, Type: size, Postgres: s.servers.DB, MailSink: s.servers.Mail}
	if through != "" {
		o.Args = []string{"--through", through}
	}
	return o
}

// variant starts a service and warms it up, with its database at full speed meanwhile.
func (s *show) variant(ctx context.Context, o testbed.ServiceOptions) (v *rig.Variant, err error) {
	err = s.servers.AtFullSpeed(ctx, func() error {
		v, err = rig.Start(ctx, s.servers.Bed, rig.Options{Service: o, Dataset: seed.Full(), People: people})
		return err
	})
	return v, err
}

// startRedis starts the cache that the services from lab 03 on share.
func (s *show) startRedis(ctx context.Context) (err error) {
	if s.redis == nil {
		s.redis, err = s.servers.Bed.Redis(ctx, testbed.RedisOptions{Type: instance.Micro(), Conf: cache.RedisConf()})
	}
	return err
}

// watch watches the quotas of the shared database and of other servers.
func (s *show) watch(ctx context.Context, others ...*testbed.Server) (*rig.Watch, error) {
	return rig.NewWatch(ctx, append([]*testbed.Server{s.servers.DB.Server}, others...)...)
}

// round is one load on some servers.
type round struct {
	name   string // of the load in its row
	on     string // the servers, in words
	to     load.Generator
	rate   float64 // requests a second
	length time.Duration
	watch  *rig.Watch // of their quotas
	once   bool       // what is counted in it must not be counted twice
}

// send sends the load. It sends the load once more when the generator or the host has spoiled it, never
// because of its result.
func (s *show) send(ctx context.Context, r round) (seen claims.Load, result load.Result, err error) {
	what := fmt.Sprintf("%s: %.0f requests/s of %s for %s on %s", r.name, r.rate, r.to.Mix.Name, r.length, r.on)
	err = s.doing(what, func(step *progress.Step) error {
		arm := measure.Hit(r.to.Hit).Arm(measure.RoundConfig{
			Rate: r.rate, Length: r.length, Metric: measure.MeanLatency, Quotas: r.watch.Problems,
		})
		began := time.Now()
		for first := true; ; first = false {
			observed, err := arm(ctx)
			if err != nil {
				return err
			}
			seen, result = claims.NewLoad(r.name, r.on, observed), observed.Result
			if err := rig.Pause(ctx, settlePause); err != nil {
				return err
			}
			if len(seen.Doubts) == 0 || r.once || !first || s.repeats == maxRepeats {
				return nil
			}
			s.repeats++
			s.pace.spoiled += time.Since(began)
			began = time.Now()
			step.Detail("again, because of " + seen.Doubts[0])
		}
	})
	return seen, result, err
}

// withQuotas returns rows with what their servers were given.
func withQuotas(ctx context.Context, watch *rig.Watch, rows ...claims.Row) ([]claims.Row, error) {
	quotas, err := watch.Quotas(ctx)
	for i := range rows {
		rows[i].Quotas = quotas
	}
	return rows, err
}

// remove removes servers that no later act needs, so that the next one has the machine to itself.
func remove(ctx context.Context, servers ...*testbed.Server) error {
	var removals []func(context.Context) error
	for _, server := range servers {
		removals = append(removals, server.Remove)
	}
	return testbed.SideBySide(ctx, removals...)
}
