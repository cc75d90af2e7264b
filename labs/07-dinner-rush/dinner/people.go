package dinner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
)

const (
	// specialRank is how popular the scarce meal of the evening is, counted from 0. It is sold out
	// within seconds, while many order it at once.
	specialRank = 4
	// The load before the dinner fills the cache and the connection pools.
	warmUpRate   = 25 // requests a second
	warmUpLength = 2 * time.Second
	warmUpSeed   = 7
	dinnerSeed   = 1
)

// Population returns whom the load is sent by and which meals they order, without sessions. One of the
// scarce meals is among the popular ones, and the others are not ordered.
func Population(ctx context.Context, url string, size seed.Size) (load.Population, error) {
	people, err := load.Discover(ctx, url)
	if err != nil {
		return load.Population{}, err
	}
	people.Meals = slices.DeleteFunc(people.Meals, func(meal bytebites.MealID) bool { return meal >= size.ScarceMeal(1) })
	if len(people.Meals) < specialRank {
		return load.Population{}, fmt.Errorf("read catalogue: %d meals", len(people.Meals))
	}
	people.Meals = slices.Insert(people.Meals, specialRank, size.ScarceMeal(1))
	return people, nil
}

// Emails returns the addresses of the first n subscribers. A hash puts them on all shards.
func Emails(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = seed.Email(1 + i)
	}
	return all
}

// gather signs the people in and sends the load before the dinner, at full speed.
func (s *Stack) gather(ctx context.Context) error {
	s.o.Progress(fmt.Sprintf("signing in %d subscribers", s.o.People))
	var err error
	if s.stock, err = s.readStock(ctx); err != nil {
		return err
	}
	replicas, err := s.fleet.found(ctx)
	if err != nil {
		return err
	}
	var fast []*testbed.Server
	for _, r := range replicas {
		fast = append(fast, r.Server)
	}
	fast = append(fast, s.Cache.Server, s.Balancer.Server)
	for _, w := range s.Workers {
		fast = append(fast, w.Server)
	}
	return testbed.AtFullSpeed(ctx, func() error {
		people, err := Population(ctx, s.Balancer.URL(), s.o.Size)
		if err != nil {
			return err
		}
		if people.Sessions, err = load.Login(ctx, s.Balancer.URL(), seed.Password, Emails(s.o.People)); err != nil {
			return err
		}
		s.Generator = load.Generator{Target: s.Balancer.URL(), Mix: load.Dinner(), Population: people, Seed: dinnerSeed}
		warm := s.Generator
		warm.Seed = warmUpSeed
		s.Warm, err = warm.Hit(ctx, warmUpRate, warmUpLength)
		return err
	}, fast...)
}

func (s *Stack) readStock(ctx context.Context) (stock map[bytebites.MealID]int, err error) {
	stock = make(map[bytebites.MealID]int)
	err = postgres.Each(ctx, s.catalogue, `SELECT meal_id, available FROM stock`, nil, func(scan func(...any) error) error {
		var meal bytebites.MealID
		var available int
		if err := scan(&meal, &available); err != nil {
			return err
		}
		stock[meal] = available
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	return stock, nil
}
