package lab_test

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

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/lab"
)

// check returns a core check that ends with err.
func check(name string, err error) lab.Check {
	return lab.Check{Name: name, Kind: lab.Core, Step: 1, Run: func(context.Context, *lab.Run) error { return err }}
}

// gain returns a gain with a floor of 2 that measures m.
func gain(m lab.Measured, err error) lab.Gain {
	return lab.Gain{Name: "gain", Floor: 2, Measure: func(context.Context, *lab.Run) (lab.Measured, error) { return m, err }}
}

func stretch(c lab.Check) lab.Check { c.Kind = lab.Stretch; return c }

func TestVerdict(t *testing.T) {
	failure := &lab.Failure{Expected: "one order", Seen: "two", Look: lab.Look{File: "ledger.go"}}
	doubt := &lab.Doubt{Reason: "the host had no idle time left"}
	broken := errors.New("no engine")
	count := func(ratio float64) lab.Measured { return lab.Measured{Ratio: ratio} }
	tests := []struct {
		name   string
		checks []lab.Check
		gains  []lab.Gain
		want   lab.Verdict
		exit   int
	}{
		{"nothing demanded", nil, nil, lab.Pass, 0},
		{"all pass", []lab.Check{check("a", nil)}, []lab.Gain{gain(count(3), nil)}, lab.Pass, 0},
		{"a failure", []lab.Check{check("a", failure)}, nil, lab.NotYet, 1},
		{"a wrapped failure", []lab.Check{check("a", fmt.Errorf("order 3: %w", failure))}, nil, lab.NotYet, 1},
		{"a stretch failure", []lab.Check{check("a", nil), stretch(check("b", failure))}, nil, lab.Pass, 0},
		{"a doubt", []lab.Check{check("a", doubt)}, nil, lab.Inconclusive, 2},
		{"a failure outweighs a doubt", []lab.Check{check("a", failure), check("b", doubt)}, nil, lab.NotYet, 1},
		{"the environment", []lab.Check{check("a", broken)}, nil, lab.Environment, 3},
		{"the environment outweighs a failure", []lab.Check{check("a", failure), check("b", broken)}, nil, lab.Environment, 3},
		{"the environment in a stretch check", []lab.Check{stretch(check("a", broken))}, nil, lab.Environment, 3},
		{"a failure joined to the environment", []lab.Check{check("a", errors.Join(failure, broken))}, nil, lab.Environment, 3},
		{"the environment joined to a failure", []lab.Check{check("a", fmt.Errorf("order 3: %w", errors.Join(broken, failure)))}, nil, lab.Environment, 3},
		{"a failure and the environment in one text", []lab.Check{check("a", fmt.Errorf("%w, and then %w", failure, broken))}, nil, lab.Environment, 3},
		{"a doubt joined to the environment", []lab.Check{check("a", errors.Join(doubt, broken))}, nil, lab.Environment, 3},
		{"a failure joined to a doubt", []lab.Check{check("a", errors.Join(doubt, failure))}, nil, lab.NotYet, 1},
		{"a failure joined to nothing", []lab.Check{check("a", errors.Join(nil, failure))}, nil, lab.NotYet, 1},
		{"two failures", []lab.Check{check("a", errors.Join(failure, failure))}, nil, lab.NotYet, 1},
		{"a gain under its floor", nil, []lab.Gain{gain(count(1.9), nil)}, lab.NotYet, 1},
		{"a gain at its floor", nil, []lab.Gain{gain(count(2), nil)}, lab.Pass, 0},
		{"an interval over the floor", nil, []lab.Gain{gain(lab.Measured{Ratio: 3, Low: 2.1, High: 4, Pairs: 6}, nil)}, lab.Pass, 0},
		{"an interval that holds the floor", nil, []lab.Gain{gain(lab.Measured{Ratio: 3, Low: 1.9, High: 4, Pairs: 6}, nil)}, lab.Inconclusive, 2},
		{"an interval under the floor", nil, []lab.Gain{gain(lab.Measured{Ratio: 1.2, Low: 1, High: 1.9, Pairs: 6}, nil)}, lab.NotYet, 1},
		{"a lower bound over the floor", nil, []lab.Gain{gain(lab.Measured{Ratio: 3, Low: 2.1, High: 4, Pairs: 6, AtLeast: true}, nil)}, lab.Pass, 0},
		{"a lower bound under the floor", nil, []lab.Gain{gain(lab.Measured{Ratio: 0.8, Low: 0.7, High: 0.9, Pairs: 6, AtLeast: true}, nil)}, lab.Inconclusive, 2},
		{"a gain of nothing over nothing", nil, []lab.Gain{gain(count(math.NaN()), nil)}, lab.Inconclusive, 2},
		{"a gain over nothing", nil, []lab.Gain{gain(count(math.Inf(1)), nil)}, lab.Inconclusive, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: tt.checks, Gains: tt.gains}
			result, err := toy.Do(t.Context(), &lab.Run{})
			if err != nil {
				t.Fatal(err)
			}
			if result.Verdict != tt.want || result.Verdict.ExitCode() != tt.exit {
				t.Errorf("verdict %q, exit code %d; want %q, %d", result.Verdict, result.Verdict.ExitCode(), tt.want, tt.exit)
			}
			if (result.Err() == nil) != (tt.want == lab.Pass) {
				t.Errorf("verdict %q comes with the error %v", result.Verdict, result.Err())
			}
			path := filepath.Join(t.TempDir(), "result.json")
			if err := result.WriteFile(path); err != nil {
				t.Fatal(err)
			}
			again, err := lab.ReadResult(path)
			if err != nil {
				t.Fatal(err)
			}
			if again.Verdict != result.Verdict || len(again.Checks) != len(tt.checks) || len(again.Gains) != len(tt.gains) {
				t.Errorf("read back %+v, wrote %+v", again, result)
			}
		})
	}
}

