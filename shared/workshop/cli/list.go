package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/report"
)

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show the labs, their state and the next step",
		Long:    "Show the labs that are there, what each one teaches, how long it takes, whether\nits starter still marks work for you (a TODO), and what to do next.",
		Example: "  go tool workshop list",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w, err := a.workshop()
			if err != nil {
				return err
			}
			labs, err := w.labs()
			if err != nil {
				return err
			}
			if len(labs) == 0 {
				a.printf("No labs in %s.\n", w.path("labs"))
				a.next("go tool workshop tour")
				return nil
			}
			a.renderLabs(labs)
			return nil
		},
	}
}

func (a *app) renderLabs(labs []folder) {
	s := a.styles(a.out)
	var rows [][]string
	var open *folder
	for i, l := range labs {
		state := s.Good.Render("no TODO left")
		if len(l.Todos) > 0 {
			state = s.Doubt.Render(fmt.Sprintf("%d TODO", len(l.Todos)))
			if open == nil {
				open = &labs[i]
			}
		}
		rows = append(rows, []string{l.ID(), state, fmt.Sprintf("%d min", l.Minutes), l.Heading()})
	}
	a.printf("%s", report.Table([]string{"lab", "state", "time", "title"}, rows, s.Faint, map[int]bool{2: true}))
	for _, l := range labs {
		if l.Outcome != "" {
			a.printf("\n%s %s\n", s.Bold.Render(l.ID()), l.Outcome)
		}
	}
	if open == nil {
		last := labs[len(labs)-1]
		a.next("no lab marks work any more; prove it: go tool workshop check " + last.ID())
		return
	}
	a.next(
		fmt.Sprintf("read %s/README.md, then work on %s/%s", open.Dir(), open.Dir(), open.Todos[0]),
		"go tool workshop check "+open.ID(),
	)
}
