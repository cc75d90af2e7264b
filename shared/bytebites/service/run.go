package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

const (
	// sweepMinAge is the age at which a reservation counts as abandoned. It is far longer than the
	// life of any request, and of any statement that a request left running.
	sweepMinAge = time.Minute
	sweepEvery  = 15 * time.Second
	sweepLimit  = 100
)

// Run runs a service until ctx ends, then stops it and returns nil. Its error says which part could
// not be started, or that requests were cut off at the end.
//
// Run does not set GOMAXPROCS. Since Go 1.25 the runtime derives it from the container's CPU quota
// (rounded up, at least 2). A smaller instance sets the environment variable.
func Run(ctx context.Context, config Config, composition Composition) (err error) {
	logger := newLogger(config)
	opened, err := openResources(ctx, config, composition, apiPools(composition.Pool), logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	resources := opened.Resources
	health, err := opened.databases.openHealth(ctx, config, logger)
	if err != nil {
		return err
	}

	background, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()

	if err := migrate(ctx, resources); err != nil {
		return err
	}
	prepareShards(background, &working, resources)
	parts, err := compose(resources, composition)
	if err != nil {
		return err
	}
	lifecycle, readiness := composition.Lifecycle(), newReadiness(health, time.Now)
	handler, err := parts.api(resources, opened.metrics, func(ctx context.Context) error {
		return lifecycle.Ready(ctx, readiness.Healthy)
	})
	if err != nil {
		return fmt.Errorf("build api: %w", err)
	}
	working.Go(func() { parts.sweeper(logger).Run(background) })

	return serve(ctx, server{
		addr:      config.Addr,
		pprofAddr: config.PprofAddr,
		api:       httpapi.NewServer(handler),
		stop:      lifecycle.Stop,
		logger:    logger,
	})
}

// opened holds what a service has open while it runs.
type opened struct {
	Resources
	databases *databases
	metrics   *prometheus.Registry
	parting   *closers
}

// openResources opens the databases and collects the resources for parts and roles.
func openResources(ctx context.Context, config Config, composition Composition, bounds pools, logger *slog.Logger) (*opened, error) {
	databases, err := openDatabases(ctx, config, bounds, logger)
	if err != nil {
		return nil, err
	}
	metrics, parting := prometheus.NewRegistry(), &closers{}
	if err := registerCollectors(metrics, databases); err != nil {
		return nil, errors.Join(err, databases.Close())
	}
	return &opened{
		Resources: Resources{
			Config:    config,
			Catalogue: databases.catalogue,
			UserData:  databases.userData,
			Shards:    databases.shards,
			Metrics:   metrics,
			Logger:    logger,
			OnClose:   parting.add,
			changes:   composition.schemaChanges(),
			outbox:    composition.Outbox,
		},
		databases: databases,
		metrics:   metrics,
		parting:   parting,
	}, nil
}

// Close closes what the parts have opened, and then the databases.
func (o *opened) Close() error { return errors.Join(o.parting.close(), o.databases.Close()) }

func newLogger(config Config) *slog.Logger {
	output := config.LogOutput
	if output == nil {
		output = os.Stdout
	}
	handler := slog.NewJSONHandler(output, &slog.HandlerOptions{Level: config.LogLevel})
	return slog.New(handler).With("instance", config.Instance)
}

func registerCollectors(metrics *prometheus.Registry, databases *databases) error {
	all := []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	}
	if databases.userData == databases.catalogue {
		all = append(all, collectors.NewDBStatsCollector(databases.catalogue, "bytebites"))
	} else {
		all = append(all,
			collectors.NewDBStatsCollector(databases.catalogue, "catalogue"),
			collectors.NewDBStatsCollector(databases.userData, "userdata"))
	}
	for i, shard := range databases.shards {
		all = append(all, collectors.NewDBStatsCollector(shard, fmt.Sprintf("shard%d", i+1)))
	}
	for _, collector := range all {
		if err := metrics.Register(collector); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

func migrate(ctx context.Context, r Resources) error {
	if err := r.ForSchema(ctx, r.Catalogue, postgres.MigrateCatalogue); err != nil {
		return fmt.Errorf("migrate catalogue: %w", err)
	}
	if err := r.ForSchema(ctx, r.UserData, postgres.MigrateUserData); err != nil {
		return fmt.Errorf("migrate user data: %w", err)
	}
	return applySchemaChanges(ctx, r, r.changes)
}

// parts are all parts of the API.
type parts struct {
	Parts
	sessions bytebites.Sessions
	checkout bytebites.Checkout
	payments bytebites.Payments
}

func compose(r Resources, c Composition) (p parts, err error) {
	if p.Parts, err = buildParts(r, c); err != nil {
		return parts{}, err
	}
	sessions, err := c.Sessions(r)
	if err != nil {
		return parts{}, fmt.Errorf("build sessions: %w", err)
	}
	p.sessions = p.cache.Sessions(sessions)
	if p.checkout, err = c.Checkout(r, p.Steps); err != nil {
		return parts{}, fmt.Errorf("build checkout: %w", err)
	}
	if p.payments, err = c.Payments(r, p.Parts); err != nil {
		return parts{}, fmt.Errorf("build payments: %w", err)
	}
	return p, nil
}

func (p parts) api(r Resources, metrics *prometheus.Registry, ready func(context.Context) error) (http.Handler, error) {
	return httpapi.New(p.apiConfig(r, metrics, ready))
}

func (p parts) apiConfig(r Resources, metrics *prometheus.Registry, ready func(context.Context) error) httpapi.Config {
	return httpapi.Config{
		Catalogue:      p.Catalogue,
		Stock:          p.Stock,
		Directory:      p.Directory,
		Sessions:       p.sessions,
		Profiles:       p.Profiles,
		Carts:          p.Carts,
		Ratings:        p.Ratings,
		Orders:         p.Orders,
		Weeks:          p.Weeks,
		Recommender:    p.Recommender,
		Checkout:       p.checkout,
		Payments:       p.payments,
		Instance:       r.Config.Instance,
		StaffToken:     r.Config.StaffToken,
		PaymentSecret:  r.Config.PaymentSecret,
		DemoEmail:      r.Config.DemoEmail,
		DemoPassword:   r.Config.DemoPassword,
		TrustedProxies: r.Config.TrustedProxies,
		SessionTTL:     r.Config.SessionTTL,
		SecureCookies:  r.Config.SecureCookies,
		RequestTimeout: checkout.RequestTimeout,
		Logger:         r.Logger,
		Registry:       metrics,
		Ready:          ready,
	}
}

func (p parts) sweeper(logger *slog.Logger) *checkout.Sweeper {
	return &checkout.Sweeper{
		Stock:  p.Stock,
		Orders: p.Orders,
		Logger: logger,
		MinAge: sweepMinAge,
		Every:  sweepEvery,
		Limit:  sweepLimit,
	}
}
