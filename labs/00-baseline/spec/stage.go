package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/measure/probe/promstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// mailDelay is how long the mail server takes to accept a message. Where nothing is timed,
	// and the machine is shared, it is untimedMailDelay, so that what an order waits for
	// stands out from what the others on the machine do to it.
	mailDelay        = 60 * time.Millisecond
	untimedMailDelay = 150 * time.Millisecond
	// quietRate and quietLength make a load that leaves everything idle most of the
	// time, so that what is measured is work and not waiting in line. Where nothing is
	// timed it is half as long, and so are the orders below: counts need no more.
	quietRate   = 6 // requests a second
	quietLength = 6 * time.Second
	// ordersRate and ordersLength make one in which nearly all requests are orders, one
	// at a time most of the time, so that the steps of an order can be averaged.
	ordersRate   = 4 // requests a second
	ordersLength = 5 * time.Second
	people       = 30
	// historyReads is how many subscribers' histories are read to count pages.
	historyReads = 20
)

// What everything runs on: together at most one and a half cores. The rest is for the load
// generator and the mail server, which has no quota.
func databaseType() instance.Type { return instance.Medium() }
func serviceType() instance.Type  { return instance.Small() }

// trial is one run: the servers, and what was measured on them.
type trial struct {
	subject Subject

	servers *rig.Servers
	timed   bool

	before, after side
}

// length is how long a load goes on that takes so long where times are judged.
func (l *trial) length(timed time.Duration) time.Duration {
	if l.timed {
		return timed
	}
	return timed / 2
}

// side is what was measured of one of the two services, both asked little.
type side struct {
	variant         *rig.Variant
	load            load.Result // of everything it was asked
	statements      []pgstat.Statement
	steps           map[string]promstat.Sum // seconds of each step of an order
	pagesPerHistory float64
}

// orders returns how many orders went through all steps.
func (s side) orders() uint64 { return max(s.steps[string(checkout.StepMail)].Count, 1) }

// placeOf says where the time of a step is spent; waiting for the orders ahead is no
// place of its own.
func placeOf(step string) answer.Word {
	switch checkout.Step(step) {
	case checkout.StepLockWait:
		return answer.Unanswered
	case checkout.StepMail:
		return answer.MailServer
	case checkout.StepRecommend:
		return answer.Computing
	default:
		return answer.Database
	}
}

// prepare measures the monolith as it was found, then with the subject's index.
func (l *trial) prepare(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.timed = run.Timed()
	delay := mailDelay
	if !l.timed {
		delay = untimedMailDelay
	}
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: databaseType(), MailDelay: delay, Packages: []string{l.subject.Package},
	})
	if err != nil {
		return end, rig.LearnersFault(err, look())
	}
	run.Progress("the monolith as it was found: counting pages, then a quiet dinner")
	if err := l.measureSide(ctx, &l.before, "found", "./solutions/service", nil, nil); err != nil {
		return end, err
	}
	if err := l.before.variant.Service.Stop(ctx); err != nil {
		return end, err
	}
	run.Progress("the same with your index: counting pages, then a quiet dinner")
	var profile profiler
	if run.Mode == lab.ModeCheck {
		profile = l.profile
	}
	if err := l.measureSide(ctx, &l.after, "service", l.subject.Package, l.subject.Args, profile); err != nil {
		return end, rig.LearnersFault(err, look())
	}
	if err := l.after.measureOrders(ctx, l.length(ordersLength)); err != nil {
		return end, err
	}
	rig.ReportHost(run, l.after.load)
	if run.Mode == lab.ModeCheck {
		if err := l.keepEvidence(); err != nil {
			return end, err
		}
		run.Evidence(evidenceFolder)
	}
	return end, nil
}

// profiler records a profile of a service while it works.
type profiler func(ctx context.Context, service *testbed.Service) error

