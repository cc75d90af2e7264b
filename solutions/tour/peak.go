package main

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/tour/claims"
)

const (
	// peakMail is how long the mail server takes to accept a message at the peak.
	peakMail = 60 * time.Millisecond
	// calmRate is what the monolith answers with ease, in requests a second, on a slow machine too.
	// The ramp to its limit begins there.
	calmRate   = 6
	peakFactor = 2
	peakLevel  = 1500 * time.Millisecond
	// peakOver is the rate of the peak over the limit of the monolith. Less would be hardly an overload
	// when the limit was found in a slow moment of the machine.
	peakOver    = 1.75
	peakClaimMS = 800 // the story's mean; below it a second peak is sent
	histories   = 20  // order histories that are read to count pages
)

// peak sends the dinner mix to the monolith until it breaks, and then adds lab 00's index.
func (s *show) peak(ctx context.Context) ([]claims.Row, error) {
	var scanned, indexed float64
	var monolith *rig.Variant
	err := s.doing("start the monolith, and count the pages of order histories", func(*progress.Step) (err error) {
		if monolith, err = s.variant(ctx, s.service("monolith", "", instance.Micro())); err != nil {
			return err
		}
		scanned, err = s.pagesPerHistory(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err := s.breaks(ctx, monolith)
	if err != nil {
		return nil, err
	}
	if err := remove(ctx, monolith.Service.Server); err != nil {
		return nil, err
	}
	if err := s.startUntuned(ctx); err != nil { // and with it the index
		return nil, err
	}
	err = s.doing("count the pages of order histories again, with the index", func(*progress.Step) (err error) {
		indexed, err = s.pagesPerHistory(ctx)
		return err
	})
	return append(rows, claims.Index(scanned, indexed, histories, seed.Full().Orders)), err
}

// breaks finds the limit of the monolith and sends the peak.
func (s *show) breaks(ctx context.Context, monolith *rig.Variant) ([]claims.Row, error) {
	const on = "the monolith on b1.micro"
	watch, err := s.watch(ctx, monolith.Service.Server)
	if err != nil {
		return nil, err
	}
	ramp, err := s.ramp(ctx, on, measure.RampConfig{Start: calmRate, Factor: peakFactor, Level: peakLevel, Quotas: watch.Problems}, monolith.Generator)
	if err != nil {
		return nil, err
	}
	limit := claims.OfRamp(on, ramp)
	calm := limit.Levels[0]
	calm.Name = "calm"
	r := round{name: "peak", on: on, to: monolith.Generator, rate: peakOver * limit.Goodput, length: measure.RushLength, watch: watch}
	peak, _, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if (peak.MeanMS < peakClaimMS || !peak.Overloaded) && len(peak.Doubts) == 0 {
		// A slow moment of the machine makes a low limit, and the peak may be no overload.
		limit = limit.With(peak)
		r.rate = peakOver * limit.Goodput
		if peak, _, err = s.send(ctx, r); err != nil {
			return nil, err
		}
	}
	return withQuotas(ctx, watch, claims.Peak(limit, calm, peak))
}

// ramp raises the rate of a load until the servers are overloaded.
func (s *show) ramp(ctx context.Context, on string, config measure.RampConfig, to load.Generator) (found measure.RampResult, err error) {
	config.SaturationOnly = true
	err = s.doing("raise the rate until it is too much for "+on, func(step *progress.Step) (err error) {
		config.OnLevel = func(l measure.Level) {
			step.Detail(fmt.Sprintf("%.1f requests/s asked, %.1f answered", l.Rate, l.Goodput))
		}
		found, err = measure.Ramp(ctx, config, to.Hit)
		return err
	})
	return found, err
}

// pagesPerHistory reads some order histories the way the service does, at full speed. It returns how
// many pages the database read for one of them, by its own count.
func (s *show) pagesPerHistory(ctx context.Context) (pages float64, err error) {
	err = s.servers.AtFullSpeed(ctx, func() error {
		if err := pgstat.Reset(ctx, s.servers.Pool); err != nil {
			return err
		}
		stored := postgres.NewOrders(s.servers.Pool)
		for n := range histories {
			// An index may serve some subscribers and not others, so they are spread over all.
			subscriber := seed.User(1 + n*(seed.Full().Users-1)/(histories-1))
			if _, err := stored.History(ctx, subscriber, bytebites.HistoryCursor{}, 20); err != nil {
				return err
			}
		}
		statements, err := pgstat.Read(ctx, s.servers.Pool)
		for _, statement := range statements {
			pages += float64(statement.Pages) / histories
		}
		return err
	})
	return pages, err
}
