package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Role is a job that the program does instead of serving the API: a Job or a PartsJob.
//
// A role returns when its job is done, or soon after ctx has ended. It gets the arguments that
// follow the flags. It listens on no port; RunRole serves its metrics on Config.MetricsAddr. It
// changes a schema only by calling Resources.PrepareUserData and Resources.ForSchema.
type Role interface {
	run(ctx context.Context, r Resources, c Composition, args []string) error
	// pools returns the bounds of its connections. The composition has the pool that they are made of.
	pools(composed postgres.PoolConfig) pools
}

// Job is a role that needs only the resources. The composition's parts are not built for it, so
// it runs without the servers that they need.
type Job func(ctx context.Context, r Resources, args []string) error

func (j Job) run(ctx context.Context, r Resources, _ Composition, args []string) error {
	return j(ctx, r, args)
}

func (j Job) pools(composed postgres.PoolConfig) pools { return jobPools(composed) }

// PartsJob is a role that works with the parts of the API. They are built before it runs.
type PartsJob func(ctx context.Context, r Resources, p Parts, args []string) error

func (j PartsJob) run(ctx context.Context, r Resources, c Composition, args []string) error {
	parts, err := buildParts(r, c)
	if err != nil {
		return err
	}
	return j(ctx, r, parts, args)
}

func (j PartsJob) pools(composed postgres.PoolConfig) pools { return partsPools(composed) }

// usageError is a wrong argument that the flags could not detect.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// findRole returns the role of that name.
func findRole(composition Composition, name string) (Role, error) {
	if role, ok := composition.Roles[name]; ok {
		return role, nil
	}
	names := strings.Join(slices.Sorted(maps.Keys(composition.Roles)), ", ")
	if names == "" {
		names = "none"
	}
	return nil, &usageError{text: fmt.Sprintf("--role %s: unknown role; known roles: %s", name, names)}
}

// RunRole runs a role until it returns, and returns its error. It opens the databases as for the
// API, but changes no schema. It serves only metrics, on Config.MetricsAddr.
func RunRole(ctx context.Context, config Config, composition Composition, name string, args []string) (err error) {
	role, err := findRole(composition, name)
	if err != nil {
		return err
	}
	logger := newLogger(config).With("role", name)
	opened, err := openResources(ctx, config, composition, role.pools(composition.Pool), logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if config.MetricsAddr != "" {
		stop, err := serveMetrics(ctx, config.MetricsAddr, opened.metrics, logger)
		if err != nil {
			return err
		}
		defer func() { _ = stop() }()
	}
	return role.run(ctx, opened.Resources, composition, args)
}
