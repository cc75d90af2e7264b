package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"bytebites.example/workshop/shared/bytebites/client"
)

// Main is all of a service's main function but os.Exit: it parses the arguments with
// flags (which may have flags of its own, and gets -healthcheck and -role), asks compose for
// what to run, and runs it until SIGINT or SIGTERM. With -role, that is a role of the
// composition, which gets the further arguments, and not the API. It returns the exit
// code: 0, 1 for a failure, 2 for wrong arguments.
func Main(flags *flag.FlagSet, args []string, stderr io.Writer, compose func() (Composition, error)) int {
	flags.SetOutput(stderr)
	healthcheck := flags.Bool("healthcheck", false, "ask a service on this machine whether it is ready, and exit 0 or 1")
	role := flags.String("role", "", "do the job of that `name`, with the arguments that follow, in place of serving the API")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *role == "" && flags.NArg() > 0 {
		_, _ = fmt.Fprintf(stderr, "%s: unexpected argument %q\n", flags.Name(), flags.Arg(0))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return runComposed(ctx, *role, flags.Args(), compose) }
	if *healthcheck {
		run = func() error { return checkOwnHealth(ctx) }
	}
	err := run()
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", flags.Name(), err)
	var usage *usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// runComposed runs the API, or a role with its arguments.
func runComposed(ctx context.Context, role string, args []string, compose func() (Composition, error)) error {
	composition, err := compose()
	if err != nil {
		return err
	}
	if role != "" {
		// Before the configuration, whose errors would hide that there is no such role.
		if _, err := findRole(composition, role); err != nil {
			return err
		}
	}
	config, err := FromEnv(os.Getenv)
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	if role != "" {
		return RunRole(ctx, config, composition, role, args)
	}
	return Run(ctx, config, composition)
}

func checkOwnHealth(ctx context.Context) error {
	e := env{get: os.Getenv}
	return CheckHealth(ctx, e.addr("BYTEBITES_ADDR", defaultAddr))
}

// CheckHealth returns nil when the service that listens on addr on this machine is
// ready. It exists for containers without a shell, whose health check can only be the
// binary itself.
func CheckHealth(ctx context.Context, addr string) error {
	if err := client.ProbeLocal(ctx, addr, "/readyz"); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	return nil
}
