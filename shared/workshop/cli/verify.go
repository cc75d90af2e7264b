package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/branches"
	"bytebites.example/workshop/shared/workshop/cli/report"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/verify"
)

// verifyOptions are the flags of verify.
type verifyOptions struct{ full, asJSON bool }

func (a *app) verify() *cobra.Command {
	var options verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [NN...]",
		Short: "Prove the labs: starters fail, solutions pass, wrong answers are rejected",
		Long: `Prove of every lab, or of those named, on real servers in containers:

  starter        is not yet a solution, for the reasons that its spec lists
  solution       passes, with its gain
  answers        wrong ones are rejected by the check that they name; right ones that
                 differ from the solution are accepted
  parity         the solution has the starter's files and exports the same
  lesson         README, hints and WHY are there; work is marked where it is to do

and of all labs, that their git branches, built from the last commit, hold in every
file what they should.

For those who write labs, and for CI. One thing after another, for some of it
measures: minutes a lab. The last line says how many passed and how many did not.

Exit codes: 0 all passed, 1 some failed, 2 some could not tell, 3 the environment is
at fault.`,
		Example: `  go tool workshop verify           all labs
  go tool workshop verify 00 01     these
  go tool workshop verify --full    the long runs too
  go tool workshop verify --json    the result as JSON on stdout`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runVerify(cmd.Context(), args, options)
		},
	}
	cmd.Flags().BoolVar(&options.full, "full", false, "add the long runs of the solutions that have them")
	cmd.Flags().BoolVar(&options.asJSON, "json", false, "print the result as JSON on stdout, nothing else")
	return cmd
}

func (a *app) runVerify(ctx context.Context, names []string, options verifyOptions) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	labs, err := w.chosenLabs(names)
	if err != nil {
		return err
	}
	scratch, remove, err := w.scratch()
	if err != nil {
		return err
	}
	defer remove()
	p := a.progress()
	if err := a.host.prepare(ctx, a, p, a.course.UpTo(labs[len(labs)-1].Number).Images(), a.course.Datasets()...); err != nil {
		var missing *engine.Unavailable
		if options.asJSON && errors.As(err, &missing) { // whoever reads JSON gets JSON
			return errors.Join(a.printJSON(unverified(err)), err)
		}
		return err
	}
	runner := &testRunner{app: a, w: w, p: p, scratch: scratch, binaries: make(map[string]string)}
	v := verify.Verifier{
		Root: os.DirFS(w.root), Course: a.course, Runner: runner, Full: options.full, Begin: runner.begin,
		Branches: func(ctx context.Context) (verify.Verdict, string) {
			return branchesVerdict(branches.Prove(ctx, a.course, w.root, a.env))
		},
	}
	folders := make([]string, len(labs))
	for i, l := range labs {
		folders[i] = l.Name
	}
	report, err := v.Run(ctx, folders)
	if err != nil {
		return err
	}
	if options.asJSON {
		err = a.printJSON(report)
	} else {
		a.renderVerified(report)
	}
	return errors.Join(err, verdictOf(report))
}

// branchesVerdict says what the proof of the branches came to. There is none where they
// cannot be built.
func branchesVerdict(err error) (verify.Verdict, string) {
	switch {
	case err == nil:
		return verify.Passed, ""
	case errors.Is(err, branches.ErrNoRepository), errors.Is(err, branches.ErrNoCommit), errors.Is(err, exec.ErrNotFound):
		return verify.Environment, err.Error() + "; work in a clone, with git on the PATH"
	default:
		return verify.Failed, err.Error()
	}
}

// verdictOf ends the verb with the report's exit code.
func verdictOf(report verify.Report) error {
	switch report.Verdict() {
	case verify.Passed:
		return nil
	case verify.Inconclusive:
		return verdictError{lab.Inconclusive}
	case verify.Environment:
		return verdictError{lab.Environment}
	default:
		return verdictError{lab.NotYet}
	}
}

// unverified is the report of a machine that can run no lab.
func unverified(err error) verify.Report {
	row := verify.Row{What: "machine", Verdict: verify.Environment, Detail: err.Error()}
	return verify.Report{Rows: []verify.Row{row}, Failed: 1}
}

// chosenLabs returns the labs of those names, in order and each once, or all when there
// are no names; at least one.
func (w workshop) chosenLabs(names []string) ([]folder, error) {
	all, err := w.labs()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if len(all) == 0 {
			return nil, usagef("there are no labs in %s", w.path("labs"))
		}
		return all, nil
	}
	var chosen []string
	for _, name := range names {
		l, err := w.findLab(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, l.Name)
	}
	return slices.DeleteFunc(all, func(l folder) bool { return !slices.Contains(chosen, l.Name) }), nil
}

// testRunner runs the tests of labs and solutions, each package compiled once.
type testRunner struct {
	app      *app
	w        workshop
	p        *progress.Reporter
	scratch  string
	binaries map[string]string // by folder and overlay
	step     *progress.Step    // the row that is being made
}