// measureSide starts a service and measures it under a quiet dinner.
func (l *trial) measureSide(ctx context.Context, s *side, name, pkg string, args []string, profile profiler) (err error) {
	err = l.servers.AtFullSpeed(ctx, func() (err error) {
		s.variant, err = rig.Start(ctx, l.servers.Bed, rig.Options{
			Service: testbed.ServiceOptions{
				Name: name, Package: pkg, Args: args, Type: serviceType(), Postgres: l.servers.DB, MailSink: l.servers.Mail,
			},
			Dataset: l.servers.Dataset, People: people,
		})
		return err
	})
	if err != nil {
		return err
	}
	if s.pagesPerHistory, err = l.countPages(ctx); err != nil {
		return err
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return err
	}
	var dinner load.Result
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			dinner, err = s.variant.Generator.Hit(ctx, quietRate, l.length(quietLength))
			return err
		},
		func(ctx context.Context) error {
			if profile == nil {
				return nil
			}
			return profile(ctx, s.variant.Service)
		},
	)
	if err != nil {
		return err
	}
	if s.statements, err = pgstat.Read(ctx, l.servers.Pool); err != nil {
		return err
	}
	s.load = dinner
	return nil
}

// measureOrders measures the steps of some orders that do not get into one another's way.
func (s *side) measureOrders(ctx context.Context, length time.Duration) error {
	began, err := orderSteps(ctx, s.variant.Service)
	if err != nil {
		return err
	}
	generator := s.variant.Generator
	generator.Mix = load.Orders()
	orders, err := generator.Hit(ctx, ordersRate, length)
	if err != nil {
		return err
	}
	s.load = load.Merge(s.load, orders)
	if s.steps, err = orderSteps(ctx, s.variant.Service); err != nil {
		return err
	}
	for step, sum := range s.steps {
		s.steps[step] = sum.Less(began[step])
	}
	return nil
}

// countPages reads some histories the way the service does, and returns the mean number
// of pages that the database read for one, whatever the statements.
func (l *trial) countPages(ctx context.Context) (float64, error) {
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return 0, err
	}
	orders := postgres.NewOrders(l.servers.Pool)
	for n := range historyReads {
		if _, err := orders.History(ctx, seed.User(1+n*n), time.Time{}, 20); err != nil {
			return 0, err
		}
	}
	statements, err := pgstat.Read(ctx, l.servers.Pool)
	if err != nil {
		return 0, err
	}
	var pages int64
	for _, s := range statements {
		pages += s.Pages
	}
	return float64(pages) / historyReads, nil
}

func orderSteps(ctx context.Context, service *testbed.Service) (map[string]promstat.Sum, error) {
	metrics, err := promstat.Read(ctx, service.URL()+"/metrics")
	if err != nil {
		return nil, err
	}
	return metrics.Histogram("bytebites_order_step_seconds", "step"), nil
}

// ramp raises the rate of the dinner mix until the service breaks.
func (l *trial) ramp(ctx context.Context, run *lab.Run) (measure.RampResult, error) {
	watch, err := rig.NewWatch(ctx, l.servers.DB.Server, l.after.variant.Service.Server)
	if err != nil {
		return measure.RampResult{}, err
	}
	ramp, err := measure.Ramp(ctx, measure.RampConfig{
		Start: rampStart, Factor: rampStep, MaxLevels: rampLevels, Refine: 1, Quotas: watch.Problems,
		OnLevel: func(level measure.Level) {
			rig.ReportHost(run, level.Result)
			run.Progress(fmt.Sprintf("%6.1f requests/s: %6.1f answered, p95 %s, %.0f %% failed", level.Rate, level.Goodput,
				level.Result.Latency.Quantile(0.95).Round(time.Millisecond), 100*level.Result.FailureShare()))
		},
	}, l.after.variant.Generator.Hit)
	if err != nil {
		return measure.RampResult{}, err
	}
	quotas, err := watch.Quotas(ctx)
	if err != nil {
		return measure.RampResult{}, err
	}
	run.ReportQuotas(quotas...)
	return ramp, l.keepRamp(ramp)
}

// look is where a service that does not start is mended.
func look() lab.Look { return lab.Look{File: "index.sql", Hint: "the service runs it when it starts"} }
