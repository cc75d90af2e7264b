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
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/lab"
)

// checkTimeout bounds a run of a lab. It is far above what a run takes, because each check and
// stage has a limit of its own. Waiting for the machine does not count.
const checkTimeout = 30 * time.Minute

// checkOptions are the flags of check.
type checkOptions struct {
	solution, mine, asJSON, list bool
	selection                    lab.Selection
}

// all reports whether the whole lab is run.
func (o checkOptions) all() bool { return o.selection.All() }

// source says whose code is checked.
func (o checkOptions) source() source {
	switch {
	case o.solution:
		return solution
	case o.mine:
		return mine
	default:
		return yours
	}
}

// words are the flags that select part of a lab, as a user types them.
func (o checkOptions) words() string {
	var words string
	if o.solution {
		words += " --solution"
	}
	if o.mine {
		words += " --mine"
	}
	if o.selection.Step != 0 {
		words += fmt.Sprintf(" --step %d", o.selection.Step)
	}
	if o.selection.Only != "" {
		words += fmt.Sprintf(" --only %q", o.selection.Only)
	}
	return words
}

func (a *app) check() *cobra.Command {
	var options checkOptions
	cmd := &cobra.Command{
		Use:   "check NN",
		Short: "Run a lab's checks and its gain on your code",
		Long: `Run a lab's checks on your code, and when they pass, measure its gain, on real
servers in containers. With --step or --only it runs just those checks, and the
checks that they need. Checks that --list calls "whole lab" take long: --step leaves
them out. A check that needs no server starts none. A run of the whole lab keeps its
result in .workshop/NN-name, as JSON and as an HTML page with charts.

Verdicts and exit codes: pass 0, not yet 1 (your code), inconclusive 2 (the run
cannot tell), environment 3 (no engine, no image, no disk).`,
		Example: `  go tool workshop check 00                your code
  go tool workshop check 00 --list         the checks, their steps and their needs
  go tool workshop check 00 --step 2       the checks of step 2
  go tool workshop check 00 --only index   one check
  go tool workshop check 00 --solution     the finished lab
  go tool workshop check 00 --json         the result as JSON on stdout
  go tool workshop check 07 --mine         lab 07 on the labs that you have passed`,
		Args: exactly(1, "the lab's number, such as 00"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runCheck(cmd.Context(), args[0], options)
		},
	}
	cmd.Flags().BoolVar(&options.list, "list", false, "list the lab's checks and run none")
	cmd.Flags().Var((*stepFlag)(&options.selection.Step), "step", "run only the checks of this step of the lesson")
	cmd.Flags().Var((*onlyFlag)(&options.selection.Only), "only", "run only the check or gain of this name")
	cmd.Flags().BoolVar(&options.solution, "solution", false, "check the finished lab in solutions/ instead")
	cmd.Flags().BoolVar(&options.mine, "mine", false, "run lab 07 on your own labs where you have passed them, on solutions elsewhere")
	cmd.Flags().BoolVar(&options.asJSON, "json", false, "print the result as JSON on stdout, nothing else")
	return cmd
}

// stepFlag is the number of a step, from 1; 0 before it is set. A second value is an error, because a run has
// one step.
type stepFlag int

// String returns the number, as a user types it; empty before it is set.
func (f *stepFlag) String() string {
	if *f == 0 {
		return ""
	}
	return strconv.Itoa(int(*f))
}

// Type is the word for a value in the help.
func (f *stepFlag) Type() string { return "int" }

// Set parses the number.
func (f *stepFlag) Set(text string) error {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1:
		return errors.New("want the number of one step, from 1")
	case *f != 0:
		return fmt.Errorf("step %d is given too; want one step", *f)
	}
	*f = stepFlag(n)
	return nil
}

// onlyFlag is the name of a check or a gain. A second value is an error.
type onlyFlag string

// String returns the name.
func (f *onlyFlag) String() string { return string(*f) }

// Type is the word for a value in the help.
func (f *onlyFlag) Type() string { return "string" }

