package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/subprocess"
	"bytebites.example/workshop/shared/workshop/course"
)

func (a *app) solution() *cobra.Command {
	step := 0
	cmd := &cobra.Command{
		Use:   "solution NN [FILE...]",
		Short: "Show what the solution changes in your files",
		Long: `Show how the solution of a lab differs from your files: lines with - are yours, lines
with + the solution's. Nothing is changed. Try the hints first.`,
		Example: `  go tool workshop solution 03             all files of lab 03
  go tool workshop solution 03 --step 2    the files of step 2
  go tool workshop solution 03 through.go  this file`,
		Args: wantsLab("solution", "files of it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("step") && len(args) > 1 {
				return usagef("give --step or files, not both")
			}
			return a.runSolution(cmd.Context(), args[0], args[1:], step, cmd.Flags().Changed("step"))
		},
	}
	cmd.Flags().IntVar(&step, "step", 0, "only the files that this step changes")
	return cmd
}

func (a *app) runSolution(ctx context.Context, name string, words []string, step int, stepGiven bool) error {
	w, l, err := a.lab(name)
	if err != nil {
		return err
	}
	chosen, err := l.chosenFiles(words)
	if stepGiven {
		chosen, err = l.filesOfStep(step)
	}
	if err != nil {
		return err
	}
	differ := false
	for _, file := range chosen {
		diff, err := a.diff(ctx, w, path.Join(l.Dir(), file), path.Join(l.SolutionDir(), file))
		if err != nil {
			return err
		}
		if diff == "" {
			a.printf("%s/%s: as in the solution\n", l.Dir(), file)
			continue
		}
		differ = true
		a.printf("%s", diff)
	}
	why := fmt.Sprintf("read %s/WHY.md, which says why", l.SolutionDir())
	if differ {
		a.next(why, fmt.Sprintf("go tool workshop check %s --solution   (proves the finished lab)", l.ID()))
	} else {
		a.next("go tool workshop check "+l.ID(), why)
	}
	return nil
}

// filesOfStep returns the learner's files that a step changes.
func (l folder) filesOfStep(number int) ([]string, error) {
	at := slices.IndexFunc(l.Steps, func(s course.Step) bool { return s.Number == number })
	if at < 0 {
		return nil, usagef("lab %s has %d steps, and no step %d", l.Name, len(l.Steps), number)
	}
	var files []string
	for _, place := range l.Steps[at].Places {
		if file, _ := course.Place(place); !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files, nil
}

// diff returns how the second of two files, given from the module's root, differs from the first. It is empty
// when they are equal.
func (a *app) diff(ctx context.Context, w workshop, from, to string) (string, error) {
	var out, said bytes.Buffer
	git := subprocess.Command{Dir: w.root, Env: a.env, Stdout: &out, Stderr: &said}
	err := git.Run(ctx, "git", "diff", "--no-index", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-cr-at-eol", "--", from, to)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", err
	case errors.Is(err, exec.ErrNotFound):
		return "", unavailable("the git command is not on the PATH", fmt.Sprintf("install git, or compare the files yourself: %s and %s", from, to))
	case errors.As(err, &exit) && exit.ExitCode() > 1:
		return "", fmt.Errorf("compare %s with %s: %s", from, to, strings.TrimSpace(said.String()))
	case err != nil && exit == nil:
		return "", err
	}
	return a.coloured(out.String()), nil
}

// coloured gives the lines of a diff their colours, on a terminal. It leaves out the lines for programs.
func (a *app) coloured(diff string) string {
	s := a.styles(a.out)
	styled := func(style lipgloss.Style, line string) string {
		return style.TabWidth(lipgloss.NoTabConversion).Render(line) // a learner may copy the line
	}
	var lines []string
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "diff --git "), strings.HasPrefix(line, "index "):
			continue
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			line = styled(s.Bold, line)
		case strings.HasPrefix(line, "@@"):
			line = styled(s.Faint, line)
		case strings.HasPrefix(line, "+"):
			line = styled(s.Good, line)
		case strings.HasPrefix(line, "-"):
			line = styled(s.Bad, line)
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
