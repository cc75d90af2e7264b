package main

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The loads of lab 03: people browse. Queries are counted, so the rates need not be equal: a request
// needs as many queries at any rate.
const (
	withoutRate   = 35 // requests a second, which the database can answer alone
	withoutLength = 3 * time.Second
	withRate      = 150
	withLength    = 4 * time.Second
	// queriesEvery is the time from one reading of the statistics to the next, for the chart.
	queriesEvery = 250 * time.Millisecond
)

// cache counts the queries that reach the database without Redis and with it.
func (s *show) cache(ctx context.Context) ([]claims.Row, error) {
	if err := s.startThree(ctx); err != nil {
		return nil, err
	}
	without, before, err := s.browse(ctx, "without Redis", "the replicas of lab 02", s.three, s.serving, withoutRate, withoutLength)
	if err != nil {
		return nil, err
	}
	if err := s.removeFleet(ctx, s.three); err != nil {
		return nil, err
	}
	s.three = nil
	var cached *rig.Fleet
	err = s.doing("start Redis and the replicas of lab 03", func(*progress.Step) error {
		if err := s.startRedis(ctx); err != nil {
			return err
		}
		service := s.service("cached", "03", instance.Micro())
		service.Redis = s.redis
		return s.servers.AtFullSpeed(ctx, func() (err error) {
			cached, err = s.fleet(ctx, service, replicas, seed.Full(), people)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if err := s.flush(ctx); err != nil { // the warm-up has read half of the menu
		return nil, err
	}
	with, after, err := s.browse(ctx, "with Redis", "the replicas of lab 03", cached, replicas, withRate, withLength)
	if err != nil {
		return nil, err
	}
	row := claims.Cache(without, with)
	row.Charts = []chart.Chart{rig.QueriesChart("lab 03: queries over time", "catalogue queries", before, after)}
	return []claims.Row{row}, s.removeFleet(ctx, cached)
}

// browse sends reads to the replicas of a fleet that are alive, at full speed, and counts the queries of the catalogue.
func (s *show) browse(ctx context.Context, name, on string, fleet *rig.Fleet, alive int, rate float64, length time.Duration) (seen claims.Queries, over rig.QueryPhase, err error) {
	g := fleet.Generator
	g.Mix = load.Browse()
	watch, err := rig.NewWatch(ctx)
	if err != nil {
		return seen, over, err
	}
	over = rig.QueryPhase{Name: name, Rate: rate, Length: length}
	err = testbed.AtFullSpeed(ctx, func() error {
		return s.servers.AtFullSpeed(ctx, func() error {
			if err := pgstat.Reset(ctx, s.servers.Pool); err != nil {
				return err
			}
			sampler := pgstat.NewSampler(time.Now(), s.catalogueQueries)
			err := testbed.SideBySide(ctx,
				func(ctx context.Context) (err error) {
					seen.Load, _, err = s.send(ctx, round{name: name, on: on, to: g, rate: rate, length: length, watch: watch, once: true})
					return err
				},
				func(ctx context.Context) error { return sampler.Sample(ctx, queriesEvery, length) },
			)
			if err != nil {
				return err
			}
			over.Queries = sampler.Rates(kindCatalogue)
			counts, err := s.catalogueQueries(ctx)
			seen.Catalogue = counts[kindCatalogue]
			return err
		})
	}, fleet.Servers()[:alive]...)
	return seen, over, err
}

// kindCatalogue are queries for meals, ratings and popular meals.
const kindCatalogue = "catalogue"

// catalogueQueries counts the queries of the catalogue since the statistics were reset.
func (s *show) catalogueQueries(ctx context.Context) (map[string]int64, error) {
	statements, err := pgstat.Read(ctx, s.servers.Pool)
	counts := map[string]int64{kindCatalogue: 0}
	for _, statement := range statements {
		switch statement.Table() {
		case "meals", "ratings", "orders": // no order is placed: all reads of orders are for popular meals
			counts[kindCatalogue] += statement.Calls
		}
	}
	return counts, err
}

// flush empties Redis.
func (s *show) flush(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: s.redis.Address()})
	defer client.Close() //nolint:errcheck // nothing is written after the flush
	return client.FlushAll(ctx).Err()
}

// removeFleet removes replicas and their nginx.
func (s *show) removeFleet(ctx context.Context, fleet *rig.Fleet) error {
	if err := fleet.StopAsking(); err != nil {
		return err
	}
	return remove(ctx, append(fleet.Servers(), fleet.Nginx.Server)...)
}