// Set keeps the name.
func (f *onlyFlag) Set(text string) error {
	switch {
	case text == "":
		return errors.New("want the name of a check; --list prints them")
	case *f != "":
		return fmt.Errorf("%q is given too; want one name", string(*f))
	}
	*f = onlyFlag(text)
	return nil
}

// exactly is cobra.ExactArgs with an error that says what the arguments are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("%s wants %s, and nothing else; saw %q\n\nUsage: %s", cmd.Name(), what, args, cmd.UseLine())
		}
		if len(args) < n {
			return fmt.Errorf("%s wants %s\n\nUsage: %s", cmd.Name(), what, cmd.UseLine())
		}
		return nil
	}
}

func (a *app) runCheck(ctx context.Context, name string, options checkOptions) error {
	w, l, err := a.lab(name)
	if err != nil {
		return err
	}
	if err := mineRefused(l, options); err != nil {
		return err
	}
	dir := l.Dir()
	if options.solution {
		dir = l.SolutionDir()
	}
	from := a.origin(ctx, w) // before the run: the code may be edited during it
	began := time.Now()
	checked, err := a.checkFolder(ctx, w, l, dir, options)
	if ctx.Err() != nil {
		if ended := judged(checked.result); len(ended.Checks) > 0 && !options.asJSON {
			a.printf("%s", a.sheet(a.out).Ended(titleOf(l, options.source())+partOf(ended)+", interrupted", ended))
		}
		return context.Cause(ctx)
	}
	var selection *lab.SelectionError
	if errors.As(err, &selection) {
		return usagef("lab %s: %s", l.ID(), selection.Problem)
	}
	ran := err == nil
	if err != nil && options.asJSON {
		checked.result, err = machineFailed(l, err), nil // a program that reads JSON gets JSON
	}
	if err != nil {
		return err
	}
	if options.list && checked.result.Verdict == "" {
		return a.showChecks(l, checked.chosen, checked.listing, options)
	}
	result := checked.result
	if result.Seconds == 0 {
		result.Seconds = time.Since(began).Seconds()
	}
	page := ""
	if options.mine {
		from.On = groundOf(checked.below)
	}
	if ran && options.all() { // else nothing, or only a part, was run
		page = a.keep(w, reported{l, options.source(), kept{result, from}})
	}
	whole := !checked.crashed || result.Step != 0 // else some steps have only part of their checks
	if ran && whole && !options.solution && !options.mine && result.Only == "" {
		a.keepSteps(w, l, result, from.Made)
	}
	if options.asJSON {
		if err := a.printJSON(result); err != nil {
			return err
		}
	} else {
		a.printf("%s", a.sheet(a.out).Report(titleOf(l, options.source())+partOf(result), "", result))
		if page != "" {
			a.printf("Page of this result: %s\n", w.short(page))
		}
		open := 0
		if result.Only != "" && !options.solution && !options.mine {
			open = w.openStep(l, checked.listing.StepOf(result.Only))
		}
		a.afterCheck(l, result, options, checked.listing, open)
	}
	return verdictError{result.Verdict}
}

// partOf says which part of a lab a result is about; empty for all of it.
func partOf(r lab.Result) string {
	switch {
	case r.Only != "":
		return fmt.Sprintf(", only %q", r.Only)
	case r.Step != 0 && r.Serverless:
		return fmt.Sprintf(", step %d without servers", r.Step)
	case r.Step != 0:
		return fmt.Sprintf(", step %d", r.Step)
	default:
		return ""
	}
}

// showChecks lists the chosen checks of all that a lab has.
func (a *app) showChecks(l folder, chosen, all lab.Listing, options checkOptions) error {
	if options.asJSON {
		return a.printJSON(chosen)
	}
	a.printf("%s\n", a.sheet(a.out).Checks(titleOf(l, options.source()), chosen, all))
	for _, step := range l.Steps {
		a.printf("  step %d  %s\n", step.Number, step.Name)
	}
	a.next("go tool workshop check " + l.ID() + " --only NAME, or --step K; without either it runs all of them")
	return nil
}

// checked is the outcome of a lab's test.
type checked struct {
	result  lab.Result
	listing lab.Listing // of the lab; nil when the whole lab was run
	chosen  lab.Listing // what --list shows of it
	crashed bool        // the test ended before its last check
	below   []below     // the labs that a run of --mine is on
}