// A check that crashes the process finds the checks before it told already.
func TestEndedTellsEachCheck(t *testing.T) {
	var told []string
	crash := lab.Check{Name: "b", Kind: lab.Core, Needs: []string{"a"}, Run: func(context.Context, *lab.Run) error {
		if !slices.Equal(told, []string{"a pass"}) {
			t.Errorf("during the second check: told %q", told)
		}
		return nil
	}}
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{check("a", nil), crash}}
	_, err := toy.Do(t.Context(), &lab.Run{Ended: func(part lab.Result) {
		last := part.Checks[len(part.Checks)-1]
		told = append(told, last.Name+" "+string(last.Verdict))
	}})
	if err != nil || !slices.Equal(told, []string{"a pass", "b pass"}) {
		t.Errorf("told %q, error %v", told, err)
	}
}

// The circumstance is that of the failure that is told, and not the text of another one.
func TestWhereOfJoinedFailures(t *testing.T) {
	first := &lab.Failure{Expected: "one order", Seen: "two"}
	second := &lab.Failure{Expected: "one mail", Seen: "none"}
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{
		check("a", errors.Join(fmt.Errorf("order 3: %w", first), second)),
	}}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	c := result.Checks[0]
	if c.Failure == nil || c.Failure.Where != "order 3" || c.Failure.Seen != "two" || !strings.Contains(c.Detail, "one mail") {
		t.Errorf("got %+v, detail %q; want order 3, and the second in the detail", c.Failure, c.Detail)
	}
}

func TestNothingIsGainedByAWrongAnswer(t *testing.T) {
	measured, started := false, false
	g := lab.Gain{Name: "gain", Floor: 2, Needs: []string{"servers"}, Measure: func(context.Context, *lab.Run) (lab.Measured, error) {
		measured = true
		return lab.Measured{Ratio: 100}, nil
	}}
	toy := lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers", Start: func(context.Context, *lab.Run) (func() error, error) {
			started = true
			return nil, nil
		}}},
		Checks: []lab.Check{check("wrong", &lab.Failure{Expected: "a", Seen: "b"})},
		Gains:  []lab.Gain{g},
	}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if measured || started || result.Gains[0].Verdict != lab.NotReached {
		t.Errorf("measured %t, servers started for it %t, gain %+v; want false, false and a gain that is not reached", measured, started, result.Gains[0])
	}
}

