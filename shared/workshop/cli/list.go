package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show the labs, their state and the next step",
		Long:    "Show the labs that are there, what each one teaches, how long it takes, whether\nits starter still marks work for you (a TODO), the last verdict of `check` on your\ncode, and what to do next.",
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
			last := make(map[string]kept)
			for _, l := range labs {
				// A result that cannot be read is `report`'s to complain about.
				if k, ok, err := readKept(w.keptFile(l, false)); err == nil && ok {
					last[l.Name] = k
				}
			}
			a.renderLabs(labs, last)
			return nil
		},
	}
}

func (a *app) renderLabs(labs []folder, last map[string]kept) {
	s := a.styles(a.out)
	var rows [][]string
	for _, l := range labs {
		state := s.Good.Render("no TODO left")
		if len(l.Todos) > 0 {
			state = s.Doubt.Render(fmt.Sprintf("%d TODO", len(l.Todos)))
		}
		verdict := s.Faint.Render("none yet")
		if k, ok := last[l.Name]; ok {
			verdict = s.Verdict(k.Verdict).Render(string(k.Verdict)) + " " + k.part() + k.Made.UTC().Format("2006-01-02")
		}
		rows = append(rows, []string{l.ID(), state, verdict, fmt.Sprintf("%d min", l.Minutes), l.Heading()})
	}
	a.printf("%s", report.Table([]string{"lab", "state", "last verdict", "time", "title"}, rows, s.Faint, map[int]bool{3: true}))
	for _, l := range labs {
		if l.Outcome != "" {
			a.printf("\n%s %s\n", s.Bold.Render(l.ID()), l.Outcome)
		}
	}
	a.next(nextOf(labs, last)...)
}

// nextOf says what to do next. A learner goes on with the lab that was checked last until it
// passes as a whole, and then with the next one that has work left.
func nextOf(labs []folder, last map[string]kept) []string {
	from, latest := 0, kept{}
	for i, l := range labs {
		k, ok := last[l.Name]
		if !ok || !k.Made.After(latest.Made) {
			continue
		}
		from, latest = i, k
	}
	if latest.Lab != "" && (latest.Verdict != lab.Pass || len(labs[from].Todos) > 0 || latest.part() != "") {
		l := labs[from]
		check := "go tool workshop check " + l.ID()
		if step := latest.firstOpen(); step > 0 {
			check += fmt.Sprintf(" --step %d", step)
		}
		if len(l.Todos) == 0 {
			return []string{check, "go tool workshop hint " + l.ID()}
		}
		return []string{fmt.Sprintf("go on with lab %s: %s/%s", l.ID(), l.Dir(), l.Todos[0]), check}
	}
	for i := range labs {
		l := labs[(from+i)%len(labs)]
		if len(l.Todos) > 0 {
			return []string{fmt.Sprintf("read %s/README.md, then work on %s/%s", l.Dir(), l.Dir(), l.Todos[0]), "go tool workshop check " + l.ID()}
		}
	}
	return []string{"no lab marks work any more; prove it: go tool workshop check " + labs[len(labs)-1].ID()}
}

// part names the part of the lab that the result is about: "of step 2, ". It is empty for the whole lab.
func (k kept) part() string {
	switch {
	case k.Only != "":
		return fmt.Sprintf("of %q, ", k.Only)
	case k.Step != 0:
		return fmt.Sprintf("of step %d, ", k.Step)
	default:
		return ""
	}
}

// firstOpen is the number of the first step with a check that did not pass, or 0.
func (k kept) firstOpen() int {
	first := 0
	for _, c := range k.Checks {
		if c.Kind == lab.Core && c.Verdict == lab.NotYet && c.Step > 0 && (first == 0 || c.Step < first) {
			first = c.Step
		}
	}
	return first
}
