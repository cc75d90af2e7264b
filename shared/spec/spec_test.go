package spec_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/spec"
)

// check returns a core check that ends with err.
func check(name string, err error) spec.Check {
	return spec.Check{Name: name, Kind: spec.Core, Run: func(context.Context, *spec.Run) error { return err }}
}

// gain returns a gain with a floor of 2 that measures m.
func gain(m spec.Measured, err error) spec.Gain {
	return spec.Gain{Name: "gain", Floor: 2, Measure: func(context.Context, *spec.Run) (spec.Measured, error) { return m, err }}
}

func stretch(c spec.Check) spec.Check { c.Kind = spec.Stretch; return c }

func TestVerdict(t *testing.T) {
	failure := &spec.Failure{Expected: "one order", Seen: "two", Look: "the ledger"}
	doubt := &spec.Doubt{Reason: "the host had no idle time left"}
	broken := errors.New("no engine")
	count := func(ratio float64) spec.Measured { return spec.Measured{Ratio: ratio} }
	tests := []struct {
		name   string
		checks []spec.Check
		gains  []spec.Gain
		want   spec.Verdict
		exit   int
	}{
		{"nothing demanded", nil, nil, spec.Pass, 0},
		{"all pass", []spec.Check{check("a", nil)}, []spec.Gain{gain(count(3), nil)}, spec.Pass, 0},
		{"a failure", []spec.Check{check("a", failure)}, nil, spec.NotYet, 1},
		{"a wrapped failure", []spec.Check{check("a", fmt.Errorf("order 3: %w", failure))}, nil, spec.NotYet, 1},
		{"a stretch failure", []spec.Check{check("a", nil), stretch(check("b", failure))}, nil, spec.Pass, 0},
		{"a doubt", []spec.Check{check("a", doubt)}, nil, spec.Inconclusive, 2},
		{"a failure outweighs a doubt", []spec.Check{check("a", failure), check("b", doubt)}, nil, spec.NotYet, 1},
		{"the environment", []spec.Check{check("a", broken)}, nil, spec.Environment, 3},
		{"the environment outweighs a failure", []spec.Check{check("a", failure), check("b", broken)}, nil, spec.Environment, 3},
		{"the environment in a stretch check", []spec.Check{stretch(check("a", broken))}, nil, spec.Environment, 3},
		{"a gain under its floor", nil, []spec.Gain{gain(count(1.9), nil)}, spec.NotYet, 1},
		{"a gain at its floor", nil, []spec.Gain{gain(count(2), nil)}, spec.Pass, 0},
		{"an interval over the floor", nil, []spec.Gain{gain(spec.Measured{Ratio: 3, Low: 2.1, High: 4, Pairs: 6}, nil)}, spec.Pass, 0},
		{"an interval that holds the floor", nil, []spec.Gain{gain(spec.Measured{Ratio: 3, Low: 1.9, High: 4, Pairs: 6}, nil)}, spec.Inconclusive, 2},
		{"an interval under the floor", nil, []spec.Gain{gain(spec.Measured{Ratio: 1.2, Low: 1, High: 1.9, Pairs: 6}, nil)}, spec.NotYet, 1},
		{"a gain of nothing over nothing", nil, []spec.Gain{gain(count(math.NaN()), nil)}, spec.Inconclusive, 2},
		{"a gain over nothing", nil, []spec.Gain{gain(count(math.Inf(1)), nil)}, spec.Inconclusive, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			toy := spec.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: tt.checks, Gains: tt.gains}
			result, err := toy.Do(t.Context(), &spec.Run{})
			if err != nil {
				t.Fatal(err)
			}
			if result.Verdict != tt.want || result.Verdict.ExitCode() != tt.exit {
				t.Errorf("verdict %q, exit code %d; want %q, %d", result.Verdict, result.Verdict.ExitCode(), tt.want, tt.exit)
			}
			if (result.Err() == nil) != (tt.want == spec.Pass) {
				t.Errorf("verdict %q comes with the error %v", result.Verdict, result.Err())
			}
			path := filepath.Join(t.TempDir(), "result.json")
			if err := result.WriteFile(path); err != nil {
				t.Fatal(err)
			}
			again, err := spec.ReadResult(path)
			if err != nil {
				t.Fatal(err)
			}
			if again.Verdict != result.Verdict || len(again.Checks) != len(tt.checks) || len(again.Gains) != len(tt.gains) {
				t.Errorf("read back %+v, wrote %+v", again, result)
			}
		})
	}
}