// checkFolder compiles and runs the checks on the code in dir. It compiles first: a
// typing error should not have to wait for images.
func (a *app) checkFolder(ctx context.Context, w workshop, l folder, dir string, options checkOptions) (checked, error) {
	scratch, remove, err := w.scratch()
	if err != nil {
		return checked{}, err
	}
	defer remove()
	p := a.progress()
	var done checked
	var tags []string
	if options.mine {
		if done.below, err = w.labsBelow(l); err != nil {
			return checked{}, err
		}
		a.showMine(done.below, options)
		tags = append(tags, mineTag)
	}
	binary, err := a.compileTest(ctx, w, p, scratch, dir, "", tags...)
	var compile *compileError
	if errors.As(err, &compile) {
		if result, ours := notCompilingBelow(l, done.below, compile); ours {
			done.result = result
			return done, nil
		}
	}
	switch {
	case errors.As(err, &compile) && compile.in(dir, l.Dir()):
		done.result = notCompiling(l, compile)
		return done, nil
	case err != nil:
		return checked{}, err
	}
	output := &testOutput{show: func(line string) { p.Note("%s", line) }}
	run := testRun{
		binary: binary, dir: w.path(filepath.FromSlash(dir)), name: "TestLab", mode: lab.ModeCheck, selection: options.selection,
		timeout: checkTimeout, result: filepath.Join(scratch, "result.json"), output: output, mine: ownLabs(done.below),
	}
	servers, timed := true, true
	if options.list || !options.all() {
		var chosen lab.Listing
		done.listing, chosen, err = a.listChecks(ctx, run, options.selection)
		if err != nil {
			return done, err
		}
		if options.list {
			done.chosen = chosen
			return done, nil
		}
		servers = slices.ContainsFunc(chosen, func(l lab.Listed) bool { return l.Servers })
		timed = slices.ContainsFunc(chosen, func(l lab.Listed) bool { return l.Timed })
	}
	if servers {
		if err := a.host.prepare(ctx, a, p, a.course.UpTo(l.Number).Images(), l.Sizes(timed)...); err != nil {
			return done, err
		}
	}
	done.result, done.crashed, err = a.runLab(ctx, l, dir, run)
	return done, err
}

// listChecks asks a compiled test for the lab's checks, and returns those that a selection
// chooses too. The error may be a *lab.SelectionError.
func (a *app) listChecks(ctx context.Context, run testRun, selection lab.Selection) (all, chosen lab.Listing, err error) {
	run.mode, run.selection = lab.ModeList, lab.Selection{}
	err = a.runTest(ctx, run)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	var missing *engine.Unavailable
	if errors.As(err, &missing) {
		return nil, nil, err
	}
	text, readErr := os.ReadFile(run.result)
	if err = errors.Join(err, readErr); err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list the checks: %w; the test said:\n%s", err, run.output.essence())
	}
	chosen, err = all.Select(selection)
	return all, chosen, err
}

// runLab runs a compiled test of a lab and reads its result. It reports whether the test crashed.
func (a *app) runLab(ctx context.Context, l folder, dir string, run testRun) (result lab.Result, crash bool, err error) {
	for _, old := range []string{run.result, run.result + lab.PartSuffix} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return lab.Result{}, false, fmt.Errorf("remove the result of an earlier run: %w", err)
		}
	}
	err = a.runTest(ctx, run)
	if ctx.Err() != nil {
		part, _ := lab.ReadResult(run.result + lab.PartSuffix) // the zero result if no check had ended
		part.Step, part.Only = run.selection.Step, run.selection.Only
		return part, false, context.Cause(ctx)
	}
	result, readErr := lab.ReadResult(run.result)
	var exit *exec.ExitError
	switch {
	case readErr == nil:
		return result, false, nil
	case err == nil && errors.Is(readErr, fs.ErrNotExist):
		return lab.Result{}, false, fmt.Errorf("the test of %s left no result; it said:\n%s", dir, run.output.essence())
	case !errors.As(err, &exit):
		return lab.Result{}, false, errors.Join(err, readErr)
	}
	part, err := lab.ReadResult(run.result + lab.PartSuffix)
	if err != nil { // it crashed before its first check ended
		part = lab.Result{Lab: l.Name, Checks: []lab.CheckResult{}, Gains: []lab.GainResult{}}
	}
	part.Step, part.Only, part.Names, part.Serverless = run.selection.Step, run.selection.Only, run.selection.Names, run.selection.Serverless
	return crashed(l, dir, run.output.essence(), part), true, nil
}

