package cli

import (
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/testbed/images"
)

// opened is a server of the stack that `shell` opens a program in.
type opened struct {
	program []string
	profile string // that brings the server; empty when all do
}

// shells are the servers by their names in docker-compose.yml.
func shells() map[string]opened {
	psql := []string{"psql", "-U", images.DatasetUser, "-d", images.DatasetDatabase}
	all := map[string]opened{
		"postgres":     {program: psql},
		"redis":        {program: []string{"redis-cli"}, profile: "cache"},
		"rabbitmq":     {program: []string{"rabbitmqctl"}, profile: queueProfile},
		userDataServer: {program: psql, profile: shardingProfile},
	}
	for _, name := range shardServers() {
		all[name] = opened{program: psql, profile: shardingProfile}
	}
	return all
}

func (a *app) shell() *cobra.Command {
	return &cobra.Command{
		Use:   "shell SERVER [-- ARGS]",
		Short: "Open psql or redis-cli in the running stack, or ask the broker",
		Long: `Open psql or redis-cli inside a container of the stack that ` + "`up`" + ` started: postgres,
redis, and with profile sharding userdata, the server of before, and shard-1 to
shard-4. With profile queue there is rabbitmq, whose rabbitmqctl takes its question on
the command line. Words after -- are passed on, and the exit code is the program's.`,
		Example: `  go tool workshop shell postgres
  go tool workshop shell postgres -- -c 'select count(*) from orders'
  go tool workshop shell redis -- info stats          with profile cache
  go tool workshop shell shard-1                      with profile sharding
  go tool workshop shell rabbitmq -- list_queues      with profile queue`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || shells()[args[0]].program == nil {
				return usagef("shell wants postgres, redis, rabbitmq, %s or shard-1 to shard-%d", userDataServer, shards)
			}
			return nil
		},
		ValidArgs: slices.Sorted(maps.Keys(shells())),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			service, rest := args[0], args[1:]
			server := shells()[service]
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
				return unavailable(service+" is not running", strings.TrimSpace("run: go tool workshop up "+server.profile))
			}
			words := []string{"exec"}
			if !isTerminal(a.in) || !isTerminal(a.out) {
				words = append(words, "-T")
			}
			words = append(append(append(words, service), server.program...), rest...)
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
