package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/userenv"
	"bytebites.example/workshop/shared/workshop/course"
)

// app is one run of the command.
type app struct {
	*ui
	env    []string
	host   host
	course course.Course
}

// Run runs one verb and returns the exit code: 0 pass, 1 not yet, 2 inconclusive,
// 3 environment, 64 for a wrong command line, or 130 when ctx ended. Results go to stdout,
// everything else to stderr. Env is the user's environment, as os.Environ returns it. The verb and
// the programs that it runs see only the variables that userenv honours.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return RunCourse(ctx, course.Labs(), args, stdin, stdout, stderr, env)
}

// RunCourse is Run with another table of labs.
func RunCourse(ctx context.Context, labs course.Course, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return run(ctx, labs, args, stdin, stdout, stderr, env, thisHost{})
}

func run(ctx context.Context, labs course.Course, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string, h host) int {
	env = userenv.Clean(env)
	color, yes := true, false
	a := &app{
		ui:     &ui{in: stdin, out: stdout, err: stderr, color: &color, yes: &yes, getenv: lookup(env)},
		env:    env,
		host:   h,
		course: labs,
	}
	started := false
	root := a.root(&started)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	verb, err := root.ExecuteContextC(ctx)
	if err != nil && !started {
		err = usageError{err} // cobra's own errors have no type
	}
	a.explain(ctx, err, verb.CommandPath()+" -h")
	return exitCode(ctx, err)
}

// lookup returns os.Getenv for a list. If a variable is in it twice, the last one counts.
func lookup(env []string) func(string) string {
	return func(key string) string {
		for i := len(env) - 1; i >= 0; i-- {
			if value, ok := strings.CutPrefix(env[i], key+"="); ok {
				return value
			}
		}
		return ""
	}
}

// explain shows an error with its remedy. Help is the command that prints the help of the verb.
func (a *app) explain(ctx context.Context, err error, help string) {
	s := a.styles(a.err)
	var verdict verdictError
	var exit exitError
	var usage usageError
	var missing *engine.Unavailable
	switch {
	case ctx.Err() != nil:
		a.notef("\nInterrupted. The containers are stopped; the next run removes any that are left.\n")
	case err == nil, errors.As(err, &verdict), errors.As(err, &exit):
	case errors.As(err, &usage):
		a.notef("%s %s\n", s.Bad.Render("Error:"), strings.TrimSpace(usage.Error()))
		a.nextOn(a.err, help)
	case errors.As(err, &missing):
		a.problem(missing)
		a.nextOn(a.err, "go tool workshop doctor   (checks the machine)")
	default:
		a.notef("\n%s %v\n", s.Bad.Render("Error:"), err)
		a.nextOn(a.err, "go tool workshop doctor   (checks the machine)")
	}
}

// problem shows a failure of the machine, with its cause and its remedy.
func (a *app) problem(missing *engine.Unavailable) {
	a.notef("\n%s %s\n", a.styles(a.err).Bad.Render("Problem:"), missing.Problem)
	if missing.Err != nil {
		a.notef("   Seen: %s\n", strings.ReplaceAll(missing.Err.Error(), "\n", "\n         "))
	}
	if missing.Remedy != "" {
		a.notef("  To do: %s\n", missing.Remedy)
	}
}

// progress returns a reporter on stderr.
func (a *app) progress() *progress.Reporter {
	if !*a.color {
		return progress.New(a.err, progress.Live(false, 0))
	}
	return progress.New(a.err)
}

func (a *app) workshop() (workshop, error) {
	dir, err := os.Getwd()
	if err != nil {
		return workshop{}, fmt.Errorf("find the working folder: %w", err)
	}
	return findWorkshop(dir, a.course)
}

func (a *app) root(started *bool) *cobra.Command {
	noColor := false
	root := &cobra.Command{
		Use:   "workshop",
		Short: "Scale ByteBites and measure the gain of each step",
		Long: `Scale the slow monolith of a meal-kit service, one fix at a time, and measure on your
own machine how much each fix gains.

Exit codes: 0 pass, 1 not yet, 2 inconclusive, 3 the environment is at fault,
64 the command line is wrong, 130 interrupted.`,
		Example: `  go tool workshop tour           runs the whole story and measures every number
  go tool workshop list           shows the labs and their state
  go tool workshop watch 00       checks your code of a step again at each save
  go tool workshop check 00       checks your code of a lab
  go tool workshop up             starts a storefront to try`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "go tool workshop"},
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			*started = true
			*a.color = !noColor
			if a.getenv("CI") == "true" {
				*a.yes = true
			}
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVarP(a.yes, "yes", "y", false, "answer every question with yes (so does CI=true)")
	root.PersistentFlags().BoolVar(&noColor, "no-color", false, "no colours and no live lines (so does NO_COLOR)")
	root.AddCommand(
		a.doctor(), a.list(), a.check(), a.watch(), a.hint(), a.solution(), a.reset(), a.tour(),
		a.up(), a.down(), a.shell(), a.rush(), a.images(), a.verify(), a.report(),
		a.branches(),
	)
	return root
}
