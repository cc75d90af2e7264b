package main

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// statementsPeople is the number of subscribers who are signed in.
	statementsPeople = 4
	// statementsRate is in requests a second, and with the length gives the requests of each endpoint.
	statementsRate   = 40
	statementsLength = time.Second
)

// counted is what requests to an endpoint cost in the database, as the mean of a request. It counts
// every statement, also those that begin and end a transaction.
type counted struct {
	statements float64
	time       time.Duration // of the database
}

// cost is the cost of an endpoint without the cache (solutions through lab 02) and with it (through
// lab 03).
type cost struct {
	kind            load.Kind
	without, cached counted
}

// statementKinds are the endpoints of the table.
func statementKinds() []load.Kind {
	return []load.Kind{
		load.ListMeals, load.ShowMeal, load.PopularMeals, load.ShowMe, load.SetPreferences, load.ShowCart, load.SetCart,
		load.RateMeal, load.ListOrders, load.PlaceOrder, load.Recommendations,
	}
}

// statements counts the statements of each endpoint in pg_stat_statements. Counts are the same on
// every machine.
func statements(ctx context.Context, s stand, b *block) error {
	return in(ctx, s, func(k *kitchen) error {
		var without, cached *rig.Variant
		start := func(to **rig.Variant, name, through string) func(context.Context) error {
			return func(ctx context.Context) (err error) {
				*to, err = rig.Start(ctx, k.Bed, rig.Options{Service: k.service(name, through), Dataset: k.Dataset, People: statementsPeople})
				return err
			}
		}
		if err := testbed.SideBySide(ctx, start(&without, "without", "02"), start(&cached, "cached", "03")); err != nil {
			return err
		}
		for _, kind := range statementKinds() {
			c := cost{kind: kind}
			var err error
			if c.without, err = k.count(ctx, without, kind); err != nil {
				return err
			}
			// The first run fills the cache, so that the second one counts hits.
			for range 2 {
				if c.cached, err = k.count(ctx, cached, kind); err != nil {
					return err
				}
			}
			b.costs = append(b.costs, c)
		}
		return nil
	})
}

// count sends requests of one kind and counts what they cost.
func (k *kitchen) count(ctx context.Context, variant *rig.Variant, kind load.Kind) (counted, error) {
	generator := variant.Generator
	generator.Mix = load.Mix{Name: string(kind), Skew: 1.1, Shares: []load.Share{{Kind: kind, Weight: 1}}}
	if err := pgstat.Reset(ctx, k.Pool); err != nil {
		return counted{}, err
	}
	result, err := generator.Hit(ctx, statementsRate, statementsLength)
	if err != nil {
		return counted{}, err
	}
	if result.Failed > 0 || result.Sent == 0 {
		return counted{}, fmt.Errorf("%d of %d requests %s failed: %v", result.Failed, result.Sent, kind, result.Failures)
	}
	ran, err := pgstat.Read(ctx, k.Pool)
	if err != nil {
		return counted{}, err
	}
	var c counted
	for _, statement := range ran {
		c.statements += float64(statement.Calls) / float64(result.Sent)
		c.time += statement.Time / time.Duration(result.Sent)
	}
	return c, nil
}
