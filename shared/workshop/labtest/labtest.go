// Package labtest runs a lab's checks, and wrong answers to it, as Go tests.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// closingTime is the part of the test's time that a run keeps for taking its servers down.
	closingTime = 30 * time.Second
	// wrongTimeout bounds one wrong answer, so that one that hangs leaves time for the
	// others. Waiting for the machine counts.
	wrongTimeout = 10 * time.Minute
)

// Run runs a lab's checks and gains as far as the mode and the selection in the environment
// say, writes the result to the file that the environment names, and fails the test unless
// the verdict is a pass. It starts real servers, so it skips under -short. Unless the mode
// asks for it, it also skips a lab whose files still carry a TODO: a fresh clone is green,
// and nothing passes by accident.
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
	if testing.Short() {
		t.Skip("needs real servers")
	}
	todos, err := lab.Todos(l.Files, l.Name)
	if err != nil {
		t.Fatal(err)
	}
	if mode == lab.ModeTest && len(todos) > 0 {
		t.Skipf("%s is still to do (%s); run: go tool workshop check %s", l.Name, strings.Join(todos, "; "), l.Name)
	}
	run(t, l, mode)
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
	run(t, l, mode)
}

func run(t *testing.T, l lab.Lab, mode lab.Mode) {
	t.Helper()
	ctx, stop := timeOf(t)
	defer stop()
	result, err := do(ctx, t, l, mode, selectionOf(t))
	if err != nil {
		t.Error(err)
	}
	write(t, result)
	if err := result.Err(); err != nil {
		t.Error(err)
	}
}

// Wrong runs wrong answers, in a test named TestWrong, one subtest each, and fails for
// each that its check does not reject. A wrong answer runs that check and its needs; in
// ModeProof it runs all checks, and the test fails also when a further check rejects it.
// It starts real servers for every one of them, so it skips unless `verify` asks for it.
// It writes the results to the file that the environment names.
func Wrong(t *testing.T, wrongs ...lab.Wrong) {
	t.Helper()
	mode := modeOf(t)
	if err := lab.ValidateWrongs(wrongs...); err != nil {
		t.Fatal(err)
	}
	if len(wrongs) == 0 {
		t.Fatal("no wrong answers")
	}
	if mode != lab.ModeVerify && mode != lab.ModeProof || testing.Short() {
		t.Skipf("wrong answers take a run each; run: go tool workshop verify %s", wrongs[0].Lab.Name)
	}
	ctx, stop := timeOf(t)
	defer stop()
	results := lab.WrongResults{}
	for _, w := range wrongs {
		t.Run(w.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(ctx, wrongTimeout)
			defer cancel()
			fmt.Fprintf(t.Output(), "wrong answer %s: %s\n", w.Name, w.Why)
			var selection lab.Selection
			if mode == lab.ModeVerify {
				selection.Only = w.Check
			}
			result, err := do(ctx, t, w.Lab, mode, selection)
			if err != nil {
				t.Error(err)
			}
			r := lab.WrongResult{Name: w.Name, Check: w.Check, Also: slices.Clone(w.Also), Result: result}
			results = append(results, r)
			if verdict, reason := r.Verdict(); verdict != lab.Pass {
				t.Errorf("%s: %s", verdict, reason)
			}
		})
	}
	write(t, results)
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

func do(ctx context.Context, t *testing.T, l lab.Lab, mode lab.Mode, selection lab.Selection) (lab.Result, error) {
	return l.Do(ctx, &lab.Run{
		Mode: mode, Selection: selection,
		Progress: func(line string) { fmt.Fprintln(t.Output(), line) },
	})
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
	selection := lab.Selection{Only: os.Getenv(lab.EnvOnly)}
	if text := os.Getenv(lab.EnvStep); text != "" {
		step, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s=%q: want a number", lab.EnvStep, text)
		}
		selection.Step = step
	}
	return selection
}

// timeOf returns a context that ends early enough to take the servers down. An interrupt
// ends it too, and not the process, so that the servers go with the run.
func timeOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	deadline, ok := t.Deadline()
	if !ok {
		return ctx, stop
	}
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(-closingTime))
	return ctx, func() { cancel(); stop() }
}
