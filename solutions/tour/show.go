package main

import (
	"context"
	"errors"
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
	// rampStart is below what the monolith holds, in requests a second, and enough of
	// them for a 95th percentile.
	rampStart  = 4
	rampFactor = 1.7
	rampLevel  = 4 * time.Second
	// rampBudget keeps a step, with its rush, to about a minute.
	rampBudget = 45 * time.Second
)

func databaseType() instance.Type { return instance.Medium() }
func serviceType() instance.Type  { return instance.Small() }

// step is one stop of the tour.
type step struct {
	title   string
	fix     string   // what was done since the step before
	service []string // arguments of the service
}

func steps() []step {
	return []step{
		{title: "The monolith, as it was found", fix: "nothing yet"},
		{title: "Lab 00, baseline", fix: "measured first; one index found missing", service: []string{"--through", "00"}},
	}
}

// show is the servers that all steps share.
type show struct {
	report *progress.Reporter
	bed    *testbed.Bed
	db     *testbed.Postgres
	mail   *testbed.MailSink
}

func open(ctx context.Context, report *progress.Reporter) (*show, error) {
	bed, err := testbed.Start(ctx, testbed.Options{Progress: report})
	if err != nil {
		return nil, err
	}
	s := &show{report: report, bed: bed}
	starting := report.Step("start PostgreSQL with a million orders, and a mail server")
	full := dataset.Full()
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			s.db, err = bed.Postgres(ctx, testbed.PostgresOptions{Type: databaseType(), Dataset: &full})
			return err
		},
		func(ctx context.Context) (err error) {
			s.mail, err = bed.MailSink(ctx, testbed.MailSinkOptions{Delay: mailDelay})
			return err
		},
		func(ctx context.Context) error {
			_, err := bed.Binary(ctx, "./solutions/service")
			return err
		},
	)
	starting.End(err)
	if err != nil {
		return nil, errors.Join(err, bed.Close())
	}
	return s, nil
}

func (s *show) close() error { return s.bed.Close() }

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
	variant, err := stage.Start(ctx, s.bed, stage.Options{
		Service: testbed.ServiceOptions{
			Name: fmt.Sprintf("service%d", i), Package: "./solutions/service", Args: step.service,
			Type: serviceType(), Postgres: s.db, MailSink: s.mail,
		},
		Dataset: dataset.Full(), People: people,
	})
	warming.End(err)
	if err != nil {
		return act{}, err
	}
	watch, err := stage.NewWatch(ctx, s.db.Server, variant.Service.Server)
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
