package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

// tourImages are the images that the tour needs. Labs need more, but a user who wants to see the
// tour should not wait for those.
func tourImages() []images.Name {
	return []images.Name{images.Postgres, images.Static, images.Nginx, images.Redis, images.RabbitMQ}
}

func (a *app) tour() *cobra.Command {
	only := ""
	cmd := &cobra.Command{
		Use:   "tour",
		Short: "Play the story and measure its claims on this machine",
		Long: `Play the story of ByteBites on real servers: from the slow monolith to replicas, a
cache, a queue and shards. Each claim of the story gets the load under which its
bottleneck rules. The table at the end shows the story's figure beside what was
measured before and after, and whether the claim holds here. The first run sets up
everything that is missing: the images (built from Debian packages if no registry can
be reached), and as root on Debian the Docker engine, if you agree.`,
		Example: "  go tool workshop tour\n" +
			"  go tool workshop tour --only replicas,cache   plays two parts of the story\n" +
			"  go tool workshop tour --yes                   asks no question",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runTour(cmd.Context(), only) },
	}
	cmd.Flags().StringVar(&only, "only", "", "play these `parts` of the story, with commas between them")
	return cmd
}

func (a *app) runTour(ctx context.Context, only string) error {
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
	// On a fresh machine the images and the compiler each take minutes. Making images leaves a
	// core to the compiler, so they run side by side.
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error { return a.host.prepare(both, a, p, tourImages(), seed.Full(), seed.Small()) })
	group.Go(func() error {
		// One after the other, because the programs share most packages, and two go commands at a
		// time would compile each of those twice.
		if err := a.compile(both, w, p, "build", "-o", binary, tourPackage); err != nil {
			return err
		}
		return a.host.buildAhead(both, p, platform, stack.ServicePackage, stack.MailSinkPackage)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	// The numbers are kept after the run. A page of an earlier run would not show them.
	file := w.path(stateDir, "tour.json")
	if err := os.Remove(pageFile(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return w.notWritable(err)
	}
	c := subprocess.Command{
		Dir: w.root, Env: append(append([]string{}, a.env...), lab.EnvResult+"="+file),
		Stdout: a.out, Stderr: a.err,
	}
	err = notStarted(binary, c.Run(ctx, binary, tourArgs(only)...))
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitUsage {
		return usagef("tour --only %s: no such part", only) // the tour has printed the parts
	}
	if errors.As(err, &exit) && exit.Exited() {
		return verdictError{fromExitCode(exit.ExitCode())} // the tour has printed the reason
	}
	if err != nil {
		return fmt.Errorf("tour: %w", err)
	}
	if page := pageFile(file); fileExists(page) { // the tour writes it beside its numbers
		a.printf("\nPage of the tour: %s\n", w.short(page))
	}
	a.next(
		"go tool workshop up      order a dinner from the slow ByteBites yourself",
		"go tool workshop list    then improve it, lab by lab",
	)
	return nil
}

// tourArgs are the arguments of the tour's program.
func tourArgs(only string) []string {
	if only == "" {
		return nil
	}
	return []string{"--only=" + only}
}

// fromExitCode returns the verdict of an exit code; see lab.Verdict.ExitCode.
func fromExitCode(code int) lab.Verdict {
	for _, v := range []lab.Verdict{lab.Pass, lab.NotYet, lab.Inconclusive} {
		if v.ExitCode() == code {
			return v
		}
	}
	return lab.Environment
}
