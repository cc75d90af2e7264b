// Command rush sends a load to a ByteBites on this machine and prints how it was answered. It is
// the program behind `go tool workshop rush`, which checks the options and finds the address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/cmd/program"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
)

func main() {
	program.Main("rush", func(ctx context.Context, args []string) error {
		return run(ctx, os.Stdout, progress.Stderr(), args)
	})
}

// options say what to send, and where to.
type options struct {
	url      string
	mix      string
	rate     float64 // requests a second
	duration time.Duration
	people   int
}

func run(ctx context.Context, out io.Writer, p *progress.Reporter, args []string) error {
	var o options
	flags := flag.NewFlagSet("rush", flag.ContinueOnError)
	flags.StringVar(&o.url, "url", "", "base URL of the service, on a loopback address")
	flags.StringVar(&o.mix, "mix", "dinner", "dinner, orders, browse or writes")
	flags.Float64Var(&o.rate, "rate", 0, "requests a second")
	flags.DurationVar(&o.duration, "for", 0, "length")
	flags.IntVar(&o.people, "people", 0, "how many subscribers sign in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	mix, err := mixNamed(o.mix)
	if err != nil {
		return err
	}
	result, err := o.send(ctx, p, mix)
	if err != nil {
		return err
	}
	return report(out, result)
}

// mixNamed returns a mix by the name that the command line gives it.
func mixNamed(name string) (load.Mix, error) {
	switch name {
	case "dinner":
		return load.Dinner(), nil
	case "orders":
		return load.Orders(), nil
	case "browse":
		return load.Browse(), nil
	case "writes":
		return load.UserWrites(), nil
	default:
		return load.Mix{}, fmt.Errorf("mix %q: want dinner, orders, browse or writes", name)
	}
}

func (o options) send(ctx context.Context, p *progress.Reporter, mix load.Mix) (load.Result, error) {
	reading := p.Step("read the catalogue of %s", o.url)
	population, err := load.Discover(ctx, o.url)
	reading.End(err)
	if err != nil {
		return load.Result{}, err
	}
	emails := make([]string, o.people)
	for i := range emails {
		emails[i] = seed.Email(1 + i)
	}
	signing := p.Step("sign %d subscribers in", o.people)
	population.Sessions, err = load.Login(ctx, o.url, seed.Password, emails)
	signing.End(err)
	if err != nil {
		return load.Result{}, fmt.Errorf("sign in: %w", err)
	}
	sending := p.Step("send %g requests a second for %v", o.rate, o.duration)
	// The seed changes with each run, so that two runs do not send the same people's requests.
	generator := load.Generator{Target: o.url, Mix: mix, Population: population, Seed: uint64(time.Now().UnixNano())}
	result, err := generator.Hit(ctx, o.rate, o.duration)
	sending.End(err)
	return result, err
}

// report prints the result. Times are from the intended time of sending, as in every check.
func report(out io.Writer, r load.Result) error {
	var errs []error
	printf := func(format string, args ...any) {
		_, err := fmt.Fprintf(out, format, args...)
		errs = append(errs, err)
	}
	printf("\n%-24s %6s %8s %7s %9s %9s %9s %9s\n", "request", "sent", "answered", "failed", "mean", "p50", "p95", "p99")
	row := func(name string, sent, completed, failed int, latency *load.Histogram) {
		printf("%-24s %6d %8d %7d %9s %9s %9s %9s\n", name, sent, completed, failed,
			inMillis(latency.Mean()), inMillis(latency.Quantile(0.50)), inMillis(latency.Quantile(0.95)), inMillis(latency.Quantile(0.99)))
	}
	kinds := make([]load.Kind, 0, len(r.Kinds))
	for kind := range r.Kinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		k := r.Kinds[kind]
		row(string(kind), k.Sent, k.Completed, k.Failed, k.Latency)
	}
	row("all", r.Sent, r.Completed, r.Failed, r.Latency)
	printf("\n%.1f requests/s offered, %.1f requests/s answered rightly within %v; %.1f %% failed\n",
		r.OfferedRate(), r.Goodput(), r.Window, 100*r.FailureShare())
	if r.OutOfStock > 0 {
		printf("%d orders were refused because a meal was out of stock, which is a right answer\n", r.OutOfStock)
	}
	causes := make([]string, 0, len(r.Failures))
	for cause := range r.Failures {
		causes = append(causes, cause)
	}
	slices.Sort(causes)
	for _, cause := range causes {
		printf("failed: %5d  %s\n", r.Failures[cause], cause)
	}
	printf("the generator sent its requests up to %s late (p99); %.1f of %d cores were idle\n",
		inMillis(r.Lateness.Quantile(0.99)), r.Host.IdleCores(), r.Host.CPUs)
	if r.Host.IdleCores() < scarceCores {
		printf("this machine had no processor time left, so its own limit may have made the service slow\n")
	}
	return errors.Join(errs...)
}

// scarceCores is the idle share of a core, in cores, below which the machine itself may be the
// bottleneck.
const scarceCores = 0.1

func inMillis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
