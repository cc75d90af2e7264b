package spec

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/shared/bytebites"
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
	// mailDelay is how long the mail server takes to accept a message. A run that times
	// nothing shares the machine. It uses untimedMailDelay, so that the wait for the mail
	// stands out from the delays that other programs cause.
	mailDelay        = 60 * time.Millisecond
	untimedMailDelay = 150 * time.Millisecond
	// quietRate and quietLength make a load that leaves everything idle most of the
	// time, so that it measures work and not waiting in line. A run that times nothing
	// sends this load, and the orders below, for half as long: counts need no more.
	quietRate   = 6 // requests a second
	quietLength = 6 * time.Second
	// orders is how many orders are sent, one after another, to see where their time goes. The
	// median of so many stays the same when a pause of the machine makes a few of them slow.
	orders        = 21
	untimedOrders = 15
	// orderWindow is the time within which one order is sent.
	orderWindow = 100 * time.Millisecond
	people      = 30
	// historyReads is how many subscribers' histories are read to count pages.
	historyReads = 20
)

// What everything runs on: together at most one and a half cores. The rest is for the load
// generator and the mail server, which has no quota.
func databaseType() instance.Type { return instance.Medium() }
func serviceType() instance.Type  { return instance.Small() }

// trial is one run: the servers and the measurements on them.
type trial struct {
	subject Subject

	servers *rig.Servers
	timed   bool
	// mailTakes is the delay of this run's mail server: mailDelay or untimedMailDelay.
	mailTakes time.Duration

	before, after side
}

// length is the duration of a load: the given one where times are judged, else half of it.
func (l *trial) length(timed time.Duration) time.Duration {
	if l.timed {
		return timed
	}
	return timed / 2
}

// side is one of the two services, with its measurements under little load.
type side struct {
	variant         *rig.Variant
	load            load.Result // of all requests that were sent to it
	statements      []pgstat.Statement
	orders          []orderSteps
	pagesPerHistory float64
}

// orderSteps are the seconds of each step of one order.
type orderSteps map[checkout.Step]float64

// placeOf returns where the time of a step is spent. It is Unanswered for the wait behind
// earlier orders: their own steps count that time.
func placeOf(step checkout.Step) answer.Word {
	switch step {
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

// stages returns the servers and loads that the checks share. The index outlives the service that
// creates it, so the checks that need stageFound come first in the lab's list.
func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: stageServers, Starts: "PostgreSQL and a mail server", Start: l.startServers},
		{Name: stageFound, Needs: []string{stageServers}, Starts: "the monolith as it was found, under a quiet dinner", Start: l.startFound},
		{Name: stageIndexed, Needs: []string{stageServers}, Starts: "the monolith with your index", Start: l.startIndexed},
		{Name: stageOrders, Needs: []string{stageIndexed}, Starts: "a quiet dinner and some orders at it", Start: l.startOrders},
	}
}

// The names of the stages.
const (
	stageServers = "servers"
	stageFound   = "monolith as found"
	stageIndexed = "monolith with index"
	stageOrders  = "orders"
)

// startServers also counts the pages of a history before there is an index.
func (l *trial) startServers(ctx context.Context, run *lab.Run) (end func() error, err error) {
	l.timed = run.Timed()
	l.mailTakes = mailDelay
	if !l.timed {
		l.mailTakes = untimedMailDelay
	}
	l.servers, end, err = rig.Open(ctx, run, rig.ServersOptions{
		Database: databaseType(), MailDelay: l.mailTakes, Packages: []string{l.subject.Package},
	})
	if err != nil {
		return end, rig.LearnersFault(err, look())
	}
	l.before.pagesPerHistory, err = l.countPages(ctx)
	return end, err
}

func (l *trial) startFound(ctx context.Context, run *lab.Run) (end func() error, err error) {
	if err := l.startSide(ctx, &l.before, "found", "./solutions/service", nil); err != nil {
		return nil, err
	}
	if err := l.measureDinner(ctx, &l.before, nil); err != nil {
		return nil, err
	}
	if err := l.before.variant.Service.Stop(ctx); err != nil {
		return nil, err
	}
	return nil, l.keep(run, "statements.txt", l.statementsText)
}

func (l *trial) startIndexed(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	if err := l.startSide(ctx, &l.after, "service", l.subject.Package, l.subject.Args); err != nil {
		return nil, rig.LearnersFault(err, look())
	}
	l.after.pagesPerHistory, err = l.countPages(ctx)
	return nil, err
}

