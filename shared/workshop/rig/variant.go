// Package rig brings a variant of the service to a state in which it can be measured:
// subscribers signed in, caches warm, CPU quotas in force.
package rig

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Options say how a variant is started.
type Options struct {
	Service testbed.ServiceOptions
	// Dataset is the data in the service's databases. The load orders no scarce meals, so
	// that it does not become a queue for the last one.
	Dataset seed.Size
	// People is how many are signed in. Each costs 64 ms of CPU before the load starts.
	People int
}

// Variant is a service that is ready to be measured.
type Variant struct {
	Service *testbed.Service
	// Generator sends the dinner mix to it. Copy it to send another.
	Generator load.Generator

	emails []string
}

// The load that warms a variant up at full speed before its quota is set. It opens the
// connections, and the recommender reads its meals.
const (
	warmUpRate   = 10 // requests a second
	warmUpLength = 1500 * time.Millisecond
)

// Start starts a service, signs people in and warms it up at full speed, and then gives
// it the quota of its type.
func Start(ctx context.Context, bed *testbed.Bed, o Options) (*Variant, error) {
	service, err := bed.Service(ctx, o.Service)
	if err != nil {
		return nil, err
	}
	return Attach(ctx, service, o)
}

// Attach signs people in with a service that has started, and warms it up at full speed, as
// Start does. Of the options, Service is not used.
func Attach(ctx context.Context, service *testbed.Service, o Options) (*Variant, error) {
	v := &Variant{Service: service, emails: emails(o.People)}
	err := v.AtFullSpeed(ctx, func() (err error) {
		if v.Generator, err = generator(ctx, v.Service.URL(), o.Dataset); err != nil {
			return err
		}
		return v.signIn(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("warm up %s: %w", service.Name(), err)
	}
	return v, nil
}

// emails are the addresses of the first n subscribers.
func emails(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = seed.Email(1 + i)
	}
	return all
}

// generator returns a generator of the dinner mix for a URL, without sessions.
func generator(ctx context.Context, url string, size seed.Size) (load.Generator, error) {
	people, err := load.Discover(ctx, url)
	if err != nil {
		return load.Generator{}, err
	}
	people.Meals = slices.DeleteFunc(people.Meals, func(meal bytebites.MealID) bool { return meal >= size.ScarceMeal(1) })
	return load.Generator{Target: url, Mix: load.Dinner(), Population: people, Seed: 1}, nil
}

// AtFullSpeed lifts the service's CPU quota while f runs. The quota comes back also when f
// fails, see testbed.AtFullSpeed.
func (v *Variant) AtFullSpeed(ctx context.Context, f func() error) error {
	return v.Service.AtFullSpeed(ctx, f)
}

// SignInAgain signs the same people in anew and warms the service up, at full speed, after
// a restart.
func (v *Variant) SignInAgain(ctx context.Context) error {
	return v.AtFullSpeed(ctx, func() error { return v.signIn(ctx) })
}

func (v *Variant) signIn(ctx context.Context) (err error) {
	v.Generator.Population.Sessions, err = load.Login(ctx, v.Service.URL(), seed.Password, v.emails)
	if err != nil {
		return err
	}
	_, err = v.Generator.Hit(ctx, warmUpRate, warmUpLength)
	return err
}

// Watch sums up what servers were given and how they were held back, from now on.
type Watch struct {
	servers []*testbed.Server
	began   []testbed.Usage
}

// NewWatch starts to watch servers.
func NewWatch(ctx context.Context, servers ...*testbed.Server) (*Watch, error) {
	w := &Watch{servers: servers}
	var err error
	if w.began, err = w.usages(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// usages reads what the servers have used, side by side: an engine may answer only when its next
// second begins.
func (w *Watch) usages(ctx context.Context) ([]testbed.Usage, error) {
	all := make([]testbed.Usage, len(w.servers))
	reading, ctx := errgroup.WithContext(ctx)
	for i, s := range w.servers {
		reading.Go(func() (err error) {
			all[i], err = s.Usage(ctx)
			return err
		})
	}
	return all, reading.Wait()
}

// InForce gives servers their types, and with them their CPU quotas, and watches them from then on.
func InForce(ctx context.Context, types map[*testbed.Server]instance.Type) (*Watch, error) {
	for server, size := range types {
		if err := server.Resize(ctx, size); err != nil {
			return nil, err
		}
	}
	byName := func(a, b *testbed.Server) int { return strings.Compare(a.Name(), b.Name()) }
	return NewWatch(ctx, slices.SortedFunc(maps.Keys(types), byName)...)
}

// Problems says which of the servers' quotas are not in force, a phrase each.
func (w *Watch) Problems(ctx context.Context) ([]string, error) {
	var problems []string
	for _, s := range w.servers {
		quota, err := s.Quota(ctx)
		if err != nil {
			return nil, err
		}
		if size := s.Type(); !quota.InForce(size) {
			problems = append(problems, fmt.Sprintf("%s has %.2f CPU (the kernel says %.2f), its type %s has %.2f",
				s.Name(), quota.CPU, quota.KernelCPU, size.Name, size.CPU))
		}
	}
	return problems, nil
}

// Quotas returns what the servers were given and in which share of the quota periods
// since NewWatch they were held back.
func (w *Watch) Quotas(ctx context.Context) ([]lab.Quota, error) {
	usages, err := w.usages(ctx)
	if err != nil {
		return nil, err
	}
	quotas := make([]lab.Quota, 0, len(w.servers))
	for i, s := range w.servers {
		quota, err := s.Quota(ctx)
		if err != nil {
			return nil, err
		}
		q := lab.Quota{Container: s.Name(), Type: s.Type().Name, CPU: quota.CPU}
		if since := usages[i].Since(w.began[i]); since.Periods > 0 {
			q.ThrottledShare = float64(since.ThrottledPeriods) / float64(since.Periods)
		}
		quotas = append(quotas, q)
	}
	return quotas, nil
}
