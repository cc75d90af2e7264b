package main

import (
	"context"
	"errors"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
	"bytebites.example/workshop/solutions/03-cache"
)

// The mains that are measured.
const (
	solutions = "./solutions/service"
	plain     = "./solutions/performance/bare"
)

// kitchen is the servers that the sections about HTTP share.
type kitchen struct {
	*rig.Servers
	redis *testbed.Redis
}

// openKitchen starts PostgreSQL with the small dataset, Redis and a mail server, all without CPU
// quotas, and builds both mains.
func openKitchen(ctx context.Context, s stand) (k *kitchen, err error) {
	k = &kitchen{}
	k.Servers, err = rig.OpenServers(ctx, rig.ServersOptions{
		Bed: testbed.Options{Progress: s.report}, Dataset: seed.Growing(), Packages: []string{solutions, plain},
		Beside: []func(context.Context, *testbed.Bed) error{func(ctx context.Context, bed *testbed.Bed) (err error) {
			k.redis, err = bed.Redis(ctx, testbed.RedisOptions{Conf: cache.RedisConf()})
			return err
		}},
	})
	return k, err
}

// in runs f in a kitchen of its own.
func in(ctx context.Context, s stand, f func(*kitchen) error) error {
	k, err := openKitchen(ctx, s)
	if err != nil {
		return err
	}
	return errors.Join(f(k), k.Close())
}

// service returns the options of the solutions through a lab, on one core.
func (k *kitchen) service(name, through string) testbed.ServiceOptions {
	return testbed.ServiceOptions{
		Name: name, Package: solutions, Args: []string{"--through", through}, Type: instance.Medium(),
		Postgres: k.DB, MailSink: k.Mail, Redis: k.redis,
	}
}
