package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Main is all of a service's main function but os.Exit: it parses the arguments with
// flags (which may have flags of its own, and gets -healthcheck), asks compose for what
// to run, and runs it until SIGINT or SIGTERM. It returns the exit code: 0, 1 for a
// failure, 2 for wrong arguments.
func Main(flags *flag.FlagSet, args []string, stderr io.Writer, compose func() (Composition, error)) int {
	flags.SetOutput(stderr)
	healthcheck := flags.Bool("healthcheck", false, "ask a service on this machine whether it is ready, and exit 0 or 1")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(stderr, "%s: unexpected argument %q\n", flags.Name(), flags.Arg(0))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runOrCheck(ctx, *healthcheck, compose); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", flags.Name(), err)
		return 1
	}
	return 0
}

func runOrCheck(ctx context.Context, healthcheck bool, compose func() (Composition, error)) error {
	if healthcheck {
		e := env{get: os.Getenv}
		return CheckHealth(ctx, e.addr("BYTEBITES_ADDR", defaultAddr))
	}
	composition, err := compose()
	if err != nil {
		return err
	}
	config, err := FromEnv(os.Getenv)
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	return Run(ctx, config, composition)
}

// CheckHealth returns nil when the service that listens on addr on this machine is
// ready. It exists for containers without a shell, whose health check can only be the
// binary itself.
func CheckHealth(ctx context.Context, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("BYTEBITES_ADDR: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort("127.0.0.1", port) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: status %s", response.Status)
	}
	return nil
}
