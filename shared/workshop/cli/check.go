package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/lab"
)

// checkTimeout bounds a lab's run; waiting for the machine counts.
const checkTimeout = 10 * time.Minute

func (a *app) check() *cobra.Command {
	var solution, asJSON bool
	cmd := &cobra.Command{
		Use:   "check NN",
		Short: "Run a lab's checks and its gain on your code",
		Long: `Run a lab's checks on your code, and when they pass its timed gain, on real
servers in containers. Says what was expected, what was seen and where to look.

Verdicts and exit codes: pass 0, not yet 1 (your code), inconclusive 2 (the run
cannot tell), environment 3 (no engine, no image, no disk).`,
		Example: `  go tool workshop check 00              your code
  go tool workshop check 00 --solution   the finished lab
  go tool workshop check 00 --json       the result as JSON on stdout`,
		Args: exactly(1, "the lab's number, such as 00"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runCheck(cmd.Context(), args[0], solution, asJSON)
		},
	}
	cmd.Flags().BoolVar(&solution, "solution", false, "check the finished lab in solutions/ instead")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON on stdout, nothing else")
	return cmd
}

// exactly is cobra.ExactArgs with an error that says what the arguments are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%s wants %s\n\nUsage: %s", cmd.Name(), what, cmd.UseLine())
		}
		return nil
	}
}

func (a *app) runCheck(ctx context.Context, name string, solution, asJSON bool) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	l, err := w.findLab(name)
	if err != nil {
		return err
	}
	dir := l.Dir()
	if solution {
		dir = l.SolutionDir()
	}
	from := a.origin(ctx, w) // before the run: the code may be edited during it
	began := time.Now()
	result, err := a.checkFolder(ctx, w, l, dir)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var missing *engine.Unavailable
	if err != nil && asJSON && errors.As(err, &missing) {
		result, err = machineFailed(l, err), nil // whoever reads JSON gets JSON
	}
	if err != nil {
		return err
	}
	if result.Seconds == 0 {
		result.Seconds = time.Since(began).Seconds()
	}
	if missing == nil { // else nothing was run
		a.keep(w, l, solution, kept{result, from})
	}
	if asJSON {
		text, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			return fmt.Errorf("result: %w", err)
		}
		a.printf("%s\n", text)
	} else {
		a.printf("%s", a.sheet(a.out).Report(titleOf(l, solution), "", result))
		a.afterCheck(l, result, solution)
	}
	return verdictError{result.Verdict}
}

// checkFolder compiles and runs the checks on the code in dir. It compiles first: a
// typing error should not have to wait for images.
func (a *app) checkFolder(ctx context.Context, w workshop, l folder, dir string) (lab.Result, error) {
	scratch, remove, err := w.scratch()
	if err != nil {
		return lab.Result{}, err
	}
	defer remove()
	p := a.progress()
	binary, err := a.compileTest(ctx, w, p, scratch, dir)
	var compile *compileError
	switch {
	case errors.As(err, &compile) && compile.in(dir, l.Dir()):
		return notCompiling(l, compile), nil
	case err != nil:
		return lab.Result{}, err
	}
	if err := a.host.prepare(ctx, a, p, imagesOf(l.Number), sizeOf(l.Number)); err != nil {
		return lab.Result{}, err
	}

	output := &testOutput{show: func(line string) { p.Note("%s", line) }}
	run := testRun{
		binary: binary, dir: w.path(filepath.FromSlash(dir)), name: "TestLab", mode: lab.ModeCheck, timeout: checkTimeout,
		result: filepath.Join(scratch, "result.json"), output: output,
	}
	err = a.runTest(ctx, run)
	if ctx.Err() != nil {
		return lab.Result{}, context.Cause(ctx)
	}
	result, readErr := lab.ReadResult(run.result)
	var exit *exec.ExitError
	switch {
	case readErr == nil:
		return result, nil
	case err == nil && errors.Is(readErr, fs.ErrNotExist):
		return lab.Result{}, fmt.Errorf("the test of %s left no result; it said:\n%s", dir, output.essence())
	case !errors.As(err, &exit):
		return lab.Result{}, errors.Join(err, readErr)
	}
	return crashed(l, dir, output.essence()), nil
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
// code is in the trace it is the learner's to mend.
func crashed(l folder, dir, output string) lab.Result {
	verdict := lab.Environment
	for _, place := range []string{dir, l.Dir()} {
		if strings.Contains(output, "/"+place+"/") && strings.Contains(output, "panic:") && !strings.Contains(output, "panic: test timed out") {
			verdict = lab.NotYet
		}
	}
	return lab.Result{
		Lab: l.Name, Verdict: verdict, Gains: []lab.GainResult{},
		Checks: []lab.CheckResult{{Name: "run", Proves: "the lab's test runs to its end", Kind: lab.Core, Verdict: verdict, Detail: output}},
	}
}

// machineFailed is the verdict on a machine that cannot run the lab.
func machineFailed(l folder, err error) lab.Result {
	return lab.Result{
		Lab: l.Name, Verdict: lab.Environment, Gains: []lab.GainResult{},
		Checks: []lab.CheckResult{{Name: "machine", Proves: "the machine can run the lab", Kind: lab.Core, Verdict: lab.Environment, Detail: err.Error()}},
	}
}

func (a *app) afterCheck(l folder, r lab.Result, solution bool) {
	again := "go tool workshop check " + l.ID()
	if solution {
		again += " --solution"
	}
	switch {
	case r.Next != "":
		a.next(r.Next)
	case r.Verdict == lab.Pass:
		a.next("go tool workshop list")
	case r.Verdict == lab.NotYet && len(r.Checks) == 1 && r.Checks[0].Name == "compile":
		a.next("mend what the compiler names, then: " + again)
	case r.Verdict == lab.NotYet:
		a.next(fmt.Sprintf("read %s/README.md, mend the first check that is not yet met, then: %s", l.Dir(), again))
	case r.Verdict == lab.Inconclusive:
		a.next("close what else uses the machine, then: " + again)
	default:
		a.next("go tool workshop doctor, then: " + again)
	}
}
