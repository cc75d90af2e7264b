package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/lab"
)

// What a script leaves out, for want of time, the command itself makes.
func TestSizesOfSeededDatabases(t *testing.T) {
	sizes := thisHost{}.sizes()
	for _, size := range []seed.Size{seed.Full(), seed.Growing(), seed.Early(), seed.Small()} {
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

func TestLesson(t *testing.T) {
	tests := []struct{ name, readme, title, outcome string }{
		{"sentence", "# Lab 00: baseline\n\n**Outcome.** You can\nsay where.\n\nMore.\n", "Lab 00: baseline", "You can say where."},
		{"colon", "# L\n\nFirst.\n\nOutcome: you can.\n", "L", "you can."},
		{"windows", "# L\r\n\r\n**Outcome:** you can.\r\n", "L", "you can."},
		{"none", "# L\n\n## Why\n\nFirst.\n\nSecond.\n", "L", "First."},
		{"empty", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			title, outcome := lesson([]byte(tt.readme))
			if title != tt.title || outcome != tt.outcome {
				t.Errorf("lesson = %q, %q; want %q, %q", title, outcome, tt.title, tt.outcome)
			}
		})
	}
}

func TestComposeVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"1.27.4": false, "1.28.0": true, "1.29.2": true, "2.24.5-desktop.1": true, "5.0.0": true, "": false, "dev": false, "1.9.0": false,
	} {
		if got := profilesKnown(version); got != want {
			t.Errorf("profilesKnown(%q) = %t, want %t", version, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	tests := []struct {
		names   []string
		folder  int
		want    []string
		problem string
	}{
		{nil, 0, []string{"baseline"}, ""},
		{nil, 1, []string{"baseline"}, ""},
		{nil, 2, []string{"horizontal"}, ""},
		{nil, 3, []string{"cache"}, ""},
		{nil, 4, []string{"sharding"}, ""},
		{nil, 5, []string{"queue"}, ""},
		{nil, 6, []string{"queue"}, ""}, // lab 06 brings none
		{[]string{"baseline"}, 3, []string{"baseline"}, ""},
		{[]string{"monitoring"}, 0, []string{"baseline", "monitoring"}, ""},
		{[]string{"monitoring"}, 2, []string{"horizontal", "monitoring"}, ""},
		{[]string{"monitoring", "baseline", "monitoring"}, 0, []string{"monitoring", "baseline"}, ""},
		{[]string{"horizontal", "monitoring"}, 0, []string{"horizontal", "monitoring"}, ""},
		{[]string{"lunch"}, 0, nil, "there are: baseline, monitoring, horizontal, cache, sharding, queue"},
		{[]string{"cache"}, 0, []string{"cache"}, ""},
		{[]string{"queue", "sharding"}, 0, []string{"queue", "sharding"}, ""},
	}
	for _, tt := range tests {
		chosen, err := choose(tt.names, tt.folder)
		got := namesOf(chosen)
		if !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 || (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("choose(%v, %d) = %v, %v; want %v, %q", tt.names, tt.folder, got, err, tt.want, tt.problem)
		}
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
	}
	for _, tt := range tests {
		if got := (&compileError{output: tt.output}).in("labs/00-baseline"); got != tt.want {
			t.Errorf("in(%q) = %t, want %t", tt.output, got, tt.want)
		}
	}
}