// judged returns a result with only those checks that passed or failed. The others say nothing about
// code when the run was interrupted.
func judged(r lab.Result) lab.Result {
	r.Checks = slices.DeleteFunc(slices.Clone(r.Checks), func(c lab.CheckResult) bool { return c.Verdict != lab.Pass && c.Verdict != lab.NotYet })
	return r
}

// notCompiling is the verdict on code that does not compile: the compiler's message and
// nothing else.
func notCompiling(l folder, compile *compileError) lab.Result {
	return lab.Result{
		Lab: l.Name, Verdict: lab.NotYet, Gains: []lab.GainResult{},
		Checks: []lab.CheckResult{{Name: "compile", Proves: "the code compiles", Kind: lab.Core, Verdict: lab.NotYet, Detail: compile.output}},
	}
}

// crashed is the verdict on a test that ended without a result. When the lab's own
// code is in the trace it is the learner's to mend. part has the checks that ended before.
func crashed(l folder, dir, output string, part lab.Result) lab.Result {
	verdict := lab.Environment
	for _, place := range []string{dir, l.Dir()} {
		if strings.Contains(output, "/"+place+"/") && strings.Contains(output, "panic:") && !strings.Contains(output, "panic: test timed out") {
			verdict = lab.NotYet
		}
	}
	part.Verdict = verdict
	part.Checks = append(part.Checks, lab.CheckResult{Name: "run", Proves: "the lab's test runs to its end", Kind: lab.Core, Verdict: verdict, Detail: output})
	return part
}

// machineFailed is the verdict on a machine that cannot run the lab.
func machineFailed(l folder, err error) lab.Result {
	return lab.Result{
		Lab: l.Name, Verdict: lab.Environment, Gains: []lab.GainResult{},
		Checks: []lab.CheckResult{{Name: "machine", Proves: "the machine can run the lab", Kind: lab.Core, Verdict: lab.Environment, Detail: err.Error()}},
	}
}

// afterCheck says what to do next. After a run of one check, open is the step to go on with; 0 if the
// learner has passed all steps.
func (a *app) afterCheck(l folder, r lab.Result, options checkOptions, listing lab.Listing, open int) {
	whole := "go tool workshop check " + l.ID() + checkOptions{solution: options.solution, mine: options.mine}.words()
	again := "go tool workshop check " + l.ID() + options.words()
	switch {
	case r.Verdict == lab.Pass && open != 0:
		a.next(fmt.Sprintf("%s --step %d", whole, open), whole+"   (all checks, and the gain)")
	case r.Verdict == lab.Pass && !options.all():
		if next := listing.StepAfter(r.Step); r.Step != 0 && next != 0 {
			a.next(fmt.Sprintf("%s --step %d", whole, next), whole+"   (all checks, and the gain)")
			return
		}
		a.next(whole + "   (all checks, and the gain)")
	case r.Verdict == lab.Pass && options.mine: // the lab's own next step is this run
		a.next("go tool workshop tour")
	case r.Next != "":
		a.next(r.Next)
	case r.Verdict == lab.Pass:
		a.next("go tool workshop list")
	case r.Verdict == lab.NotYet && len(r.Checks) == 1 && r.Checks[0].Name == "compile":
		a.next("mend what the compiler names, then: " + again)
	case r.Verdict == lab.NotYet:
		a.next(fmt.Sprintf("read %s/README.md, make the first failing check pass, then: %s", l.Dir(), again))
	case r.Verdict == lab.Inconclusive:
		a.next("close what else uses the machine, then: " + again)
	default:
		a.next("go tool workshop doctor, then: " + again)
	}
}
