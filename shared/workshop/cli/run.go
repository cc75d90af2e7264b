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
)

// app is one run of the command.
type app struct {
	*ui
	env  []string
	host host
}

// Run runs one verb and returns the exit code: that of a verdict (0 pass, 1 not yet,
// 2 inconclusive, 3 environment), 64 for a command that cannot be understood, or 130
// when ctx ended. Results go to stdout, everything else to stderr. Env, as os.Environ
// returns it, is what the verb and the programs that it runs see.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return run(ctx, args, stdin, stdout, stderr, env, thisHost{})
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string, h host) int {
	color, yes := true, false
	a := &app{
		ui:   &ui{in: stdin, out: stdout, err: stderr, color: &color, yes: &yes, getenv: lookup(env)},
		env:  env,
		host: h,
	}
	started := false
	root := a.root(&started)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !started {
		err = usageError{err} // cobra's own errors have no type
	}
	a.explain(ctx, err)
	return exitCode(ctx, err)
}

// lookup is os.Getenv on a list; of a variable given twice the last counts.
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

// explain shows an error with what to do about it.
func (a *app) explain(ctx context.Context, err error) {
	s := a.styles(a.err)
	var verdict verdictError
	var exit exitError
	var usage usageError
	var missing *engine.Unavailable
	switch {
	case ctx.Err() != nil:
		a.notef("\nInterrupted. What was started is stopped; what could not be is swept by the next start.\n")
	case err == nil, errors.As(err, &verdict), errors.As(err, &exit):
	case errors.As(err, &usage):
		a.notef("%s %s\n", s.Bad.Render("Error:"), strings.TrimSpace(usage.Error()))
		a.nextOn(a.err, "go tool workshop -h")
	case errors.As(err, &missing):
		a.notef("\n%s %s\n", s.Bad.Render("Problem:"), missing.Problem)
		if missing.Err != nil {
			a.notef("   Seen: %s\n", strings.ReplaceAll(missing.Err.Error(), "\n", "\n         "))
		}
		if missing.Remedy != "" {
			a.notef("  To do: %s\n", missing.Remedy)
		}
		a.nextOn(a.err, "go tool workshop doctor   (checks everything that the workshop needs)")
	default:
		a.notef("\n%s %v\n", s.Bad.Render("Error:"), err)
		a.nextOn(a.err, "go tool workshop doctor   (checks everything that the workshop needs)")
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
		return workshop{}, fmt.Errorf("working folder: %w", err)
	}
	return findWorkshop(dir)
}

func (a *app) root(started *bool) *cobra.Command {
	noColor := false
	root := &cobra.Command{
		Use:   "workshop",
		Short: "Scale ByteBites, and prove what each step bought",
		Long: `Take the slow monolith of a meal-kit service through its scaling fixes and, at
each one, prove with a measurement on your own machine what it bought.

Exit codes: 0 pass, 1 not yet, 2 inconclusive, 3 the environment is at fault,
64 the command cannot be understood, 130 interrupted.`,
		Example: `  go tool workshop tour           the whole story once, every number measured
  go tool workshop list           the labs and where you are
  go tool workshop check 00       run a lab's checks on your code
  go tool workshop up             a storefront to click through`,
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
	root.PersistentFlags().BoolVarP(a.yes, "yes", "y", false, "answer every question with yes (CI=true does too)")
	root.PersistentFlags().BoolVar(&noColor, "no-color", false, "no colours and no live lines (NO_COLOR does too)")
	root.AddCommand(
		a.doctor(), a.list(), a.check(), a.hint(), a.tour(),
		a.up(), a.down(), a.shell(), a.images(), a.verify(), a.report(),
		a.branches(),
	)
	return root
}
