package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show the labs, their state and the next step",
		Long:    "Show the labs that are there, what each one teaches, how long it takes, whether\nits starter still marks work for you (a TODO), the steps that your code has\npassed, the last verdict of `check`, and what to do next.",
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
			a.renderLabs(labs, w.standingOf(labs))
			return nil
		},
	}
}

// standing is the kept results of the learner's runs of a lab.
type standing struct {
	kept  // of the last run of the whole lab; the zero value when there was none
	steps stepsPassed
}

// latest is when the last run began.
func (p standing) latest() time.Time {
	if p.steps.Made.After(p.Made) {
		return p.steps.Made
	}
	return p.Made
}

// standingOf reads the kept results of labs. It passes over a damaged file, which `report` names.
func (w workshop) standingOf(labs []folder) map[string]standing {
	all := make(map[string]standing)
	for _, l := range labs {
		var p standing
		if k, ok, problem := w.readKept(l, yours); problem == nil && ok {
			p.kept = k
		}
		if steps, err := readJSON[stepsPassed](w.stepsFile(l)); err == nil {
			p.steps = steps
		}
		all[l.Name] = p
	}
	return all
}

func (a *app) renderLabs(labs []folder, all map[string]standing) {
	s := a.styles(a.out)
	var rows [][]string
	for _, l := range labs {
		state := s.Good.Render("no TODO left")
		if len(l.Todos) > 0 {
			state = s.Doubt.Render(fmt.Sprintf("%d TODO", len(l.Todos)))
		}
		p := all[l.Name]
		verdict := s.Faint.Render("none yet")
		if p.Verdict != "" {
			verdict = s.Verdict(p.Verdict).Render(string(p.Verdict)) + " " + p.Made.UTC().Format("2006-01-02")
		}
		steps := fmt.Sprintf("%d of %d", len(p.steps.Passed), len(l.Steps))
		rows = append(rows, []string{l.ID(), state, steps, verdict, fmt.Sprintf("%d min", l.Minutes), l.Heading()})
	}
	a.printf("%s", report.Table([]string{"lab", "state", "steps passed", "last verdict", "time", "title"}, rows, s.Faint, map[int]bool{4: true}))
	for _, l := range labs {
		if l.Outcome != "" {
			a.printf("\n%s %s\n", s.Bold.Render(l.ID()), l.Outcome)
		}
	}
	a.next(nextOf(labs, all)...)
}

// nextOf says what to do next. A learner goes on with the lab that was checked last until it
// passes as a whole, and then with the next one that has work left.
func nextOf(labs []folder, all map[string]standing) []string {
	from, last := 0, time.Time{}
	for i, l := range labs {
		if made := all[l.Name].latest(); made.After(last) {
			from, last = i, made
		}
	}
	l := labs[from]
	if p := all[l.Name]; !last.IsZero() && (p.Verdict != lab.Pass || len(l.Todos) > 0) {
		check := "go tool workshop check " + l.ID()
		if step := p.steps.firstOpen(len(l.Steps)); step > 0 {
			return []string{
				fmt.Sprintf("go on with step %d of %s/README.md, then: %s --step %d", step, l.Dir(), check, step),
				"go tool workshop hint " + l.ID(),
			}
		}
		if len(l.Todos) > 0 {
			return []string{fmt.Sprintf("go on with lab %s: %s/%s", l.ID(), l.Dir(), l.Todos[0]), check}
		}
		return []string{check + "   (all checks, and the gain)"}
	}
	for i := range labs {
		l := labs[(from+i)%len(labs)]
		if len(l.Todos) > 0 {
			return []string{fmt.Sprintf("read %s/README.md, then work on %s/%s", l.Dir(), l.Dir(), l.Todos[0]), "go tool workshop check " + l.ID()}
		}
	}
	return []string{"no lab marks work any more; prove it: go tool workshop check " + labs[len(labs)-1].ID()}
}

// firstOpen is the number of the first of the steps that was not passed, or 0.
func (p stepsPassed) firstOpen(steps int) int {
	for step := range steps {
		if !slices.Contains(p.Passed, step+1) {
			return step + 1
		}
	}
	return 0
}

// openStep returns the step that a learner goes on with after a check of the given step: that step
// until it has passed, and then the first that has not; 0 when all steps have passed.
func (w workshop) openStep(l folder, step int) int {
	passed, err := readJSON[stepsPassed](w.stepsFile(l))
	if err != nil {
		passed = stepsPassed{} // no step was run yet, or the file is damaged
	}
	if step != 0 && !slices.Contains(passed.Passed, step) {
		return step
	}
	return passed.firstOpen(len(l.Steps))
}