// begin shows a row while it is made, and then its verdict.
func (r *testRunner) begin(folder, what string) (end func(verify.Row)) {
	step, began := r.p.Step("verify %s %s", folder, what), time.Now()
	r.step = step
	return func(row verify.Row) {
		if row.Verdict == verify.Passed {
			step.Done()
			return
		}
		detail := row.Detail
		kept, err := r.w.keepFiles(folder, what, began)
		switch {
		case err != nil:
			detail += fmt.Sprintf("\nthe files of this row are lost: %v", err)
		case kept != "":
			detail += "\nFiles of this row: " + kept
		}
		step.Fail(fmt.Errorf("%s: %s", row.Verdict, detail))
	}
}

// keepFiles copies the files of a lab that a row has written since it began, because the next row of the lab
// replaces them. It returns the folder of the copies, from the module's root, or "" when there are none.
func (w workshop) keepFiles(lab, what string, began time.Time) (kept string, err error) {
	entries, err := os.ReadDir(w.path(stateDir, lab))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read files of a row: %w", err)
	}
	to := filepath.Join(stateDir, lab, "verify-"+strings.ReplaceAll(what, " ", "-"))
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return "", fmt.Errorf("read files of a row: %w", err)
		}
		if !info.Mode().IsRegular() || info.ModTime().Before(began) {
			continue
		}
		text, err := os.ReadFile(w.path(stateDir, lab, entry.Name()))
		if err != nil {
			return "", fmt.Errorf("read files of a row: %w", err)
		}
		if err := writeBelow(w.path(to), entry.Name(), text); err != nil {
			return "", fmt.Errorf("keep files of a row: %w", err)
		}
		kept = to
	}
	return kept, nil
}

// overlay writes a file for -overlay of the go command, which compiles other files in place of
// those that the test replaces. It is empty when the test replaces none.
func (r *testRunner) overlay(test verify.Test) (file string, err error) {
	if len(test.Replace) == 0 {
		return "", nil
	}
	replace := make(map[string]string)
	for file, by := range test.Replace {
		if by != "" {
			by = r.w.path(filepath.FromSlash(by))
		}
		replace[r.w.path(filepath.FromSlash(file))] = by
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("overlay: %w", err)
	}
	file = filepath.Join(r.scratch, strings.ReplaceAll(test.Dir, "/", "-")+"-overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return file, nil
}

// Run implements verify.Runner.
func (r *testRunner) Run(ctx context.Context, test verify.Test) (verify.Outcome, error) {
	overlay, err := r.overlay(test)
	if err != nil {
		return verify.Outcome{}, err
	}
	key := test.Dir + overlay
	binary, compiled := r.binaries[key]
	if !compiled {
		binary, err = r.app.compileTest(ctx, r.w, r.p, r.scratch, test.Dir, overlay)
		var compile *compileError
		if errors.As(err, &compile) {
			return verify.Outcome{Output: compile.output}, nil
		}
		if err != nil {
			return verify.Outcome{}, err
		}
		r.binaries[key] = binary
	}
	output := &testOutput{show: r.step.Detail}
	run := testRun{
		binary: binary, dir: r.w.path(filepath.FromSlash(test.Dir)), name: test.Name, mode: test.Mode, timeout: test.Timeout,
		result: filepath.Join(r.scratch, "result.json"), output: output, short: test.Short,
	}
	if err := os.Remove(run.result); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return verify.Outcome{}, fmt.Errorf("remove the last result: %w", err)
	}
	err = r.app.runTest(ctx, run)
	var exit *exec.ExitError
	if err != nil && (ctx.Err() != nil || !errors.As(err, &exit)) {
		return verify.Outcome{}, err
	}
	result, readErr := os.ReadFile(run.result)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		return verify.Outcome{}, fmt.Errorf("read result: %w", readErr)
	}
	return verify.Outcome{Compiled: true, Passed: err == nil, Result: result, Output: output.essence()}, nil
}

func (a *app) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	a.printf("%s\n", text)
	return nil
}

// shownDetail is how much of a reason fits into the table, in runes. All of it was shown
// when the row ended.
const shownDetail = 100

// renderVerified shows a report. Its last line is for programs as much as for people.
func (a *app) renderVerified(r verify.Report) {
	s := a.styles(a.out)
	var rows [][]string
	for _, row := range r.Rows {
		rows = append(rows, []string{
			row.Lab, row.What, verified(s, row.Verdict).Render(string(row.Verdict)), fmt.Sprintf("%.1f", row.Seconds), firstLine(row.Detail),
		})
	}
	a.printf("\n%s\n", report.Table([]string{"lab", "what", "verdict", "seconds", "detail"}, rows, s.Faint, map[int]bool{3: true}))
	a.printf("%d passed, %d failed\n", r.Passed, r.Failed)
}

// verified is the emphasis of a row's verdict.
func verified(s report.Styles, v verify.Verdict) lipgloss.Style {
	switch v {
	case verify.Passed:
		return s.Good
	case verify.Inconclusive:
		return s.Doubt
	default:
		return s.Bad
	}
}

// firstLine returns as much of a text as the table has room for.
func firstLine(text string) string {
	line, rest, _ := strings.Cut(text, "\n")
	runes := []rune(line)
	if len(runes) > shownDetail {
		return string(runes[:shownDetail]) + " ..."
	}
	if rest != "" {
		line += " ..."
	}
	return line
}
