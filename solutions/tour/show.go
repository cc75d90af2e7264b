package main

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// mailDelay is how long the mail server takes to accept a message.
	mailDelay = 60 * time.Millisecond
	people    = 20
	// rampStart is what the monolith holds, in requests a second; a later step starts where the
	// one before was at ease, so that four levels are enough for each. The budget keeps a step,
	// with its rush, to less than half a minute.
	rampStart  = 6
	rampFactor = 2
	rampLevel  = 1500 * time.Millisecond
	rampBudget = 9 * time.Second
	// solutions is the program with every lab's solution in it.
	solutions = "./solutions/service"
)

// databaseType leaves the generator what it needs beside the largest service.
func databaseType() instance.Type { return instance.Small() }

// step is one stop of the tour.
type step struct {
	name    string // of its servers
	title   string
	fix     string   // what was done since the step before
	service []string // arguments of the service
	size    instance.Type
	// replicas stand behind nginx; 0 is one service without.
	replicas int
	cached   bool // with Redis
	// dies says what is killed in the middle of a dinner; nothing when empty.
	dies string
}

func steps() []step {
	return []step{
		{
			name: "monolith", title: "The monolith, as it was found", fix: "nothing yet",
			size: instance.Micro(),
		},
		{
			name: "baseline", title: "Lab 00, baseline", fix: "measured first; one index found missing",
			service: []string{"--through", "00"}, size: instance.Micro(),
		},
		{
			name: "vertical", title: "Lab 01, vertical", fix: "no lock, no mail inside a transaction, ten connections, four times the CPU",
			service: []string{"--through", "01"}, size: instance.Medium(),
			dies: "its one machine",
		},
		{
			name: "horizontal", title: "Lab 02, horizontal", fix: "three replicas behind nginx, each a quarter of that machine; sessions in the database",
			service: []string{"--through", "02"}, size: instance.Micro(), replicas: 3,
			dies: "one replica of three",
		},
		{
			name: "cache", title: "Lab 03, cache", fix: "meals, ratings, popular meals and sessions are read from Redis",
			service: []string{"--through", "03"}, size: instance.Micro(), replicas: 3, cached: true,
			dies: "Redis",
		},
	}
}

// show is the servers that all steps share.
type show struct {
	report  *progress.Reporter
	servers *rig.Servers
	nodes   nodes // of user data, for the last step
}

func open(ctx context.Context, report *progress.Reporter) (*show, error) {
	starting := report.Step("start PostgreSQL with a million orders, small ones for the end, and a mail server")
	show := &show{report: report}
	servers, err := rig.OpenServers(ctx, rig.ServersOptions{
		Bed: testbed.Options{Progress: report}, Database: databaseType(), Dataset: seed.Full(), MailDelay: mailDelay,
		Packages: []string{solutions}, Beside: show.nodes.starts(),
	})
	starting.End(err)
	if err != nil {
		return nil, err
	}
	show.servers = servers
	return show, nil
}

func (s *show) close() error { return s.servers.Close() }

// play measures every step. The rush of all of them has the rate of the first's, so
// that the same dinner is served each time.
func (s *show) play(ctx context.Context) (*story, error) {
	began := time.Now()
	told := newStory()
	from := pace{ramp: rampStart}
	for _, step := range steps() {
		act, err := s.measure(ctx, step, from)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.title, err)
		}
		from = from.after(act)
		told.Acts = append(told.Acts, act)
	}
	// Lab 05 comes before lab 04: after that the catalogue's map names shards, which only its own
	// service knows.
	var err error
	if told.Queue, err = s.queue(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", queueTitle, err)
	}
	writes, err := s.shard(ctx, measure.RushFactor*from.rush)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shardingTitle, err)
	}
	told.Sharding = writes
	told.Seconds = time.Since(began).Seconds()
	return told, nil
}

// pace is the rates, in requests a second, from which a step is measured.
type pace struct {
	ramp float64 // of the ramp's first level
	rush float64 // the saturation goodput that makes the rush; 0 before there is one
}

// after returns the pace of the step that comes after an act. Ramps go through the same
// rates, so that what two steps hold can be compared.
func (p pace) after(a act) pace {
	for rampFactor*p.ramp <= a.SLOCapacity {
		p.ramp *= rampFactor
	}
	if p.rush == 0 {
		p.rush = a.SaturationGoodput
	}
	return p
}

func (s *show) measure(ctx context.Context, step step, from pace) (act, error) {
	s.report.Note("")
	s.report.Note("%s (%s)", step.title, step.fix)
	warming := s.report.Step("start it, sign %d people in, warm up", people)
	var played scene
	err := s.servers.AtFullSpeed(ctx, func() (err error) {
		played, err = s.start(ctx, step)
		return err
	})
	warming.End(err)
	if err != nil {
		return act{}, err
	}
	a, err := s.watch(ctx, step, played, from)
	if err != nil {
		return act{}, err
	}
	if step.dies != "" {
		if a.Loss, err = s.lose(ctx, step.dies, played, a.Rush.Rate); err != nil {
			return act{}, err
		}
	}
	// The next step has the machine to itself.
	return a, played.remove(ctx)
}

// watch measures what a step takes.
func (s *show) watch(ctx context.Context, step step, played scene, from pace) (act, error) {
	watch, err := rig.NewWatch(ctx, append([]*testbed.Server{s.servers.DB.Server}, played.servers...)...)
	if err != nil {
		return act{}, err
	}
	ramping := s.report.Step("raise the rate until it breaks")
	ramp, err := measure.Ramp(ctx, measure.RampConfig{
		Start: from.ramp, Factor: rampFactor, Level: rampLevel, Budget: rampBudget, Quotas: watch.Problems,
		OnLevel: func(l measure.Level) {
			ramping.Detail(fmt.Sprintf("%.1f requests/s asked, %.1f answered", l.Rate, l.Goodput))
		},
	}, played.hit)
	ramping.End(err)
	if err != nil {
		return act{}, err
	}
	if from.rush == 0 {
		from.rush = ramp.Goodput
	}
	if err := pgstat.Reset(ctx, s.servers.Pool); err != nil {
		return act{}, err
	}
	rushing := s.report.Step("the dinner rush: %.1f requests/s for %s", measure.RushFactor*from.rush, measure.RushLength)
	rush, err := measure.Rush(ctx, from.rush, watch.Problems, played.hit)
	rushing.End(err)
	if err != nil {
		return act{}, err
	}
	statements, err := pgstat.Read(ctx, s.servers.Pool)
	if err != nil {
		return act{}, err
	}
	quotas, err := watch.Quotas(ctx)
	if err != nil {
		return act{}, err
	}
	return newAct(step, ramp, rush, statements, quotas), nil
}
