package cli

import (
	"context"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/testbed/engine"
)

func (a *app) down() *cobra.Command {
	return &cobra.Command{
		Use:     "down",
		Short:   "Stop the stack and remove its containers, networks and data",
		Long:    "Stop what `up` started and remove its containers, networks and volumes, and with\nthem the orders you placed. Images and .env stay, so that the next `up` is quick.",
		Example: "  go tool workshop down",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.workshop()
			if err != nil {
				return err
			}
			c, err := a.stack(cmd.Context(), w)
			if err != nil {
				return err
			}
			if err := c.run(cmd.Context(), everyProfile(), "down", "--volumes", "--remove-orphans"); err != nil {
				return err
			}
			a.next("go tool workshop up     starts it afresh", "go tool workshop list   shows the labs")
			return nil
		},
	}
}

// stack returns the compose tool for a stack that may be running: no images are needed,
// and no .env either.
func (a *app) stack(ctx context.Context, w workshop) (*compose, error) {
	e, err := engine.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = e.Close() }()
	file, err := readEnvFile(w.path(".env"))
	if err != nil {
		return nil, err
	}
	return a.findCompose(ctx, w, append(a.placeholders(file), engineFor(e.Host())...)...)
}
