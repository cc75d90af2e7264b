package main

import (
	"context"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The load of lab 01: orders and nothing else, at a mail server that takes its time. The numbers are
// those of its gain.
const (
	verticalMail   = 150 * time.Millisecond
	untunedStart   = 10 // first rates of the ramps, in requests a second
	tunedStart     = 24
	verticalFactor = 1.5
	verticalLevel  = 1500 * time.Millisecond
	// aloneFactor is the load on the untuned service with four times the CPU, over its limit without.
	// A gain of up to that factor would show.
	aloneFactor = 2
	aloneLength = 2 * time.Second

	// The load in which a server dies: what clients or nginx can send a second time.
	deathRate   = 24 // requests a second
	deathLength = 3500 * time.Millisecond
	deathAfter  = 1500 * time.Millisecond
)

func smallMachine() instance.Type { return instance.Micro() }
func largeMachine() instance.Type { return instance.Medium() }

// startUntuned starts the monolith with lab 00's index, once.
func (s *show) startUntuned(ctx context.Context) error {
	if s.untuned != nil {
		return nil
	}
	return s.doing("start the monolith with lab 00's index", func(*progress.Step) (err error) {
		s.untuned, err = s.variant(ctx, s.service("untuned", "00", smallMachine()))
		return err
	})
}

// startTuned starts lab 01's service on the large machine.
func (s *show) startTuned(ctx context.Context) (tuned *rig.Variant, err error) {
	err = s.doing("start the tuned service on b1.medium", func(*progress.Step) (err error) {
		tuned, err = s.variant(ctx, s.service("tuned", "01", largeMachine()))
		return err
	})
	return tuned, err
}

// onlyOrders returns a generator of orders and nothing else.
func onlyOrders(v *rig.Variant) load.Generator {
	g := v.Generator
	g.Mix = load.OnlyOrders()
	return g
}

// vertical measures what four times the CPU buys without tuning and with it. In the end the large
// machine dies.
func (s *show) vertical(ctx context.Context) ([]claims.Row, error) {
	const small, large, tunedLarge = "untuned on b1.micro", "untuned on b1.medium", "tuned on b1.medium"
	if err := s.startUntuned(ctx); err != nil {
		return nil, err
	}
	tuned, err := s.startTuned(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.servers.Mail.SetDelay(ctx, verticalMail); err != nil {
		return nil, err
	}
	watch, err := s.watch(ctx, s.untuned.Service.Server, tuned.Service.Server)
	if err != nil {
		return nil, err
	}
	config := measure.RampConfig{Start: untunedStart, Factor: verticalFactor, Level: verticalLevel, Quotas: watch.Problems}
	found, err := s.ramp(ctx, small, config, onlyOrders(s.untuned))
	if err != nil {
		return nil, err
	}
	untuned := claims.OfRamp(small, found)
	if err := s.untuned.Service.Resize(ctx, largeMachine()); err != nil {
		return nil, err
	}
	alone, _, err := s.send(ctx, round{
		name: "only the machine", on: large, to: onlyOrders(s.untuned), rate: aloneFactor * untuned.Goodput, length: aloneLength, watch: watch,
	})
	if err != nil {
		return nil, err
	}
	config.Start = tunedStart
	if found, err = s.ramp(ctx, tunedLarge, config, onlyOrders(tuned)); err != nil {
		return nil, err
	}
	rows, err := withQuotas(ctx, watch, claims.Gain(untuned, claims.OfRamp(tunedLarge, found)), claims.Ceiling(untuned, alone))
	if err != nil {
		return nil, err
	}
	if err := s.singleDies(ctx, tuned); err != nil {
		return nil, err
	}
	gone := s.untuned.Service.Server
	s.untuned = nil
	return rows, remove(ctx, gone, tuned.Service.Server)
}

// singleDies kills the one large machine under load.
func (s *show) singleDies(ctx context.Context, tuned *rig.Variant) error {
	seen, err := s.dies(ctx, "one machine", "the one machine", tuned.Generator, tuned.Service.Server)
	s.single = &seen
	return err
}

// dies kills a server in the middle of a load of reads and orders. The load is not sent again when the
// host spoils it, because the server is dead then.
func (s *show) dies(ctx context.Context, on, what string, to load.Generator, victim *testbed.Server) (seen claims.Dying, err error) {
	to.Mix = load.ReadsAndOrders()
	watch, err := s.watch(ctx)
	if err != nil {
		return seen, err
	}
	var observed measure.Observation
	err = s.doing(what+" dies under load", func(*progress.Step) error {
		arm := measure.Hit(to.Hit).Arm(measure.RoundConfig{Rate: deathRate, Length: deathLength, Metric: measure.MeanLatency, Quotas: watch.Problems})
		_, err := dying(ctx, victim, deathAfter, func(ctx context.Context) (err error) {
			observed, err = arm(ctx)
			return err
		})
		return err
	})
	if err != nil {
		return seen, err
	}
	books, err := rig.Reconcile(ctx, s.servers.Pool, observed.Result.Orders)
	return claims.Dying{
		Load: claims.NewLoad(what+" dies", on, observed), Victim: what, KilledAfter: deathAfter.Seconds(),
		Accepted: books.Accepted, Lost: books.Lost, Doubled: books.Doubled,
		Starved: observed.Result.Host.IdleCores() < measure.MinIdleCores,
	}, err
}

// dying kills the victim some time after meanwhile has begun. It returns when it died, once meanwhile
// has ended.
func dying(ctx context.Context, victim *testbed.Server, after time.Duration, meanwhile func(context.Context) error) (died time.Time, err error) {
	err = testbed.SideBySide(ctx, meanwhile, func(ctx context.Context) error {
		if err := rig.Pause(ctx, after); err != nil {
			return err
		}
		err := victim.Kill(ctx)
		died = time.Now()
		return err
	})
	return died, err
}