// A machine that is too busy to time anything still counts.
func TestCountedGainIsMeasuredBesideTimedDoubts(t *testing.T) {
	failure := &lab.Failure{Expected: "a", Seen: "b"}
	doubt := &lab.Doubt{Reason: "the host had no idle time left"}
	timed := func(err error) lab.Check { c := check("timed", err); c.Timed = true; return c }
	gains := func(first error) []lab.Gain {
		rate := gain(lab.Measured{Ratio: 3}, first)
		rate.Name, rate.Timed = "rate", true
		return []lab.Gain{rate, gain(lab.Measured{Ratio: 3}, nil)}
	}
	for _, tt := range []struct {
		name            string
		checks          []lab.Check
		rate            error
		timed, count    lab.Verdict // of the gains
		verdictOfTheRun lab.Verdict
	}{
		{"all well", []lab.Check{check("a", nil), timed(nil)}, nil, lab.Pass, lab.Pass, lab.Pass},
		{"a timed check cannot tell", []lab.Check{check("a", nil), timed(doubt)}, nil, lab.NotReached, lab.Pass, lab.Inconclusive},
		{"a timed check fails", []lab.Check{check("a", nil), timed(failure)}, nil, lab.NotReached, lab.NotReached, lab.NotYet},
		{"a check cannot tell", []lab.Check{check("a", doubt)}, nil, lab.NotReached, lab.NotReached, lab.Inconclusive},
		{"a timed gain cannot tell", []lab.Check{check("a", nil)}, doubt, lab.Inconclusive, lab.Pass, lab.Inconclusive},
		{"a check fails, and a timed one cannot tell", []lab.Check{check("a", failure), timed(doubt)}, nil, lab.NotReached, lab.NotReached, lab.NotYet},
		{"a stretch check fails", []lab.Check{stretch(check("a", failure)), timed(doubt)}, nil, lab.NotReached, lab.Pass, lab.Inconclusive},
	} {
		toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: tt.checks, Gains: gains(tt.rate)}
		result, err := toy.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck})
		if err != nil {
			t.Fatal(err)
		}
		if got := result.Gains; got[0].Verdict != tt.timed || got[1].Verdict != tt.count || result.Verdict != tt.verdictOfTheRun {
			t.Errorf("%s: timed gain %q, count %q, run %q; want %q, %q, %q", tt.name,
				got[0].Verdict, got[1].Verdict, result.Verdict, tt.timed, tt.count, tt.verdictOfTheRun)
		}
	}
}

func TestTimesWaitForCheck(t *testing.T) {
	timed := gain(lab.Measured{Ratio: 3}, nil)
	timed.Timed = true
	rate := check("rate", nil)
	rate.Timed = true
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{rate}, Gains: []lab.Gain{timed}}
	for mode, want := range map[lab.Mode]int{lab.ModeTest: 0, lab.ModeCheck: 1, lab.ModeVerify: 0, lab.ModeFull: 1} {
		result, err := toy.Do(t.Context(), &lab.Run{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Gains) != want || len(result.Checks) != want {
			t.Errorf("mode %q measured %d gains and %d rates, want %d of each", mode, len(result.Gains), len(result.Checks), want)
		}
	}
}

