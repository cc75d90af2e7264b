package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// usageError is a wrong argument, found too late for the flags to say so.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// findRole returns the role of that name.
func findRole(composition Composition, name string) (Role, error) {
	if role, ok := composition.Roles[name]; ok {
		return role, nil
	}
	names := strings.Join(slices.Sorted(maps.Keys(composition.Roles)), ", ")
	if names == "" {
		names = "none here"
	}
	return nil, &usageError{text: fmt.Sprintf("--role %s: there are %s", name, names)}
}

// RunRole runs a role until it returns, and returns its error. The databases are opened
// as for the API, but no schema is changed and nothing is served but metrics, on Config.MetricsAddr.
func RunRole(ctx context.Context, config Config, composition Composition, name string, args []string) (err error) {
	role, err := findRole(composition, name)
	if err != nil {
		return err
	}
	logger := newLogger(config).With("role", name)
	opened, err := openResources(ctx, config, composition, rolePools(composition.Pool), logger)
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
	return role(ctx, opened.Resources, args)
}
