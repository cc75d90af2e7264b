package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/cli/stack"
	"bytebites.example/workshop/shared/workshop/lab"
)

func (a *app) up() *cobra.Command {
	options := stack.Options{}
	var labName string
	cmd := &cobra.Command{
		Use:   "up [PROFILE...]",
		Short: "Start ByteBites in containers, with a storefront to try",
		Long: `Build the images, write .env, and start the stack of docker-compose.yml with
docker compose or docker-compose. .env holds the names of the images and random
secrets; secrets that are there are kept. Profiles:

` + stack.DescribeProfiles(a.course) + `
All ports are published on the loopback address only.`,
		Example: `  go tool workshop up                      the baseline
  go tool workshop up monitoring           the baseline with Prometheus and its alerts
  go tool workshop up --lab 00             the baseline with your code of lab 00
  go tool workshop up horizontal           three replicas behind nginx
  go tool workshop up horizontal --lab 02  the replicas with your code and nginx.conf
  go tool workshop up cache monitoring     the replicas with Redis, and Prometheus
  go tool workshop up sharding             user data moves to four shards while you watch
  go tool workshop up queue monitoring     orders with RabbitMQ, a relay and a worker
  go tool workshop up --size small         a small database, ready sooner`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := a.workshop()
			if err != nil {
				return err
			}
			options.Profiles = args
			if labName != "" {
				l, err := w.findLab(labName)
				if err != nil {
					return err
				}
				options.Lab = &stack.Lab{Number: l.Number, Dir: l.Dir()}
			}
			described, err := a.stack(w).Up(cmd.Context(), options)
			var compile *compileError
			if errors.As(err, &compile) && options.Lab != nil && compile.in(options.Lab.Dir) {
				a.printf("\n%s\n", compile.output)
				a.next("correct what the compiler names, then: go tool workshop up --lab " + labName)
				return verdictError{lab.NotYet}
			}
			if err != nil {
				return fromStack(err)
			}
			return a.renderStack(described)
		},
	}
	cmd.Flags().StringVar(&options.Size, "size", "full", "size of the seeded database: full (a million orders) or small")
	cmd.Flags().StringVar(&labName, "lab", "", "run the service of this lab with your code; without a PROFILE, in the profile that fits the lab")
	return cmd
}

// renderStack shows a stack that is up. A move of user data that is not finished is the verdict
// not yet.
func (a *app) renderStack(d stack.Description) error {
	a.printf("\n%s", report.Table([]string{"ByteBites is up", ""}, d.Facts, a.styles(a.out).Bold, nil))
	a.next(d.Next...)
	if d.UnfinishedMove == "" {
		return nil
	}
	a.printf("\nThe stack is up, but the move of user data is not finished. The mover's output above says why.\nTo continue the move:\n  %s\n",
		d.UnfinishedMove)
	return verdictError{lab.NotYet}
}
