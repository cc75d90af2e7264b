package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
)

const (
	mealFigure = "cached `GET /meals/:id`, against gin and go-redis with the same reads"
	mealRounds = 5
	// mealRate is in requests a second, far below what one core can do.
	mealRate   = 400
	mealLength = 3 * time.Second
)

// meals measures GET /meals/:id of lab 03's service, with all that it needs in Redis, against the
// bare service. Both get the same requests at the same rate, and the figure is requests per second
// of CPU time. So a machine that is busy with other things changes little.
func meals(ctx context.Context, s stand, b *block) error {
	return in(ctx, s, func(k *kitchen) error {
		var ours, bare *testbed.Service
		err := testbed.SideBySide(ctx,
			func(ctx context.Context) (err error) {
				ours, err = k.Bed.Service(ctx, k.service("cached", "03"))
				return err
			},
			func(ctx context.Context) (err error) {
				bare, err = k.Bed.Service(ctx, testbed.ServiceOptions{
					Name: "bare", Package: plain, Type: instance.Medium(), Postgres: k.DB, Redis: k.redis,
				})
				return err
			})
		if err != nil {
			return err
		}
		people, err := load.Discover(ctx, ours.URL())
		if err != nil {
			return err
		}
		if err := warmMeals(ctx, ours, people); err != nil {
			return err
		}
		generator := load.Generator{
			Mix:        load.Mix{Name: "one meal", Skew: 1.1, Shares: []load.Share{{Kind: load.ShowMeal, Weight: 1}}},
			Population: people, Seed: 1,
		}
		perCPU := make(map[*testbed.Service][]float64)
		for round := range mealRounds + 1 { // the first is a warm-up
			for _, service := range inTurn(round, ours, bare) {
				end := s.profile(ctx, service, round == mealRounds && service == ours)
				rate, err := requestsPerCPU(ctx, service, generator)
				if err := errors.Join(err, end()); err != nil {
					return err
				}
				if round > 0 {
					perCPU[service] = append(perCPU[service], rate)
				}
			}
		}
		b.ratios = append(b.ratios, compare(mealFigure,
			"requests/CPU second", perCPU[ours], perCPU[bare], "at least 0.70"))
		return nil
	})
}

// warmMeals asks a service once for each meal, so that every later request finds it in Redis.
func warmMeals(ctx context.Context, service *testbed.Service, people load.Population) error {
	for _, meal := range people.Meals {
		if err := get(ctx, service.URL()+"/meals/"+string(meal), io.Discard); err != nil {
			return err
		}
	}
	return nil
}

// requestsPerCPU returns how many requests a service answers in a second of its CPU time.
func requestsPerCPU(ctx context.Context, service *testbed.Service, generator load.Generator) (float64, error) {
	before, err := service.Usage(ctx)
	if err != nil {
		return 0, err
	}
	generator.Target = service.URL()
	result, err := generator.Hit(ctx, mealRate, mealLength)
	if err != nil {
		return 0, err
	}
	if result.Failed > 0 {
		return 0, fmt.Errorf("%d of %d requests to %s failed: %v", result.Failed, result.Sent, service.Name(), result.Failures)
	}
	after, err := service.Usage(ctx)
	if err != nil {
		return 0, err
	}
	return float64(result.Completed) / after.Since(before).CPU.Seconds(), nil
}

// profile fetches a CPU profile of a service in the background, if wanted. End waits for it.
func (s stand) profile(ctx context.Context, service *testbed.Service, wanted bool) (end func() error) {
	if s.profiles == "" || !wanted {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		file, err := os.Create(filepath.Join(s.profiles, service.Name()+".pprof"))
		if err != nil {
			done <- err
			return
		}
		url := fmt.Sprintf("%s/profile?seconds=%.0f", service.PprofURL(), mealLength.Seconds())
		done <- errors.Join(get(ctx, url, file), file.Close())
	}()
	return func() error { return <-done }
}

// get writes the body of a successful answer to w.
func get(ctx context.Context, url string, w io.Writer) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	_, err = io.Copy(w, response.Body)
	return err
}
