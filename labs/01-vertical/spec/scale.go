package spec

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/load"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/spec"
	"bytebites.example/workshop/shared/stage"
	"bytebites.example/workshop/shared/testbed"
)

const (
	// mailDelay is how long the mail server takes to accept a message. It is waiting, not
	// work: no machine of ours makes it shorter.
	mailDelay = 150 * time.Millisecond
	// overload is how many times its saturation goodput a variant is asked for where its
	// goodput is measured: enough to be sure that it is never idle, little enough for the
	// line to be short when the round ends.
	overload = 1.2
	// rampLevel and rampLevels keep a ramp short; what counts is measured later.
	rampLevel  = 1500 * time.Millisecond
	rampLevels = 5
	// pairs is declared here, before any run.
	pairs = 6
	// sideRounds are the rounds of what is shown and not judged.
	sideRounds = 3
	sideLength = 2 * time.Second
)

// gain measures what tuning and four times the CPU buy together, and shows beside it what
// each would buy alone.
func (l *lab) gain(ctx context.Context, run *spec.Run) (spec.Measured, error) {
	began := time.Now()
	note := func(what string) { run.Progress(fmt.Sprintf("%5.1f s  %s", time.Since(began).Seconds(), what)) }
	if err := l.startAgain(ctx); err != nil {
		return spec.Measured{}, err
	}
	note("the untuned monolith on " + small().Name)
	untuned, err := stage.Start(ctx, l.servers.Bed, stage.Options{
		Service: testbed.ServiceOptions{
			Name: "untuned", Package: solutions, Args: []string{"--through", "00"}, Type: small(),
			Postgres: l.servers.DB, MailSink: l.servers.Mail,
		},
		Dataset: dataset.Full(), People: people,
	})
	if err != nil {
		return spec.Measured{}, err
	}
	watch, err := stage.NewWatch(ctx, l.servers.DB.Server, untuned.Service.Server, l.tuned.Service.Server)
	if err != nil {
		return spec.Measured{}, err
	}
	m := &measurement{run: run, watch: watch, note: note}
	before, err := m.saturation(ctx, untuned, 6)
	if err != nil {
		return spec.Measured{}, err
	}
	after, err := m.saturation(ctx, l.tuned, 20)
	if err != nil {
		return spec.Measured{}, err
	}
	paired, err := measure.Paired(ctx, measure.PairedConfig{
		Pairs:  pairs,
		OnPair: func(p measure.Pair) { note(describePair(p)) },
	}, m.arm(untuned, before, 0), m.arm(l.tuned, after, 0))
	if err != nil {
		return spec.Measured{}, err
	}
	quotas, err := watch.Quotas(ctx)
	if err != nil {
		return spec.Measured{}, err
	}
	run.ReportQuotas(quotas...)
	if err := m.alone(ctx, untuned, before, paired); err != nil {
		return spec.Measured{}, err
	}
	return stage.Gain(paired)
}

// startAgain starts the tuned service, which the crash left stopped.
func (l *lab) startAgain(ctx context.Context) error {
	if l.up {
		return nil
	}
	if err := l.tuned.Service.Start(ctx); err != nil {
		return stage.LearnersFault(err, look)
	}
	l.up = true
	return l.tuned.SignInAgain(ctx)
}

// measurement is what the rounds share.
type measurement struct {
	run   *spec.Run
	watch *stage.Watch
	note  func(what string)
}

// orders returns a generator of people who know what they want.
func orders(v *stage.Variant) load.Generator {
	g := v.Generator
	g.Mix = load.Orders()
	return g
}

// saturation finds a variant's saturation goodput by a short ramp.
func (m *measurement) saturation(ctx context.Context, v *stage.Variant, start float64) (float64, error) {
	ramp, err := measure.Ramp(ctx, measure.RampConfig{
		Start: start, Factor: 1.6, Level: rampLevel, MaxLevels: rampLevels, Quotas: m.watch.Problems,
		OnLevel: func(level measure.Level) {
			m.seen(level.Result)
			m.note(fmt.Sprintf("%s: %.1f/s asked, %.1f/s answered", v.Service.Name(), level.Rate, level.Goodput))
		},
	}, orders(v).Hit)
	if err != nil {
		return 0, err
	}
	if !ramp.Saturated {
		return 0, &spec.Doubt{
			Reason: fmt.Sprintf("%s never saturated, up to %.1f/s", v.Service.Name(), ramp.Goodput),
			Remedy: "check again",
		}
	}
	return ramp.Goodput, nil
}

// arm is rounds of a variant under overload.
func (m *measurement) arm(v *stage.Variant, saturation float64, length time.Duration) measure.Arm {
	return measure.Hit(orders(v).Hit).Arm(measure.RoundConfig{
		Rate: overload * saturation, Length: length, Metric: measure.Goodput, Quotas: m.watch.Problems, OnResult: m.seen,
	})
}

func (m *measurement) seen(r load.Result) {
	m.run.ReportHost(r.Lateness.Quantile(0.99), r.Host.IdleShare)
}

// alone shows what four times the CPU buy without tuning.
func (m *measurement) alone(ctx context.Context, untuned *stage.Variant, saturation float64, paired measure.PairedResult) error {
	if err := untuned.Service.Resize(ctx, large()); err != nil {
		return err
	}
	arm := m.arm(untuned, 1.3*saturation, 0)
	var values []string
	for range sideRounds {
		seen, err := arm(ctx)
		if err != nil {
			return err
		}
		values = append(values, fmt.Sprintf("%.1f", seen.Value))
	}
	m.note("untuned on " + large().Name + ": " + strings.Join(values, ", ") + " orders/s; on " + small().Name + fmt.Sprintf(": %.1f", paired.Before))
	return nil
}

func describePair(p measure.Pair) string {
	text := fmt.Sprintf("%.1f/s untuned on %s, %.1f/s tuned on %s", p.Before, small().Name, p.After, large().Name)
	switch {
	case p.WarmUp:
		return text + " (warm-up, thrown away)"
	case p.Discarded:
		return text + " (thrown away: " + strings.Join(p.Validity.Reasons, "; ") + ")"
	default:
		return text
	}
}

var _ = instance.Capacity{}
