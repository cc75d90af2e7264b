package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

// The command itself makes the full-size database that the scripts leave out to save time.
func TestSizesOfSeededDatabases(t *testing.T) {
	sizes := thisHost{}.sizes()
	for _, size := range append(course.Labs().Datasets(), seed.Full(), seed.Growing(), seed.Early(), seed.Small()) {
		if !slices.Contains(sizes, size) {
			t.Errorf("images build makes %+v, want %+v among them", sizes, size)
		}
	}
	if untimed := (untimedHost{}).sizes(); len(untimed) != len(sizes)-1 || slices.Contains(untimed, seed.Full()) {
		t.Errorf("where nothing is timed it makes %+v, want all but the full size", untimed)
	}
}

func TestExitCode(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	missing := &engine.Unavailable{Problem: "no engine"}
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"done", t.Context(), nil, 0},
		{"pass", t.Context(), verdictError{lab.Pass}, 0},
		{"not yet", t.Context(), verdictError{lab.NotYet}, 1},
		{"inconclusive", t.Context(), verdictError{lab.Inconclusive}, 2},
		{"environment", t.Context(), verdictError{lab.Environment}, 3},
		{"no engine", t.Context(), fmt.Errorf("start: %w", missing), 3},
		{"any other", t.Context(), errors.New("disk full"), 3},
		{"usage", t.Context(), usagef("what?"), 64},
		{"a program's own", t.Context(), exitError{7}, 7},
		{"interrupted", ended, verdictError{lab.NotYet}, 130},
		{"interrupted, no error", ended, nil, 130},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCode(tt.ctx, tt.err); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	tests := []struct{ name, readme, outcome string }{
		{"sentence", "# Lab 00: baseline\n\n**Outcome.** You can\nsay where.\n\nMore.\n", "You can say where."},
		{"colon", "# L\n\nFirst.\n\nOutcome: you can.\n", "you can."},
		{"windows", "# L\r\n\r\n**Outcome:** you can.\r\n", "you can."},
		{"none", "# L\n\n## Why\n\nFirst.\n\nSecond.\n", "First."},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := outcome([]byte(tt.readme)); got != tt.outcome {
				t.Errorf("outcome = %q, want %q", got, tt.outcome)
			}
		})
	}
}

func TestCompileErrorPlaces(t *testing.T) {
	tests := []struct {
		output string
		want   bool
	}{
		{"# bytebites.example/workshop/labs/00-baseline\nlabs/00-baseline/answers.go:3:5: undefined: x", true},
		{`labs\00-baseline\answers.go:3:5: undefined: x`, true},
		{"./labs/00-baseline/answers.go:3:5: undefined: x", true},
		{"shared/measure/load/load.go:3:5: undefined: x", false},
		{"labs/00-baseline-two/answers.go:1:1: x", false},
		{"go: module lookup disabled", false},
		{"found packages baseline (answers.go) and main (mine.go) in /clone/labs/00-baseline", true},
		{"labs/00-baseline/lab_test.go:6:2: found packages baseline (answers.go) and main (mine.go) in /clone/labs/00-baseline/answer", true},
		{"labs/00-baseline/answers.go:6:2: found packages parts (parts.go) and main (mine.go) in /clone/parts", false},
		{modulePath + "/labs/00-baseline: no non-test Go files in /clone/labs/00-baseline", true},
		{"/clone/labs/00-baseline/mine_test.go:3:1: wrong signature for TestMine", true},
		{"open /clone/labs/00-baseline/lost.go: no such file or directory", true},
		{"package " + modulePath + "/labs/00-baseline: C source files not allowed when not using cgo or SWIG: x.c", true},
		{"package " + modulePath + "/labs/00-baseline\n\timports " + modulePath + "/labs/00-baseline/spec from answers.go\n\timports " +
			modulePath + "/labs/00-baseline from lab.go: import cycle not allowed", true},
		{"package " + modulePath + "/labs/00-baseline\n\timports " + modulePath + "/parts from answers.go\n\timports " +
			modulePath + "/parts: import cycle not allowed", false},
	}
	for _, tt := range tests {
		if got := (&compileError{root: "/clone", output: tt.output}).in("labs/00-baseline"); got != tt.want {
			t.Errorf("in(%q) = %t, want %t", tt.output, got, tt.want)
		}
	}
}
