package cli

import "github.com/spf13/cobra"

func (a *app) down() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the stack and remove its containers, networks and data",
		Long: "Stop the stack of `up` and remove its containers, networks and volumes. The orders\n" +
			"that you placed are removed too. Images and .env stay, so that the next `up` is quick.",
		Example: "  go tool workshop down",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.workshop()
			if err != nil {
				return err
			}
			if err := a.stack(w).Down(cmd.Context()); err != nil {
				return fromStack(err)
			}
			a.next("go tool workshop up     starts the stack afresh", "go tool workshop list   shows the labs")
			return nil
		},
	}
}
