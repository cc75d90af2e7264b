// Package spectest runs a lab's spec as a Go test.
package spectest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"bytebites.example/workshop/shared/spec"
)

// settleTime is what a run keeps of the test's time for taking its servers down.
const settleTime = 30 * time.Second

// Run runs a lab's checks and gains as far as the mode in the environment says, writes
// the result to the file that the environment names, and fails the test unless the
// verdict is a pass. It starts real servers, so it skips under -short; and it skips a lab
// whose files still carry a TODO unless the mode is to check it, so that a fresh clone
// is green and nothing passes by accident.
func Run(t *testing.T, lab spec.Lab) {
	t.Helper()
	mode := spec.Mode(os.Getenv(spec.EnvMode))
	if mode != spec.ModeTest && mode != spec.ModeCheck {
		t.Fatalf("%s=%q: want %q or nothing", spec.EnvMode, mode, spec.ModeCheck)
	}
	if testing.Short() {
		t.Skip("needs real servers")
	}
	todos, err := spec.Todos(lab.Files, lab.Name)
	if err != nil {
		t.Fatal(err)
	}
	if mode == spec.ModeTest && len(todos) > 0 {
		t.Skipf("%s is still to do (%s); run: go tool workshop check %s", lab.Name, strings.Join(todos, "; "), lab.Name)
	}

	// An interrupt ends the run, not the process, so that the lab's servers go with it.
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-settleTime))
		defer cancel()
	}
	result, err := lab.Do(ctx, &spec.Run{Mode: mode, Progress: func(line string) { fmt.Fprintln(t.Output(), line) }})
	if err != nil {
		t.Error(err)
	}
	if path := os.Getenv(spec.EnvResult); path != "" {
		if err := result.WriteFile(path); err != nil {
			t.Error(err)
		}
	}
	if err := result.Err(); err != nil {
		t.Error(err)
	}
}
