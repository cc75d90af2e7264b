package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/scaler"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/06-autoscale"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The live run of lab 06, cut to its rise: the policy runs real replicas, whose load is one page of the
// menu. The numbers are the lab's.
const (
	liveFactor    = 60 // story seconds in a second of the run
	liveEvery     = 500 * time.Millisecond
	livePeople    = 8
	fewest        = 3
	first         = 5
	usualReplicas = 2.0 // the load, in multiples of what one replica answers
	riseReplicas  = 4.4
	usualLength   = 3 * time.Second
	riseLimit     = 20 * time.Second // until the new replicas serve
	afterRise     = 2 * time.Second  // of load on all of them
	firstLimit    = 40 * time.Second // until the first replicas serve
	liveSlice     = time.Second
	sampleRate    = 150 // requests a second, to measure the CPU time of one
	sampleLength  = time.Second
)

// rise is a live run in progress.
type rise struct {
	show     *show
	nginx    *testbed.Nginx
	balancer *balancer.Controller
	scaler   *scaler.Controller
	to       load.Generator
	one      float64 // requests a second that one replica answers, by its CPU time
	seen     claims.Rise
	chart    chart.Chart
}

func (s *show) liveService() testbed.ServiceOptions {
	o := s.service("", "03", instance.Nano())
	o.Redis = s.redis
	o.Env = map[string]string{"BYTEBITES_TRUSTED_PROXIES": s.servers.Bed.Subnet().String()}
	return o
}

// live lets the policy run replicas while the load rises.
func (s *show) live(ctx context.Context) (claims.Row, error) {
	r := &rise{show: s}
	err := s.doing("start nginx, and measure what one replica on b1.nano answers", func(*progress.Step) error { return r.prepare(ctx) })
	if err != nil {
		return claims.Row{}, err
	}
	if err := r.play(ctx); err != nil {
		return claims.Row{}, err
	}
	row := claims.Live(r.seen)
	if len(r.chart.Series) > 0 { // else the run ended before the new replicas served
		row.Charts = []chart.Chart{r.chart}
	}
	return row, remove(ctx, r.nginx.Server)
}

// prepare starts nginx, and measures the capacity of one replica by the CPU time of a request.
func (r *rise) prepare(ctx context.Context) (err error) {
	s := r.show
	if err := s.startRedis(ctx); err != nil {
		return err
	}
	r.nginx, err = s.servers.Bed.Nginx(ctx, testbed.NginxOptions{
		Name: "live-nginx", Conf: horizontal.NginxConf(), Files: rig.NginxFiles(),
	})
	if err != nil {
		return err
	}
	o := s.liveService()
	o.Name = "measured-replica"
	one, err := s.variant(ctx, o)
	if err != nil {
		return err
	}
	r.to = one.Generator
	r.to.Mix = load.MenuPages()
	sample, err := one.Sample(ctx, r.to, sampleRate, sampleLength)
	if err != nil {
		return err
	}
	if _, r.one, err = sample.Capacity(o.Type); err != nil {
		return err
	}
	r.to.Target = r.nginx.URL()
	return remove(ctx, one.Service.Server)
}

// play starts the balancer and the controller, and raises the load.
func (r *rise) play(ctx context.Context) (err error) {
	r.balancer, err = balancer.New(balancer.Config{Publisher: r.nginx.File(rig.UpstreamsFile)})
	if err != nil {
		return err
	}
	endBalancer := rig.InBackground(r.balancer.Run)
	defer func() { err = errors.Join(err, endBalancer()) }()
	fleet, err := scaler.NewContainers(scaler.ContainersOptions{Bed: r.show.servers.Bed, Name: "web", Service: r.show.liveService(), Balancer: r.balancer})
	if err != nil {
		return err
	}
	r.scaler, err = scaler.New(scaler.Config{
		Fleet: fleet, Policy: scaling.Desired, Clock: scaler.Clock{Start: time.Now(), Factor: liveFactor},
		Interval: liveEvery, Min: fewest, Max: mostReplicas, Limits: scaler.Limits{Start: hostspeed.Wait(firstLimit)},
	})
	if err != nil {
		return err
	}
	endScaler := rig.InBackground(r.scaler.Run)
	defer func() { err = errors.Join(err, endScaler()) }()
	return r.raise(ctx)
}