func (l *trial) startOrders(ctx context.Context, run *lab.Run) (end func() error, err error) {
	var profile profiler
	if run.Mode == lab.ModeCheck {
		profile = l.profile
	}
	if err := l.measureDinner(ctx, &l.after, profile); err != nil {
		return nil, err
	}
	n := untimedOrders
	if l.timed {
		n = orders
	}
	if err := l.after.measureOrders(ctx, n); err != nil {
		return nil, err
	}
	rig.ReportHost(run, l.after.load)
	run.Report("requests below the knee", float64(l.after.load.Sent), "requests")
	if err := l.served(); err != nil {
		return nil, err
	}
	return nil, l.keep(run, "order-steps.txt", l.stepsText)
}

// profiler records a profile of a service while it works.
type profiler func(ctx context.Context, service *testbed.Service) error

// startSide starts a service, with its database at full speed while it does.
func (l *trial) startSide(ctx context.Context, s *side, name, pkg string, args []string) error {
	return l.servers.AtFullSpeed(ctx, func() (err error) {
		s.variant, err = rig.Start(ctx, l.servers.Bed, rig.Options{
			Service: testbed.ServiceOptions{
				Name: name, Package: pkg, Args: args, Type: serviceType(), Postgres: l.servers.DB, MailSink: l.servers.Mail,
			},
			Dataset: l.servers.Dataset, People: people,
		})
		return err
	})
}

// measureDinner measures a service under a quiet dinner. With a profiler the dinner lasts as long as
// the profile, because a service at rest gives a profile no samples.
func (l *trial) measureDinner(ctx context.Context, s *side, profile profiler) error {
	length := l.length(quietLength)
	if profile != nil {
		length = max(length, profileSeconds*time.Second)
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return err
	}
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			s.load, err = s.variant.Generator.Hit(ctx, quietRate, length)
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
	s.statements, err = pgstat.Read(ctx, l.servers.Pool)
	return err
}

// measureOrders sends n orders one after another, and keeps the time of each one's steps.
func (s *side) measureOrders(ctx context.Context, n int) error {
	generator := s.variant.Generator
	generator.Mix = load.OnlyOrders()
	began, err := stepsSoFar(ctx, s.variant.Service)
	if err != nil {
		return err
	}
	for i := range n {
		generator.Seed = uint64(1 + i)
		result, err := generator.Hit(ctx, 1/orderWindow.Seconds(), orderWindow)
		if err != nil {
			return err
		}
		s.load = load.Merge(s.load, result)
		ended, err := stepsSoFar(ctx, s.variant.Service)
		if err != nil {
			return err
		}
		// After a retry the steps are those of two requests.
		if mail := string(checkout.StepMail); ended[mail].Count == began[mail].Count+1 {
			steps := make(orderSteps)
			for step, sum := range ended {
				steps[checkout.Step(step)] = sum.Less(began[step]).Total
			}
			s.orders = append(s.orders, steps)
		}
		began = ended
	}
	return nil
}

// medians returns the median time, in seconds, of a part of the orders: its name is what name
// says of each of its steps. Steps without a name count for nothing.
func medians(orders []orderSteps, name func(checkout.Step) string) map[string]float64 {
	times := make(map[string][]float64)
	for i, order := range orders {
		for step, seconds := range order {
			part := name(step)
			if part == "" {
				continue
			}
			if times[part] == nil {
				times[part] = make([]float64, len(orders))
			}
			times[part][i] += seconds
		}
	}
	middle := make(map[string]float64)
	for part, all := range times {
		slices.Sort(all)
		middle[part] = all[len(all)/2]
	}
	return middle
}

// countPages reads some histories the way the service does, and returns the mean number
// of pages that the database read for one, whatever the statements.
func (l *trial) countPages(ctx context.Context) (float64, error) {
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return 0, err
	}
	stored := postgres.NewOrders(l.servers.Pool)
	for n := range historyReads {
		// An index may serve some subscribers and not others, so they are spread over all.
		subscriber := seed.User(1 + n*(l.servers.Dataset.Users-1)/(historyReads-1))
		if _, err := stored.History(ctx, subscriber, bytebites.HistoryCursor{}, 20); err != nil {
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

// stepsSoFar returns the sums of the steps since the service started.
func stepsSoFar(ctx context.Context, service *testbed.Service) (map[string]promstat.Sum, error) {
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
	rig.ChartRamp(run, "the monolith", ramp)
	return ramp, l.keep(run, "ramp.txt", func() []byte { return rampText(ramp) })
}

// look is where a service that does not start is mended.
func look() lab.Look {
	return lab.Look{File: "index.sql", Hint: "the service runs this file when it starts; its log is above"}
}
