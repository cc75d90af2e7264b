package cli

import (
	"errors"
	"os/exec"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/stack"
)

func (a *app) shell() *cobra.Command {
	return &cobra.Command{
		Use:   "shell SERVER [-- ARGS]",
		Short: "Open psql, redis-cli or rabbitmqctl in the running stack",
		Long: `Open a client inside a container of the stack that ` + "`up`" + ` started: psql for postgres,
redis-cli for redis, rabbitmqctl for rabbitmq (profile queue). Profile sharding adds
userdata, the server that held user data before the move, and shard-1 to shard-4.
Words after -- are passed on to the client; rabbitmqctl needs them. The exit code is
the client's.`,
		Example: `  go tool workshop shell postgres
  go tool workshop shell postgres -- -c 'select count(*) from orders'
  go tool workshop shell redis -- info stats          with profile cache
  go tool workshop shell shard-1                      with profile sharding
  go tool workshop shell rabbitmq -- list_queues      with profile queue`,
		Args:      func(_ *cobra.Command, args []string) error { return fromStack(stack.NeedServer(args)) },
		ValidArgs: stack.Servers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := a.workshop()
			if err != nil {
				return err
			}
			err = a.stack(w).Shell(cmd.Context(), args[0], args[1:]...)
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return exitError{exit.ExitCode()} // the client has printed the reason
			}
			if err != nil {
				return fromStack(err)
			}
			a.nextOn(a.err, "go tool workshop down   stops and removes the stack")
			return nil
		},
	}
}
