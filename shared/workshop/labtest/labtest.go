// Package labtest runs a lab's checks, and answers to it, as Go tests.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/measure/hostcpu"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

// answerTimeout bounds one answer, so that one that hangs leaves time for the others. Waiting
// for the machine does not count.
const answerTimeout = 10 * time.Minute

// answersAtOnce is how many answers that use servers run at a time.
const answersAtOnce = 3

// quickAtOnce is how many answers whose checks need no server run at a time. Such an answer waits for most of
// its time: 21 of lab 05 used 0.8 s of CPU in 17 s. So the number is far above that of the cores.
const quickAtOnce = 8

// Run runs a lab's checks and gains as far as the mode and the selection in the environment
// say, writes the result to the file that the environment names, and fails the test unless
// the verdict is a pass. Under -short it runs only the checks that need no server, and skips
// a lab that has none. Unless the mode asks for it, it also skips a lab whose files still carry
// a TODO: a fresh clone is green, and nothing passes by accident.
func Run(t *testing.T, l lab.Lab) {
	t.Helper()
	mode := modeOf(t)
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := stepsOf(course.Labs(), l); err != nil {
		t.Fatal(err)
	}
	if mode == lab.ModeList {
		write(t, l.List())
		return
	}
	selection := selectionOf(t)
	if testing.Short() || mode == lab.ModeQuick {
		if selection = serverless(l); len(selection.Names) == 0 {
			t.Skip("needs real servers")
		}
	}
	todos, err := lab.Todos(l.Files, l.Name)
	if err != nil {
		t.Fatal(err)
	}
	if (mode == lab.ModeTest || mode == lab.ModeQuick) && len(todos) > 0 {
		t.Skipf("%s is still to do (%s); run: go tool workshop check %s", l.Name, strings.Join(todos, "; "), l.Name)
	}
	run(t, l, mode, selection)
}

// serverless selects the checks that start no server and time nothing.
func serverless(l lab.Lab) lab.Selection {
	var s lab.Selection
	for _, entry := range l.List() {
		if entry.Serverless() {
			s.Names = append(s.Names, entry.Name)
		}
	}
	return s
}

// stepsOf returns an error for every check of a step that the course does not list. A lab that
// is not in the course, such as one of a test, may have any steps.
func stepsOf(labs course.Course, l lab.Lab) error {
	entry, ok := labs.Named(l.Name)
	if !ok {
		return nil
	}
	var errs []error
	for _, check := range l.Checks {
		if check.Step > len(entry.Steps) {
			errs = append(errs, fmt.Errorf("lab %s: check %q: no step %d in the course, which lists %d", l.Name, check.Name, check.Step, len(entry.Steps)))
		}
	}
	return errors.Join(errs...)
}

// Full runs a lab's long checks as Run does, in a test named TestFull, and only when
// `verify --full` asks for them.
func Full(t *testing.T, l lab.Lab) {
	t.Helper()
	mode := modeOf(t)
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	if mode != lab.ModeFull || testing.Short() {
		t.Skipf("takes long; run: go tool workshop verify --full %s", l.Name)
	}
	run(t, l, mode, selectionOf(t))
}

func run(t *testing.T, l lab.Lab, mode lab.Mode, selection lab.Selection) {
	t.Helper()
	ctx, clock, stop := timeOf(t)
	defer stop()
	l.Claim = clock.inTime(l.Claim)
	result, err := do(ctx, t, l, &lab.Run{Mode: mode, Selection: selection, Ended: keepPart(t)})
	if err != nil {
		t.Error(err)
	}
	write(t, result)
	if err := result.Err(); err != nil {
		t.Error(err)
	}
}

// Answers runs a lab's answers in a test named TestAnswers, one subtest each. It fails for
// each wrong answer that its named check does not reject, and for each right answer that a
// check rejects. A wrong answer runs its named check with the needs of that check. One that is the
// flaw of a step also runs the checks of other steps that need no server: these accept it. A right
// answer runs the checks that it names. In ModeProof each runs all checks, and the test also fails when a
// further check rejects a wrong answer.
//
// In every mode it holds the lab's section of docs/trust.md, with the rules of the lab,
// against the checks and the wrong answers.
//
// The answers use real servers, so the test skips unless `verify` asks for it. In ModeVerify
// answersAtOnce run at a time, because each leaves the processors idle for most of its time. Those
// with a stage that needs the machine alone run one after another. One answer after another uses
// the same servers: see lab.Series. Answers whose checks need no server run after all these,
// quickAtOnce at a time. It writes the results to the file that the environment names.
func Answers(t *testing.T, answers lab.Answers) {
	t.Helper()
	mode := modeOf(t)
	if err := answers.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(answers.Wrong) == 0 {
		t.Fatal("no wrong answers")
	}
	if err := errors.Join(trusted(answers), flawsOf(course.Labs(), answers), lessonShows(answers.Wrong[0].Lab)); err != nil {
		t.Error(err)
	}
	if mode != lab.ModeVerify && mode != lab.ModeProof || testing.Short() {
		t.Skipf("answers take a run each; run: go tool workshop verify %s", answers.Wrong[0].Lab.Name)
	}
	ctx, _, stop := timeOf(t)
	series := &lab.Series{}
	results := lab.AnswerResults{
		Wrong: make([]lab.WrongResult, len(answers.Wrong)), Right: make([]lab.RightResult, len(answers.Right)),
	}
	t.Cleanup(func() { // after the subtests that run side by side
		write(t, results)
		if err := series.Close(); err != nil {
			t.Error(err)
		}
		stop()
	})
	var alone, withServers, quick []func(*testing.T)
	one := func(name, what, why string, l lab.Lab, checks []string, judge func(lab.Result) (lab.Verdict, string)) {
		servers, machine := needServers(l, checks)
		machine = machine || mode != lab.ModeVerify // all checks run
		run := func(t *testing.T) {
			ctx, cancel := hostlock.WithTimeout(ctx, answerTimeout)
			defer cancel()
			fmt.Fprintf(t.Output(), "%s answer %s: %s\n", what, name, why)
			run := &lab.Run{Mode: mode, Series: series}
			if mode == lab.ModeVerify {
				run.Selection.Names = checks
			}
			result, err := do(ctx, t, l, run)
			if err != nil {
				t.Error(err)
			}
			if verdict, reason := judge(result); verdict != lab.Pass {
				t.Errorf("%s: %s", verdict, reason)
			}
		}
		start := func(t *testing.T) { t.Run(name, run) }
		switch {
		case machine:
			alone = append(alone, start)
		case servers:
			withServers = append(withServers, start)
		default:
			quick = append(quick, start)
		}
	}
	for i, w := range answers.Wrong {
		one(w.Name, "wrong", w.Why, w.Lab, checksOf(w), func(result lab.Result) (lab.Verdict, string) {
			r := lab.WrongResult{Name: w.Name, Check: w.Check, Also: slices.Clone(w.Also), Result: result}
			results.Wrong[i] = r
			return r.Verdict()
		})
	}
	for i, right := range answers.Right {
		one(right.Name, "right", right.Why, right.Lab, right.Checks, func(result lab.Result) (lab.Verdict, string) {
			r := lab.RightResult{Name: right.Name, Result: result}
			results.Right[i] = r
			return r.Verdict()
		})
	}
	sideBySide(t, 1, alone)
	sideBySide(t, answersAtOnce, withServers)
	sideBySide(t, quickAtOnce, quick) // last: beside servers, checks of lab 03 found no idle time
}

