package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/markdown"
)

func (a *app) hint() *cobra.Command {
	return &cobra.Command{
		Use:   "hint NN [K]",
		Short: "Show a lab's hints one by one, from a nudge to nearly the answer",
		Long:  "Show a hint of a lab: the first, or the one of that number. Each says more than the\none before, so try something after every one.",
		Example: `  go tool workshop hint 00      the first
  go tool workshop hint 00 2    the second`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return fmt.Errorf("hint wants the lab's number, such as 00, and may have the hint's\n\nUsage: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			number := 1
			if len(args) == 2 {
				var err error
				if number, err = strconv.Atoi(args[1]); err != nil || number < 1 {
					return usagef("hint %q: want a number from 1", args[1])
				}
			}
			return a.runHint(args[0], number)
		},
	}
}

func (a *app) runHint(name string, number int) error {
	w, l, err := a.lab(name)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(w.path("labs", l.Name, "hints.md"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read hints: %w", err)
	}
	hints := markdown.Sections(string(text))
	switch {
	case len(hints) == 0:
		return usagef("lab %s has no hints; its lesson is %s/README.md", l.Name, l.Dir())
	case number > len(hints):
		return usagef("lab %s has %d hints, and no %d; what comes after them is the solution, in %s", l.Name, len(hints), number, l.SolutionDir())
	}
	s := a.styles(a.out)
	hint := hints[number-1]
	a.printf("%s\n\n%s\n", s.Bold.Render(fmt.Sprintf("Lab %s, hint %d of %d: %s", l.Name, number, len(hints), hint.Title)), hint.Text)
	if number < len(hints) {
		a.next("go tool workshop check "+l.ID(), fmt.Sprintf("go tool workshop hint %s %d   (says more)", l.ID(), number+1))
	} else {
		a.next("go tool workshop check "+l.ID(), fmt.Sprintf("that was the last hint; the finished lab is in %s, its reasons in WHY.md", l.SolutionDir()),
			fmt.Sprintf("go tool workshop solution %s   (what it changes in your files)", l.ID()))
	}
	return nil
}