// raise sends the usual load, then a higher one until the replicas that the policy adds serve.
func (r *rise) raise(ctx context.Context) error {
	s := r.show
	err := s.doing(fmt.Sprintf("start the first %d replicas", first), func(*progress.Step) error {
		return r.await(ctx, hostspeed.Wait(firstLimit), func() bool { return len(r.balancer.Published()) == first })
	})
	if err != nil {
		return err
	}
	if len(r.balancer.Published()) != first {
		r.seen.Doubt = fmt.Sprintf("only %d of %d replicas served at the beginning", len(r.balancer.Published()), first)
		return nil
	}
	what := fmt.Sprintf("the load rises from %.0f to %.0f requests/s, and a second is a minute for the policy", usualReplicas*r.one, riseReplicas*r.one)
	return s.doing(what, func(*progress.Step) error { return r.rises(ctx) })
}

func (r *rise) rises(ctx context.Context) error {
	r.seen.First, r.seen.One, r.seen.Usual, r.seen.Risen = first, r.one, usualReplicas*r.one, riseReplicas*r.one
	running, serving := chart.Series{Name: "should run", Steps: true}, chart.Series{Name: "serve", Steps: true}
	began := time.Now()
	look := func() {
		at := time.Since(began).Seconds()
		running.Points = append(running.Points, chart.Point{X: at, Y: float64(r.scaler.State().Running)})
		serving.Points = append(serving.Points, chart.Point{X: at, Y: float64(len(r.balancer.Published()))})
	}
	send := func(rate float64) (load.Result, error) {
		r.to.Seed++
		result, err := r.to.Hit(ctx, rate, liveSlice)
		look()
		return result, err
	}
	for time.Since(began) < usualLength {
		if _, err := send(r.seen.Usual); err != nil {
			return err
		}
	}
	rose := time.Now()
	var after []load.Result
	var grown time.Time
	for grown.IsZero() || time.Since(grown) < afterRise {
		result, err := send(r.seen.Risen)
		if err != nil {
			return err
		}
		if result.Host.IdleCores() < measure.MinIdleCores {
			r.seen.Doubt = "the host had no idle time during the rise"
		}
		wanted := r.scaler.State().Running
		switch {
		case !grown.IsZero():
			after = append(after, result)
		case wanted > first && len(r.balancer.Published()) == wanted:
			grown = time.Now()
			r.seen.Last, r.seen.After = wanted, grown.Sub(rose)
		case time.Since(rose) > hostspeed.Wait(riseLimit):
			r.seen.Last = first // the others do not serve yet
			r.seen.Doubt = fmt.Sprintf("%d replicas should run and %d served when the time was up", wanted, r.seen.Last)
			return nil
		}
	}
	settled := load.Merge(after...)
	r.seen.P95MS = 1000 * settled.Latency.Quantile(0.95).Seconds()
	r.seen.Failed, r.seen.Sent = settled.Failed, settled.Sent
	r.chart = chart.Chart{
		Name: "replicas in a live rise, by the policy of lab 06", Says: "The policy adds replicas when the breach has lasted for its window.",
		X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "replicas"}, Series: []chart.Series{running, serving},
		Marks: []chart.Mark{{Name: "the load rises", From: rose.Sub(began).Seconds(), To: rose.Sub(began).Seconds()}},
	}
	return nil
}

// await asks until the answer is yes or the time is up.
func (r *rise) await(ctx context.Context, limit time.Duration, done func() bool) error {
	for deadline := time.Now().Add(limit); !done() && time.Now().Before(deadline); {
		if err := rig.Pause(ctx, doneEvery); err != nil {
			return err
		}
	}
	return nil
}