// sideBySide starts subtests, at most that many at a time.
func sideBySide(t *testing.T, atOnce int, subtests []func(*testing.T)) {
	t.Helper()
	var starting errgroup.Group
	starting.SetLimit(atOnce)
	for _, subtest := range subtests {
		starting.Go(func() error { subtest(t); return nil })
	}
	_ = starting.Wait() // no subtest returns an error
}

// flawsOf returns an error for every step of a lab whose flaw is no wrong answer.
func flawsOf(labs course.Course, answers lab.Answers) error {
	name := answers.Wrong[0].Lab.Name
	entry, ok := labs.Named(name)
	if !ok {
		return nil
	}
	var errs []error
	for _, step := range entry.Steps {
		if !slices.ContainsFunc(answers.Wrong, func(w lab.Wrong) bool { return w.Flaw == step.Number }) {
			errs = append(errs, fmt.Errorf("lab %s: step %d: no wrong answer has its flaw", name, step.Number))
		}
	}
	return errors.Join(errs...)
}

// checksOf returns the checks that judge a wrong answer: the named one. For the flaw of a step
// these are also the core checks of the other steps that need no server, which must accept it.
func checksOf(w lab.Wrong) []string {
	checks := []string{w.Check}
	if w.Flaw == 0 {
		return checks
	}
	for _, entry := range w.Lab.List() {
		if entry.Kind == lab.Core && entry.Step != w.Flaw && entry.Step != 0 && entry.Serverless() {
			checks = append(checks, entry.Name)
		}
	}
	return checks
}

// needServers reports whether one of the checks starts servers, and whether these load the whole
// machine.
func needServers(l lab.Lab, checks []string) (servers, machine bool) {
	for _, entry := range l.List() {
		if slices.Contains(checks, entry.Name) {
			servers, machine = servers || entry.Servers, machine || entry.Alone
		}
	}
	return servers, machine
}

// write writes what a run left to the file that the environment names, if it names one.
func write(t *testing.T, results interface{ WriteFile(string) error }) {
	t.Helper()
	path := os.Getenv(lab.EnvResult)
	if path == "" {
		return
	}
	if err := results.WriteFile(path); err != nil {
		t.Error(err)
	}
}

// keepPart returns a function that writes the checks that have ended beside the file of the result, for
// a run that crashes. It is nil if the environment names no file.
func keepPart(t *testing.T) func(lab.Result) {
	path := os.Getenv(lab.EnvResult)
	if path == "" {
		return nil
	}
	return func(part lab.Result) {
		if err := part.WriteFile(path + lab.PartSuffix); err != nil {
			t.Error(err)
		}
	}
}

func do(ctx context.Context, t *testing.T, l lab.Lab, run *lab.Run) (lab.Result, error) {
	run.Progress = func(line string) { fmt.Fprintln(t.Output(), line) }
	machine, stop := hostcpu.Watch(ctx)
	defer stop()
	run.Machine = machine
	result, err := l.Do(ctx, run)
	if run.Mode == lab.ModeCheck {
		result.Host.Slowness = hostspeed.Hardware() // two results are compared by it
	}
	return result, err
}

func modeOf(t *testing.T) lab.Mode {
	t.Helper()
	mode := lab.Mode(os.Getenv(lab.EnvMode))
	if !slices.Contains(lab.Modes(), mode) {
		t.Fatalf("%s=%q: want one of %q", lab.EnvMode, mode, lab.Modes())
	}
	return mode
}

func selectionOf(t *testing.T) lab.Selection {
	t.Helper()
	selection := lab.Selection{Only: os.Getenv(lab.EnvOnly), Serverless: os.Getenv(lab.EnvServerless) == "true"}
	if text := os.Getenv(lab.EnvStep); text != "" {
		step, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s=%q: want a number", lab.EnvStep, text)
		}
		selection.Step = step
	}
	return selection
}
