package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/engine"
)

// finding is what doctor saw of one thing.
type finding struct {
	name   string
	seen   string
	remedy string // what to do; empty when all is well
	// harmless marks what the labs can do without.
	harmless bool
}

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look for what the workshop needs, and say what to do about the rest",
		Long: `Look at everything that the workshop needs of this machine: the engine and the
permission to use it, disk, memory, ports, whether CPU quotas hold, the registry,
Go and the compose tool. What is missing is named with its remedy. As root on Debian
a missing engine is set up, when you say yes.

Ends with 0 when the labs can run, with 3 when they cannot.`,
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
	findings := a.examine(ctx, w)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.renderFindings(findings)
	ill := false
	for _, f := range findings {
		ill = ill || f.remedy != "" && !f.harmless
	}
	if ill {
		a.next("do what is marked above, then: go tool workshop doctor")
		return unwell()
	}
	a.next("go tool workshop tour", "go tool workshop list")
	return nil
}

func (a *app) renderFindings(findings []finding) {
	s := a.styles(a.out)
	var rows [][]string
	for _, f := range findings {
		state := s.good.Render("ok")
		switch {
		case f.remedy != "" && f.harmless:
			state = s.doubt.Render("note")
		case f.remedy != "":
			state = s.bad.Render("missing")
		}
		rows = append(rows, []string{f.name, state, f.seen})
		if f.remedy != "" {
			rows = append(rows, []string{"", "", "to do: " + f.remedy})
		}
	}
	a.printf("%s", table([]string{"what", "state", "seen"}, rows, s.faint, nil))
}

// found makes a finding of an error, or of what was seen when there is none.
func found(name, seen string, err error) finding {
	var missing *engine.Unavailable
	switch {
	case err == nil:
		return finding{name: name, seen: seen}
	case errors.As(err, &missing):
		seen := missing.Problem
		if missing.Err != nil {
			seen += fmt.Sprintf(" (%s)", strings.ReplaceAll(missing.Err.Error(), "\n", "; "))
		}
		remedy := missing.Remedy
		if remedy == "" {
			remedy = "see above"
		}
		return finding{name: name, seen: seen, remedy: remedy}
	default:
		return finding{name: name, seen: err.Error(), remedy: "see above"}
	}
}
