package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/subprocess"
)

// rushPackage is the program that sends the load. It is compiled when it is used, so that the
// command itself stays quick to compile.
const rushPackage = "./shared/cmd/rush"

// The bounds and defaults of a rush. The load generator has higher bounds of its own.
const (
	defaultRushRate     = 10
	maxRushRate         = 2000
	defaultRushDuration = 10 * time.Second
	maxRushDuration     = 5 * time.Minute
	defaultRushPeople   = 20
	maxRushPeople       = 1000
)

// rushMixes are the names of the mixes of requests, the default first.
func rushMixes() []string { return []string{"dinner", "orders", "browse", "writes"} }

// rushOptions are the flags of rush.
type rushOptions struct {
	rate     float64
	duration time.Duration
	mix      string
	people   int
}

func (a *app) rush() *cobra.Command {
	var o rushOptions
	cmd := &cobra.Command{
		Use:   "rush [URL]",
		Short: "Send the load of the checks to the running stack, and print its latencies",
		Long: `Send the open-loop load of the checks to the stack of 'up', or to another ByteBites on
this machine, and print how it was answered. Requests go out on a fixed schedule, also
while earlier ones wait. Latency counts from the intended time of sending.

Subscribers of the seeded data sign in first. Orders are real orders: 'down' removes
their data with the stack.

The mixes: dinner (people look, choose and order), orders (85 % orders), browse (reads
of the catalogue) and writes (carts, preferences, addresses, ratings).`,
		Example: `  go tool workshop rush                                 10 requests a second for 10 s
  go tool workshop rush --rate 60 --for 20s --mix orders
  go tool workshop rush http://127.0.0.1:8080 --mix browse`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return a.runRush(cmd.Context(), args, o)
		},
	}
	cmd.Flags().Float64Var(&o.rate, "rate", defaultRushRate, "requests a second")
	cmd.Flags().DurationVar(&o.duration, "for", defaultRushDuration, "how long, such as 20s")
	cmd.Flags().StringVar(&o.mix, "mix", rushMixes()[0], strings.Join(rushMixes(), ", "))
	cmd.Flags().IntVar(&o.people, "people", defaultRushPeople, "how many subscribers sign in")
	return cmd
}

func (o rushOptions) validate() error {
	switch {
	case !(o.rate > 0) || o.rate > maxRushRate:
		return usagef("--rate %g: want more than 0 and at most %d requests a second", o.rate, maxRushRate)
	case o.duration <= 0 || o.duration > maxRushDuration:
		return usagef("--for %v: want more than 0 and at most %v", o.duration, maxRushDuration)
	case !slices.Contains(rushMixes(), o.mix):
		return usagef("--mix %q: want one of %s", o.mix, strings.Join(rushMixes(), ", "))
	case o.people < 1 || o.people > maxRushPeople:
		return usagef("--people %d: want 1 to %d", o.people, maxRushPeople)
	}
	return nil
}

// loopbackURL returns the base URL that a user gave, without a slash at its end.
func loopbackURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return "", usagef("%q is no address of a service: want one such as http://127.0.0.1:8080", text)
	}
	if host := u.Hostname(); host != "localhost" {
		if address, err := netip.ParseAddr(host); err != nil || !address.IsLoopback() {
			return "", usagef("%q is not on this machine: a rush goes to loopback addresses only", text)
		}
	}
	return strings.TrimSuffix(text, "/"), nil
}

func (a *app) runRush(ctx context.Context, args []string, o rushOptions) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	var target string
	if len(args) > 0 {
		target, err = loopbackURL(args[0])
	} else {
		target, err = a.stack(w).Storefront(ctx)
	}
	if err != nil {
		return fromStack(err)
	}
	scratch, remove, err := w.scratch()
	if err != nil {
		return err
	}
	defer remove()
	binary := filepath.Join(scratch, "rush")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if err := a.compile(ctx, w, a.progress(), "build", "-o", binary, rushPackage); err != nil {
		return err
	}
	err = subprocess.Command{Dir: w.root, Env: a.env, Stdout: a.out, Stderr: a.err}.Run(ctx, binary,
		"-url", target, "-mix", o.mix, "-rate", strconv.FormatFloat(o.rate, 'g', -1, 64), "-for", o.duration.String(), "-people", strconv.Itoa(o.people))
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return unavailable("the service at "+target+" could not be sent the load: the cause is above",
			"look whether it runs and has the seeded data: go tool workshop up")
	}
	if err != nil {
		return fmt.Errorf("rush: %w", err)
	}
	a.next("go tool workshop rush --rate R    send more, until it breaks")
	return nil
}
