package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

func (a *app) report() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "report [NN]",
		Short: "Show the last result of each lab again",
		Long: `Show the last result of each lab, or of one lab: that of your code, and that of the
solution if you checked it. Nothing runs, and the exit code is 0 for every verdict.
Results are kept in .workshop/NN-name.`,
		Example: `  go tool workshop report                 every lab that you checked
  go tool workshop report 00              one lab
  go tool workshop report 00 --markdown   as tables to paste into an issue or a chat`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.runReport(args, markdown) },
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print Markdown tables")
	return cmd
}

// reported is a kept result of a learner's code or of a solution.
type reported struct {
	folder   folder
	solution bool
	kept     kept
}

func (r reported) title() string { return titleOf(r.folder, r.solution) }

// titleOf returns the title of a result.
func titleOf(l folder, solution bool) string {
	if solution {
		return fmt.Sprintf("Lab %s, the solution", l.Name)
	}
	return fmt.Sprintf("Lab %s, your code", l.Name)
}

func (a *app) runReport(args []string, markdown bool) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	labs, err := w.labs()
	if err != nil {
		return err
	}
	if len(args) == 1 {
		l, err := w.findLab(args[0])
		if err != nil {
			return err
		}
		labs = []folder{l}
	}
	results, err := w.reported(labs)
	if err != nil {
		return err
	}
	switch {
	case len(results) == 0:
		a.nothingToReport(labs)
	case markdown:
		for i, r := range results {
			if i > 0 {
				a.printf("\n")
			}
			a.printf("%s", report.Markdown(r.title(), r.kept.words(), r.kept.Result))
		}
	default:
		a.showAgain(results)
	}
	return nil
}

// reported returns the kept results of labs. For each lab, the learner's result comes before the
// solution's.
func (w workshop) reported(labs []folder) ([]reported, error) {
	var results []reported
	for _, l := range labs {
		for _, solution := range []bool{false, true} {
			k, ok, err := readKept(w.keptFile(l, solution))
			if err != nil {
				return nil, err
			}
			if ok {
				results = append(results, reported{l, solution, k})
			}
		}
	}
	return results, nil
}

func (a *app) nothingToReport(labs []folder) {
	if len(labs) == 0 {
		a.printf("The folder has no labs.\n")
		a.next("go tool workshop tour")
		return
	}
	a.printf("No result is kept yet.\n")
	a.next("go tool workshop check " + labs[0].ID())
}

func (a *app) showAgain(results []reported) {
	s := a.sheet(a.out)
	for _, r := range results {
		note := r.kept.words()
		if !r.kept.Made.IsZero() {
			note += ", " + age(time.Since(r.kept.Made))
		}
		a.printf("%s", s.Report(r.title(), note, r.kept.Result))
	}
	if len(results) == 1 {
		a.afterCheck(results[0].folder, results[0].kept.Result, checkOptions{solution: results[0].solution}, nil)
		return
	}
	for _, r := range results {
		if !r.solution && r.kept.Verdict != lab.Pass {
			a.next("go tool workshop check " + r.folder.ID())
			return
		}
	}
	a.next("go tool workshop list")
}

// age returns a duration in words, rounded down to its largest unit.
func age(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / unit.length); n == 1 {
			return "1 " + unit.name + " ago"
		} else if n > 1 {
			return fmt.Sprintf("%d %ss ago", n, unit.name)
		}
	}
	return "just now"
}
