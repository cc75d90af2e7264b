package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
	"bytebites.example/workshop/shared/workshop/cli/stack"
	"bytebites.example/workshop/shared/workshop/cli/subprocess"
	"bytebites.example/workshop/shared/workshop/lab"
)

const tourPackage = "./solutions/tour"

// tourImages are those that the tour starts servers from. Labs need more, which nobody who has
// come to see the story should wait for.
func tourImages() []images.Name {
	return []images.Name{images.Postgres, images.Static, images.Nginx, images.Redis, images.RabbitMQ}
}

func (a *app) tour() *cobra.Command {
	return &cobra.Command{
		Use:   "tour",
		Short: "The whole story once, every number measured here",
		Long: `Take the slow ByteBites through the labs' solutions on real servers, send each step
the same dinner rush, let a machine die in the middle of it, and print what was
measured on this machine. The first time sets up all that is missing: the images
(built from Debian packages where no registry can be reached) and, as root on Debian
and only when you say yes, the Docker engine.`,
		Example: "  go tool workshop tour\n  go tool workshop tour --yes   asks nothing",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runTour(cmd.Context()) },
	}
}

func (a *app) runTour(ctx context.Context) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	scratch, remove, err := w.scratch()
	if err != nil {
		return err
	}
	defer remove()
	p := a.progress()
	binary := filepath.Join(scratch, "tour")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	platform, err := a.host.reach(ctx, a, p)
	if err != nil {
		return err
	}
	// Unpacking packages and seeding leave a core to the compiler, and on a fresh
	// machine each of the two takes minutes.
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error { return a.host.prepare(both, a, p, tourImages(), seed.Full(), seed.Small()) })
	group.Go(func() error {
		// One after the other: both have most packages in common, and two go commands at a time
		// compile each of them twice.
		if err := a.compile(both, w, p, "build", "-o", binary, tourPackage); err != nil {
			return err
		}
		return a.host.buildAhead(both, p, platform, stack.ServicePackage, stack.MailSinkPackage)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	// A place that outlives the run: the numbers are the point of it.
	file := w.path(stateDir, "tour.json")
	c := subprocess.Command{
		Dir: w.root, Env: append(append([]string{}, a.env...), lab.EnvResult+"="+file),
		Stdout: a.out, Stderr: a.err,
	}
	err = c.Run(ctx, binary)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return verdictError{fromExitCode(exit.ExitCode())} // the tour has said why
	}
	if err != nil {
		return fmt.Errorf("tour: %w", err)
	}
	a.next(
		"go tool workshop up      order a dinner from the slow ByteBites yourself",
		"go tool workshop list    then take it apart, lab by lab",
	)
	return nil
}

// fromExitCode is the reverse of lab.Verdict.ExitCode.
func fromExitCode(code int) lab.Verdict {
	for _, v := range []lab.Verdict{lab.Pass, lab.NotYet, lab.Inconclusive} {
		if v.ExitCode() == code {
			return v
		}
	}
	return lab.Environment
}