func TestNothingIsGainedByAWrongAnswer(t *testing.T) {
	measured := false
	g := spec.Gain{Name: "gain", Floor: 2, Measure: func(context.Context, *spec.Run) (spec.Measured, error) {
		measured = true
		return spec.Measured{Ratio: 100}, nil
	}}
	toy := spec.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Checks: []spec.Check{check("wrong", &spec.Failure{Expected: "a", Seen: "b"})},
		Gains:  []spec.Gain{g},
	}
	result, err := toy.Do(t.Context(), &spec.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if measured || result.Gains[0].Verdict != spec.Skipped {
		t.Errorf("the gain of a wrong answer was measured: %+v", result.Gains[0])
	}
}

func TestTimesWaitForCheck(t *testing.T) {
	timed := gain(spec.Measured{Ratio: 3}, nil)
	timed.Timed = true
	rate := check("rate", nil)
	rate.Timed = true
	toy := spec.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []spec.Check{rate}, Gains: []spec.Gain{timed}}
	for mode, want := range map[spec.Mode]int{spec.ModeTest: 0, spec.ModeCheck: 1, spec.ModeVerify: 0, spec.ModeFull: 1} {
		result, err := toy.Do(t.Context(), &spec.Run{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Gains) != want || len(result.Checks) != want {
			t.Errorf("mode %q measured %d gains and %d rates, want %d of each", mode, len(result.Gains), len(result.Checks), want)
		}
	}
}

func TestPrepareFails(t *testing.T) {
	ended, ran := false, false
	toy := spec.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Prepare: func(context.Context, *spec.Run) (func() error, error) {
			return func() error { ended = true; return nil }, errors.New("no engine")
		},
		Checks: []spec.Check{{Name: "a", Kind: spec.Core, Run: func(context.Context, *spec.Run) error { ran = true; return nil }}},
	}
	result, err := toy.Do(t.Context(), &spec.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != spec.Environment || ran || !ended {
		t.Errorf("verdict %q, checks ran: %t, ended: %t; want %q, false, true", result.Verdict, ran, ended, spec.Environment)
	}
	if err := result.Err(); err == nil || !strings.Contains(err.Error(), "no engine") {
		t.Errorf("the error does not say why: %v", err)
	}
}

// A check that is cut short blames the code for what the clock did.
func TestARunCalledOffBlamesNoCode(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failure := &spec.Failure{Expected: "one order", Seen: "none"}
	toy := spec.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []spec.Check{
		{Name: "a", Kind: spec.Core, Run: func(context.Context, *spec.Run) error { cancel(); return failure }},
	}}
	result, err := toy.Do(ctx, &spec.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != spec.Environment || !strings.Contains(result.Checks[0].Detail, "saw none") {
		t.Errorf("verdict %q, detail %q; want %q and what was seen", result.Verdict, result.Checks[0].Detail, spec.Environment)
	}
}

func TestOnlyVerifyAsksForTheStarter(t *testing.T) {
	toy := spec.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []spec.Check{check("a", nil)}, Starter: []string{"a"}}
	for mode, want := range map[spec.Mode][]string{spec.ModeCheck: nil, spec.ModeVerify: {"a"}} {
		result, err := toy.Do(t.Context(), &spec.Run{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(result.Starter, want) {
			t.Errorf("mode %q: starter %q, want %q", mode, result.Starter, want)
		}
	}
}

func TestTodos(t *testing.T) {
	files := fstest.MapFS{
		"answers.go": {Data: []byte("package a\n\n\t// TODO(lab 00): say which.\nvar x = 1 // TODO(lab 01): another lab's\n")},
		"index.sql":  {Data: []byte("-- TODO(lab 00): the index")},
		"done.go":    {Data: []byte("package a\n")},
	}
	got, err := spec.Todos(files, "00-baseline")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"answers.go:3: TODO(lab 00): say which.", "index.sql:1: TODO(lab 00): the index"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWorstRoundCounts(t *testing.T) {
	toy := spec.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []spec.Check{{
		Name: "a", Kind: spec.Core, Run: func(_ context.Context, run *spec.Run) error {
			run.ReportHost(2e6, 0.0)
			run.ReportHost(1e6, 0.7)
			run.Report("rate", 1, "1/s")
			run.Report("rate", 2, "1/s")
			return nil
		}}}}
	result, err := toy.Do(t.Context(), &spec.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Host.IdleShare != 0 || result.Host.GeneratorLatenessP99Seconds != 0.002 {
		t.Errorf("host %+v, want the worst of both rounds", result.Host)
	}
	if len(result.Reported) != 1 || result.Reported[0].Value != 2 {
		t.Errorf("reported %+v, want the later figure alone", result.Reported)
	}
}
