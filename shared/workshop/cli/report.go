package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
)

// reportOptions are the flags of report.
type reportOptions struct{ markdown, html, compare bool }

func (a *app) report() *cobra.Command {
	var options reportOptions
	cmd := &cobra.Command{
		Use:   "report [NN | --compare A.json B.json]",
		Short: "Show the last result of each lab again, or compare two results or tours",
		Long: `Show the last result of each lab, or of one lab: that of your code, that of your code
on your own labs (check --mine), and that of the solution, as far as you checked them. Nothing runs, and the exit code is 0 for every verdict.
Results are kept in .workshop/NN-name.

With --html each result becomes a page with charts, beside the result. The page opens
in your browser if there is one, and its path is printed. A page needs no network, so
you can mail it.

With --compare two result files stand side by side: those of two labs, of your code
and the solution, or of two machines. It warns where the machines differ. A file is
what check keeps, or what check --json prints. It compares two tours too, by claim:
the tour keeps its numbers in .workshop/tour.json.`,
		Example: `  go tool workshop report                 every lab that you checked
  go tool workshop report 00              one lab
  go tool workshop report 00 --markdown   as tables to paste into an issue or a chat
  go tool workshop report 00 --html       as a page in your browser
  go tool workshop report --compare .workshop/00-baseline/result.json other.json
  go tool workshop report --compare .workshop/tour.json other-tour.json
  go tool workshop report --compare --html mine.json other.json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case options.compare && options.markdown:
				return errors.New("report --compare has no Markdown form; --html gives a page")
			case options.html && options.markdown:
				return errors.New("report wants --html or --markdown, not both")
			case options.compare && len(args) != 2:
				return fmt.Errorf("report --compare wants two result files, got %d", len(args))
			case !options.compare && len(args) > 1:
				return fmt.Errorf("report wants one lab's number, or none, got %d; two files need --compare", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if options.compare {
				return a.runCompare(args[0], args[1], options.html)
			}
			return a.runReport(args, options)
		},
	}
	cmd.Flags().BoolVar(&options.markdown, "markdown", false, "print Markdown tables")
	cmd.Flags().BoolVar(&options.html, "html", false, "write an HTML page, and open it in a browser if there is one")
	cmd.Flags().BoolVar(&options.compare, "compare", false, "compare two result files")
	return cmd
}

// reported is a kept result of a lab.
type reported struct {
	folder folder
	source source
	kept   kept
}

func (r reported) title() string { return titleOf(r.folder, r.source) }

// titleOf returns the title of a result.
func titleOf(l folder, from source) string {
	whose := [...]string{yours: "your code", mine: "your code on your own labs", solution: "the solution"}[from]
	return fmt.Sprintf("Lab %s, %s", l.Name, whose)
}

func (a *app) runReport(args []string, options reportOptions) error {
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
	results, unread := w.reported(labs) // what can be read is shown
	switch {
	case len(results) == 0 && len(unread) > 0:
	case len(results) == 0:
		a.nothingToReport(labs)
	case options.html:
		if err := a.showPages(w, results); err != nil {
			return err
		}
	case options.markdown:
		for i, r := range results {
			if i > 0 {
				a.printf("\n")
			}
			a.printf("%s", report.Markdown(r.title(), r.kept.words(), r.kept.Result))
		}
	default:
		a.showAgain(results)
	}
	for _, problem := range unread {
		a.problem(problem)
	}
	if len(unread) > 0 {
		return exitError{lab.Environment.ExitCode()}
	}
	return nil
}

// reported returns the kept results of labs, and a problem for each that cannot be read. For each lab, the
// learner's results come before the solution's.
func (w workshop) reported(labs []folder) (results []reported, unread []*engine.Unavailable) {
	for _, l := range labs {
		for _, from := range sources() {
			switch k, ok, problem := w.readKept(l, from); {
			case problem != nil:
				unread = append(unread, problem)
			case ok:
				results = append(results, reported{l, from, k})
			}
		}
	}
	return results, unread
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
	a.afterReport(results)
}

// afterReport says what to do next.
func (a *app) afterReport(results []reported) {
	if len(results) == 1 {
		a.afterCheck(results[0].folder, results[0].kept.Result, results[0].source.options(), nil, 0)
		return
	}
	for _, r := range results {
		if r.source != solution && r.kept.Verdict != lab.Pass {
			a.next("go tool workshop check " + r.folder.ID() + r.source.options().words())
			return
		}
	}
	a.next("go tool workshop list")
}

// showPages writes a page for each result, and opens that of the newest.
func (a *app) showPages(w workshop, results []reported) error {
	newest, newestPage := results[0], ""
	for _, r := range results {
		path, err := w.writePage(r)
		if err != nil {
			return err
		}
		a.printf("%s: %s\n", r.title(), path)
		if newestPage == "" || r.kept.Made.After(newest.kept.Made) {
			newest, newestPage = r, path
		}
	}
	a.show(newestPage)
	a.afterReport(results)
	return nil
}

// show opens a page, or says how to.
func (a *app) show(path string) {
	if a.openPage(path) {
		a.printf("Opened %s in your browser.\n", filepath.Base(path))
		return
	}
	a.printf("No browser was found here. Open the file in one.\n")
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
