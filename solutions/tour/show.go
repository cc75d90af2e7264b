package main

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/stage"
	"bytebites.example/workshop/shared/testbed"
)

const (
	// mailDelay is how long the mail server takes to accept a message.
	mailDelay = 60 * time.Millisecond
	people    = 40
	// rampStart is below what the monolith holds, in requests a second. A level is long
	// enough for a 95th percentile; the budget keeps a step, with its rush, to half a minute.
	rampStart  = 4
	rampFactor = 2
	rampLevel  = 2500 * time.Millisecond
	rampBudget = 20 * time.Second
	// solutions is the program with every lab's solution in it.
	solutions = "./solutions/service"
)

// databaseType leaves the generator what it needs beside the largest service.
func databaseType() instance.Type { return instance.Small() }

// step is one stop of the tour.
type step struct {
	title   string
	fix     string   // what was done since the step before
	service []string // arguments of the service
	size    instance.Type
}

func steps() []step {
	return []step{
		{title: "The monolith, as it was found", fix: "nothing yet", size: instance.Micro()},
		{title: "Lab 00, baseline", fix: "measured first; one index found missing", size: instance.Micro(),
			service: []string{"--through", "00"}},
		{title: "Lab 01, vertical", fix: "no lock, no mail inside a transaction, ten connections, four times the CPU", size: instance.Medium(),
			service: []string{"--through", "01"}},
	}
}

// show is the servers that all steps share.
type show struct {
	report  *progress.Reporter
	servers *stage.Servers
}

func open(ctx context.Context, report *progress.Reporter) (*show, error) {
	starting := report.Step("start PostgreSQL with a million orders, and a mail server")
	servers, err := stage.OpenServers(ctx, stage.ServersOptions{
		Bed: testbed.Options{Progress: report}, Database: databaseType(), Dataset: dataset.Full(), MailDelay: mailDelay,
		Packages: []string{solutions},
	})
	starting.End(err)
	if err != nil {
		return nil, err
	}
	return &show{report: report, servers: servers}, nil
}

func (s *show) close() error { return s.servers.Close() }

// play measures every step. The rush of all of them has the rate of the first's, so
// that the same dinner is served each time.
func (s *show) play(ctx context.Context) (*story, error) {
	began := time.Now()
	told := newStory()
	rushFrom := 0.0
	for i, step := range steps() {
		act, err := s.measure(ctx, i, step, rushFrom)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.title, err)
		}
		if rushFrom == 0 {
			rushFrom = act.SaturationGoodput
		}
		told.Acts = append(told.Acts, act)
	}
	told.Seconds = time.Since(began).Seconds()
	return told, nil
}

func (s *show) measure(ctx context.Context, i int, step step, rushFrom float64) (act, error) {
	s.report.Note("")
	s.report.Note("%s (%s)", step.title, step.fix)
	warming := s.report.Step("start the service, sign %d people in, warm up", people)
	var variant *stage.Variant
	err := s.servers.AtFullSpeed(ctx, func() (err error) {
		variant, err = stage.Start(ctx, s.servers.Bed, stage.Options{
			Service: testbed.ServiceOptions{
				Name: fmt.Sprintf("service%d", i), Package: solutions, Args: step.service,
				Type: step.size, Postgres: s.servers.DB, MailSink: s.servers.Mail,
			},
			Dataset: dataset.Full(), People: people,
		})
		return err
	})
	warming.End(err)
	if err != nil {
		return act{}, err
	}
	watch, err := stage.NewWatch(ctx, s.servers.DB.Server, variant.Service.Server)
	if err != nil {
		return act{}, err
	}
	ramping := s.report.Step("raise the rate until it breaks")
	ramp, err := measure.Ramp(ctx, measure.RampConfig{
		Start: rampStart, Factor: rampFactor, Level: rampLevel, Refine: 1, Budget: rampBudget, Quotas: watch.Problems,
		OnLevel: func(l measure.Level) {
			ramping.Detail(fmt.Sprintf("%.1f requests/s asked, %.1f answered", l.Rate, l.Goodput))
		},
	}, variant.Generator.Hit)
	ramping.End(err)
	if err != nil {
		return act{}, err
	}
	if rushFrom == 0 {
		rushFrom = ramp.Goodput
	}
	rushing := s.report.Step("the dinner rush: %.1f requests/s for %s", measure.RushFactor*rushFrom, measure.RushLength)
	rush, err := measure.Rush(ctx, rushFrom, watch.Problems, variant.Generator.Hit)
	rushing.End(err)
	if err != nil {
		return act{}, err
	}
	quotas, err := watch.Quotas(ctx)
	if err != nil {
		return act{}, err
	}
	// The next step has the machine to itself.
	if err := variant.Service.Stop(ctx); err != nil {
		return act{}, err
	}
	return newAct(step, ramp, rush, quotas), nil
}
