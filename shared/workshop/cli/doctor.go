package cli

import (
	"context"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check that this machine can run the workshop, and name the remedies",
		Long: `Check everything that the workshop needs of this machine: the engine and the
permission to use it, disk, memory, ports, CPU quotas, the registry, Go and the
compose tool. Each problem is printed with its remedy. As root on Debian, doctor sets
up a missing engine, if you agree.

Exit codes: 0 the labs can run, 3 they cannot.`,
		Example: "  go tool workshop doctor\n  go tool workshop doctor --yes   sets up a missing engine without asking",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runDoctor(cmd.Context()) },
	}
}

func (a *app) runDoctor(ctx context.Context) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	findings, err := a.examine(ctx, w)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.renderFindings(findings)
	for _, f := range findings {
		if f.Status == engine.Fail {
			a.next("follow the remedies above, then: go tool workshop doctor")
			return verdictError{lab.Environment}
		}
	}
	a.next("go tool workshop tour", "go tool workshop list")
	return nil
}

func (a *app) renderFindings(findings []engine.Finding) {
	s := a.styles(a.out)
	style := map[engine.Status]lipgloss.Style{engine.OK: s.Good, engine.Warn: s.Doubt, engine.Fail: s.Bad}
	var rows [][]string
	for _, f := range findings {
		rows = append(rows, []string{f.Name, style[f.Status].Render(string(f.Status)), f.Detail})
		if f.Remedy != "" {
			rows = append(rows, []string{"", "", "to do: " + f.Remedy})
		}
	}
	a.printf("%s", report.Table([]string{"what", "state", "seen"}, rows, s.Faint, nil))
}
