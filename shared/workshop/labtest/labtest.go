// Package labtest runs a lab's spec, and wrong answers to it, as Go tests.
package labtest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// settleTime is what a run keeps of the test's time for taking its servers down.
	settleTime = 30 * time.Second
	// wrongTime bounds one wrong answer, so that one that hangs does not take the time of
	// the others; waiting for the machine counts.
	wrongTime = 10 * time.Minute
)

// Run runs a lab's checks and gains as far as the mode in the environment says, writes
// the result to the file that the environment names, and fails the test unless the
// verdict is a pass. It starts real servers, so it skips under -short; and it skips a lab
// whose files still carry a TODO unless the mode asks for it, so that a fresh clone
// is green and nothing passes by accident.
func Run(t *testing.T, l lab.Lab) {
	t.Helper()
	mode := modeOf(t)
	if err := l.Validate(); err != nil {
		t.Fatal(err)
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
	result, err := do(ctx, t, l, mode)
	if err != nil {
		t.Error(err)
	}
	if path := os.Getenv(lab.EnvResult); path != "" {
		if err := result.WriteFile(path); err != nil {
			t.Error(err)
		}
	}
	if err := result.Err(); err != nil {
		t.Error(err)
	}
}

// Wrong runs wrong answers, in a test named TestWrong, one subtest each, and fails for
// each that is not rejected by its check alone. It starts real servers for every one of
// them, so it skips unless `verify` asks for it. What came of them all it writes to the
// file that the environment names.
func Wrong(t *testing.T, wrongs ...lab.Wrong) {
	t.Helper()
	mode := modeOf(t)
	if err := lab.ValidateWrongs(wrongs...); err != nil {
		t.Fatal(err)
	}
	if len(wrongs) == 0 {
		t.Fatal("no wrong answers")
	}
	if mode != lab.ModeVerify || testing.Short() {
		t.Skipf("wrong answers take a run each; run: go tool workshop verify %s", wrongs[0].Lab.Name)
	}
	ctx, stop := timeOf(t)
	defer stop()
	results := lab.WrongResults{}
	for _, w := range wrongs {
		t.Run(w.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(ctx, wrongTime)
			defer cancel()
			fmt.Fprintf(t.Output(), "wrong answer %s: %s\n", w.Name, w.Why)
			result, err := do(ctx, t, w.Lab, mode)
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
	if path := os.Getenv(lab.EnvResult); path != "" {
		if err := results.WriteFile(path); err != nil {
			t.Error(err)
		}
	}
}

func do(ctx context.Context, t *testing.T, l lab.Lab, mode lab.Mode) (lab.Result, error) {
	return l.Do(ctx, &lab.Run{Mode: mode, Progress: func(line string) { fmt.Fprintln(t.Output(), line) }})
}

func modeOf(t *testing.T) lab.Mode {
	t.Helper()
	modes := []lab.Mode{lab.ModeTest, lab.ModeCheck, lab.ModeVerify, lab.ModeFull}
	mode := lab.Mode(os.Getenv(lab.EnvMode))
	if !slices.Contains(modes, mode) {
		t.Fatalf("%s=%q: want one of %q", lab.EnvMode, mode, modes)
	}
	return mode
}

// timeOf returns a context that ends early enough to take the servers down, or at an
// interrupt, which ends the run and not the process, so that the servers go with it.
func timeOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	deadline, ok := t.Deadline()
	if !ok {
		return ctx, stop
	}
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(-settleTime))
	return ctx, func() { cancel(); stop() }
}