// TestDeepDivesWaitForCheck: plain `go test` runs no stretch check that needs servers, unless it is
// asked for.
func TestDeepDivesWaitForCheck(t *testing.T) {
	quick, deep := stretch(check("quick", nil)), stretch(check("deep", nil))
	deep.Needs = []string{"servers"}
	toy := lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{quick, deep},
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers", Start: func(context.Context, *lab.Run) (func() error, error) {
			return func() error { return nil }, nil
		}}},
	}
	for _, tt := range []struct {
		mode      lab.Mode
		selection lab.Selection
		want      int
	}{
		{lab.ModeTest, lab.Selection{}, 1}, {lab.ModeCheck, lab.Selection{}, 2}, {lab.ModeVerify, lab.Selection{}, 2},
		{lab.ModeTest, lab.Selection{Only: "deep"}, 1}, {lab.ModeTest, lab.Selection{Step: 1}, 2},
	} {
		result, err := toy.Do(t.Context(), &lab.Run{Mode: tt.mode, Selection: tt.selection})
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Checks) != tt.want {
			t.Errorf("mode %q, %+v: %d checks ran, want %d", tt.mode, tt.selection, len(result.Checks), tt.want)
		}
	}
}

func TestAStageFails(t *testing.T) {
	ended, ran := false, false
	toy := lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers", Start: func(context.Context, *lab.Run) (func() error, error) {
			return func() error { ended = true; return nil }, errors.New("no engine")
		}}},
		Checks: []lab.Check{{Name: "a", Kind: lab.Core, Needs: []string{"servers"}, Run: func(context.Context, *lab.Run) error { ran = true; return nil }}},
	}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != lab.Environment || ran || !ended {
		t.Errorf("verdict %q, checks ran: %t, ended: %t; want %q, false, true", result.Verdict, ran, ended, lab.Environment)
	}
	if err := result.Err(); err == nil || !strings.Contains(err.Error(), "no engine") {
		t.Errorf("the error does not say why: %v", err)
	}
}

// A check that is cut short blames the code for what the clock did.
func TestARunCalledOffBlamesNoCode(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failure := &lab.Failure{Expected: "one order", Seen: "none"}
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{
		{Name: "a", Kind: lab.Core, Run: func(context.Context, *lab.Run) error { cancel(); return failure }},
	}}
	result, err := toy.Do(ctx, &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != lab.Environment || !strings.Contains(result.Checks[0].Detail, "saw none") {
		t.Errorf("verdict %q, detail %q; want %q and what was seen", result.Verdict, result.Checks[0].Detail, lab.Environment)
	}
}

func TestOnlyVerifyAsksForTheStarter(t *testing.T) {
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{check("a", nil)}, Starter: []string{"a"}}
	for mode, want := range map[lab.Mode][]string{lab.ModeCheck: nil, lab.ModeVerify: {"a"}} {
		result, err := toy.Do(t.Context(), &lab.Run{Mode: mode})
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
	got, err := lab.Todos(files, "00-baseline")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"answers.go:3: TODO(lab 00): say which.", "index.sql:1: TODO(lab 00): the index"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A string that contains the mark is no work, such as the error of a starter.
func TestTodosInGoAreComments(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             []string
	}{
		{"string", "a.go", "package a\n\nvar err = errors.New(\"TODO(lab 00): nothing is copied yet\")\n", nil},
		{"raw string", "a.go", "package a\n\nvar s = `\n// TODO(lab 00): no\n`\n", nil},
		{"beside a string", "a.go", "package a\n\nvar s = \"TODO(lab 00): a\" // TODO(lab 00): b\n", []string{"a.go:3: TODO(lab 00): b"}},
		{"block", "a.go", "package a\n\n/* One.\r\n * TODO(lab 00): two\n */\n", []string{"a.go:4: TODO(lab 00): two"}},
		{"line directive", "a.go", "package a\n//line b.go:90\n// TODO(lab 00)\n", []string{"a.go:3: TODO(lab 00)"}},
		{"string without an end", "a.go", "package a\n\nvar s = `half-typed\n\n// TODO(lab 00): c\n", []string{"a.go:5: TODO(lab 00): c"}},
		{"no Go", "a.sql", "SELECT 'TODO(lab 00)';\n", []string{"a.sql:1: TODO(lab 00)';"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := fstest.MapFS{tt.file: {Data: []byte(tt.text)}}
			got, err := lab.TodosIn(files, "00-baseline", tt.file, "missing.go")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if marked := lab.Marked(tt.file, []byte(tt.text), "00-baseline"); marked != (len(tt.want) > 0) {
				t.Errorf("marked is %t with %q", marked, got)
			}
		})
	}
}

