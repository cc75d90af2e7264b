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

// Main is a service's main function without os.Exit. It parses the arguments with flags, which may
// have flags of its own; Main adds -healthcheck and -role. It runs the composition that compose
// returns until SIGINT or SIGTERM. With -role it runs that role instead of the API, and passes it
// the remaining arguments. It returns the exit code: 0 for success, 1 for a failure, 2 for wrong
// arguments.
func Main(flags *flag.FlagSet, args []string, stderr io.Writer, compose func() (Composition, error)) int {
	flags.SetOutput(stderr)
	healthcheck := flags.Bool("healthcheck", false, "ask the service on this machine whether it is ready, and exit 0 or 1")
	role := flags.String("role", "", "do the job `name` with the remaining arguments, instead of serving the API")
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
		// Check the role before the configuration, whose errors would hide an unknown role.
		if _, err := findRole(composition, role); err != nil {
			return err
		}
	}
	read := FromEnv
	if role != "" {
		read = RoleFromEnv
	}
	config, err := read(os.Getenv)
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

// CheckHealth returns nil if the service that listens on addr on this machine is ready. Its error
// begins with "not ready".
func CheckHealth(ctx context.Context, addr string) error {
	if err := client.ProbeLocal(ctx, addr, "/readyz"); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	return nil
}
