package cli

import (
	"errors"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/images"
)

// shells are the programs that `shell` opens, by service.
func shells() map[string][]string {
	return map[string][]string{
		"postgres": {"psql", "-U", images.DatasetUser, "-d", images.DatasetDatabase},
		"redis":    {"redis-cli"},
	}
}

func (a *app) shell() *cobra.Command {
	return &cobra.Command{
		Use:   "shell postgres|redis [-- ARGS]",
		Short: "Open psql or redis-cli in the running stack",
		Long:  "Open psql or redis-cli inside the container of the stack that `up` started. Words\nafter -- are passed on, and the exit code is the program's.",
		Example: `  go tool workshop shell postgres
  go tool workshop shell postgres -- -c 'select count(*) from orders'
  go tool workshop shell redis -- info stats          with profile cache`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || shells()[args[0]] == nil {
				return usagef("shell wants postgres or redis")
			}
			return nil
		},
		ValidArgs: []string{"postgres", "redis"},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			service, rest := args[0], args[1:]
			w, err := a.workshop()
			if err != nil {
				return err
			}
			c, err := a.stack(ctx, w)
			if err != nil {
				return err
			}
			running, err := c.running(ctx, everyProfile())
			if err != nil {
				return err
			}
			if !slices.Contains(running, service) {
				if service == "redis" {
					return unavailable("redis is not running", "run: go tool workshop up cache")
				}
				return unavailable(service+" is not running", "run: go tool workshop up")
			}
			words := []string{"exec"}
			if !isTerminal(a.in) || !isTerminal(a.out) {
				words = append(words, "-T")
			}
			words = append(append(append(words, service), shells()[service]...), rest...)
			err = c.attach(ctx, everyProfile(), words...)
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return exitError{exit.ExitCode()} // the program has said why
			}
			if err != nil {
				return err
			}
			a.nextOn(a.err, "go tool workshop down   stops and removes the stack")
			return nil
		},
	}
}