func TestWorstRoundCounts(t *testing.T) {
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{{
		Name: "a", Kind: lab.Core, Run: func(_ context.Context, run *lab.Run) error {
			run.ReportHost(2e6, 0.0)
			run.ReportHost(1e6, 0.7)
			run.Report("rate", 1, "1/s")
			run.Report("rate", 2, "1/s")
			return nil
		}}}}
	result, err := toy.Do(t.Context(), &lab.Run{})
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

// Variants that are measured one after the other stand in one chart, and the result can be written
// whatever a chart holds.
func TestCharts(t *testing.T) {
	drawn := func(name, series string, y float64) chart.Chart {
		return chart.Chart{
			Name: name, X: chart.Axis{Name: "x"}, Y: chart.Axis{Name: "y"}, Marks: []chart.Mark{{Name: "knee of " + series, From: y, To: y}},
			Series: []chart.Series{{Name: series, Points: []chart.Point{{X: 1, Y: y}, {X: 2, Y: math.NaN()}}}},
		}
	}
	l := lab.Lab{Name: "98-charts", Files: fstest.MapFS{}, Checks: []lab.Check{{Name: "c", Kind: lab.Core, Step: 1, Run: func(_ context.Context, run *lab.Run) error {
		run.AddToChart(drawn("rates", "one", 1))
		run.AddToChart(drawn("rates", "three", 3))
		run.AddToChart(drawn("rates", "one", 2))
		run.Chart(drawn("day", "before", 1))
		run.Chart(drawn("day", "after", 2))
		return nil
	}}}}
	path := filepath.Join(t.TempDir(), "result.json")
	result, err := l.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck})
	if err == nil {
		err = result.WriteFile(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	if result, err = lab.ReadResult(path); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range result.Charts {
		for i, s := range c.Series {
			got = append(got, fmt.Sprintf("%s: %s %v, %s", c.Name, s.Name, s.Points, c.Marks[i].Name))
		}
	}
	want := []string{"rates: one [{1 2}], knee of one", "rates: three [{1 3}], knee of three", "day: after [{1 2}], knee of after"}
	if !slices.Equal(got, want) {
		t.Errorf("charts %q, want %q", got, want)
	}
}

func TestTodosLeft(t *testing.T) {
	todos := []string{
		"a.go:3: TODO(lab 97): step 1. Write", "a.go:9: TODO(lab 97): step 12. Read", "b.sql:1: TODO(lab 97), step 1: index",
	}
	for _, test := range []struct {
		name   string
		result lab.Result
		want   []string
	}{
		{"the whole lab", lab.Result{Todos: todos}, todos},
		{"a step", lab.Result{Todos: todos, Step: 1}, []string{todos[0], todos[2]}},
		{"a step without marks", lab.Result{Todos: todos, Step: 2}, nil},
		{"one check", lab.Result{Todos: todos, Only: "index"}, nil},
	} {
		if got := test.result.TodosLeft(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMarkedSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []int
	}{
		{"a.sql", "-- TODO(lab 03), step 2: an index\n-- TODO(lab 03): step 12. Another.\n-- TODO(lab 03), step 2: again", []int{2, 12}},
		{"a.sql", "-- TODO(lab 03, deep dive): step 1\n-- TODO(lab 04), step 1: not ours\n-- TODO(lab 03): no step\n", nil},
		{"a.go", "package a\n\n// TODO(lab 03): step 3. In a comment.\nconst text = \"TODO(lab 03): step 4\"\n", []int{3}},
		{"a.sql", "", nil},
	} {
		if got := lab.MarkedSteps(c.name, []byte(c.text), "03-cache"); !slices.Equal(got, c.want) {
			t.Errorf("%q: steps %v, want %v", c.text, got, c.want)
		}
	}
}
