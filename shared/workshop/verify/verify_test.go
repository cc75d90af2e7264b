package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/verify"
)

// lesson is a README of a lab of one step with all that it needs.
const lesson = `# Lab 00: toy

**Outcome.** You can.

## Before you begin

You change ` + "`index.sql`" + `. Plan about 5 minutes.

### Terms

| term | meaning | step |
| --- | --- | --- |
| index | a sorted copy of a column | 1 |

## Why it hurts now

![The meal service asks the database](toy.svg)

## Predict

Guess.

## Step 1: write the index

**File:** ` + "`index.sql`" + `. **About 1 line, 2 minutes.**

Run ` + "`go tool workshop check 00 --step 1`" + `.

## The gain

Twice.

## Break it

Try.

## What it costs

Money.

## Why not simply a bigger machine?

It ends.

## Check your understanding

<details><summary>Why?</summary>Because.</details>

## Further reading

Books.
`

// labs is the course of module's lab.
func labs() course.Course {
	return course.Course{{
		Number: 0, Name: "00-toy", Title: "toy", Minutes: 5, Files: []string{"index.sql"},
		Steps: []course.Step{{Number: 1, Name: "write the index", Minutes: 2, Places: []string{"index.sql"}}},
	}}
}

// module is a tree with one good lab.
func module() fstest.MapFS {
	tests := "package toy\n\nimport \"testing\"\n\nfunc TestLab(t *testing.T) {}\n"
	files := map[string]string{
		"labs/00-toy/README.md":                lesson,
		"labs/00-toy/toy.svg":                  "<svg/>",
		"labs/00-toy/hints.md":                 "# Hints\n\n## One\n\nLook.\n\n## Two\n\nLook there.\n\n## Three\n\nThere it is.\n",
		"labs/00-toy/lab.go":                   "// Package toy is a lab. It speaks of TODO marks.\npackage toy\n\nfunc Apply(n int) {}\n",
		"labs/00-toy/index.sql":                "-- TODO(lab 00): the index\n",
		"labs/00-toy/lab_test.go":              tests,
		"labs/00-toy/words/words.go":           "package words\n\ntype Word string\n",
		"labs/00-toy/spec/spec.go":             "package spec\n\n// TODO(lab 00) is looked for.\n",
		"labs/00-toy/service/main.go":          "package main\n",
		"solutions/00-toy/WHY.md":              "Because. The starter said TODO(lab 00).\n",
		"solutions/00-toy/lab.go":              "// Package toy is a lab, finished.\npackage toy\n\nfunc Apply(n int) {}\n",
		"solutions/00-toy/index.sql":           "CREATE INDEX x;\n",
		"solutions/00-toy/lab_test.go":         tests + "\nfunc TestAnswers(t *testing.T) {}\n",
		"solutions/00-toy/wrong/wrong.go":      "package wrong\n\nfunc Variants() {}\n",
		"solutions/00-toy/wrong/turned.sql":    "CREATE INDEX y;\n",
		"solutions/00-toy/right/right.go":      "package right\n",
		"solutions/00-toy/wrong/wrong_test.go": "package wrong\n",
	}
	tree := make(fstest.MapFS)
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

// key names a test of one package.
func key(dir, name string) string { return dir + " " + name }

// The tests of module.
const (
	starterLab    = "labs/00-toy TestLab"
	solutionLab   = "solutions/00-toy TestLab"
	solutionWrong = "solutions/00-toy TestAnswers"
	solutionFull  = "solutions/00-toy TestFull"
)

// runner answers tests with what it was told.
type runner struct {
	outcomes map[string]verify.Outcome
	errs     map[string]error
	ran      []string
}

func (r *runner) Run(_ context.Context, test verify.Test) (verify.Outcome, error) {
	k := key(test.Dir, test.Name)
	r.ran = append(r.ran, k+" "+string(test.Mode))
	outcome, ok := r.outcomes[k]
	if !ok && r.errs[k] == nil {
		return outcome, fmt.Errorf("%s was not expected", k)
	}
	return outcome, r.errs[k]
}

func result(v lab.Verdict, checks ...lab.CheckResult) lab.Result {
	return lab.Result{Lab: "00-toy", Verdict: v, Starter: []string{"index", "knee"}, Checks: checks, Gains: []lab.GainResult{}}
}

func check(name string, v lab.Verdict) lab.CheckResult {
	return lab.CheckResult{Name: name, Kind: lab.Core, Verdict: v, Detail: name + " was seen"}
}

func gain(r lab.Result, v lab.Verdict) lab.Result {
	r.Gains = append(r.Gains, lab.GainResult{Name: "pages", Verdict: v, Detail: "pages were seen"})
	return r
}

// ended is a test that ran and left a result.
func ended(passed bool, left any) verify.Outcome {
	text, err := json.Marshal(left)
	if err != nil {
		panic(err)
	}
	return verify.Outcome{Compiled: true, Passed: passed, Result: text, Output: "it said so"}
}

func wrongs(results ...lab.Result) lab.AnswerResults {
	all := lab.AnswerResults{Wrong: []lab.WrongResult{}}
	for i, r := range results {
		all.Wrong = append(all.Wrong, lab.WrongResult{Name: fmt.Sprintf("wrong-%d", i+1), Check: "index", Also: []string{"waits"}, Result: r})
	}
	return all
}

// rejected is a wrong answer and a right one, both rejected.
func rejected() lab.AnswerResults {
	all := wrongs(result(lab.NotYet, check("index", lab.NotYet)))
	all.Right = []lab.RightResult{{Name: "other", Result: result(lab.NotYet, check("index", lab.NotYet))}}
	return all
}

// good answers as a lab without a fault does.
func good() *runner {
	return &runner{
		outcomes: map[string]verify.Outcome{
			starterLab:    ended(false, gain(result(lab.NotYet, check("served", lab.Pass), check("index", lab.NotYet)), lab.NotReached)),
			solutionLab:   ended(true, gain(result(lab.Pass, check("served", lab.Pass), check("index", lab.Pass)), lab.Pass)),
			solutionWrong: ended(true, wrongs(result(lab.NotYet, check("index", lab.NotYet), check("waits", lab.NotYet)))),
		},
		errs: map[string]error{},
	}
}

func row(t *testing.T, report verify.Report, what string) verify.Row {
	t.Helper()
	for _, row := range report.Rows {
		if row.What == what {
			return row
		}
	}
	t.Fatalf("no row %q in %+v", what, report.Rows)
	return verify.Row{}
}

func TestAGoodLabPasses(t *testing.T) {
	r := good()
	var told []string
	v := verify.Verifier{Root: module(), Course: labs(), Runner: r, Begin: func(folder, what string) func(verify.Row) {
		told = append(told, "begin "+what)
		return func(row verify.Row) { told = append(told, "end "+row.What) }
	}}
	report, err := v.Run(t.Context(), []string{"00-toy"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range report.Rows {
		if row.Verdict != verify.Passed || row.Detail != "" || row.Lab != "00-toy" {
			t.Errorf("%+v, want a pass of 00-toy", row)
		}
	}
	if report.Passed != 5 || report.Failed != 0 || report.Verdict() != verify.Passed {
		t.Errorf("%d passed, %d failed, verdict %q", report.Passed, report.Failed, report.Verdict())
	}
	want := []string{starterLab + " verify", solutionLab + " check", solutionWrong + " verify"}
	if !slices.Equal(r.ran, want) {
		t.Errorf("ran %q, want %q", r.ran, want)
	}
	if len(told) != 10 || told[0] != "begin starter" || told[1] != "end starter" || told[9] != "end lesson" {
		t.Errorf("told %q", told)
	}
}

// TestRuns spoils one run of a good lab in each way there is.
func TestRuns(t *testing.T) {
	const starter, solution, wrong = "starter", "solution", "answers"
	tests := []struct {
		name    string
		run     string // the test whose outcome is another
		outcome verify.Outcome
		err     error
		what    string // the row that does not pass
		want    verify.Verdict
		detail  string
	}{
		{name: "passes", run: starterLab, outcome: ended(true, gain(result(lab.Pass, check("index", lab.Pass)), lab.Pass)),
			what: starter, want: verify.Failed, detail: `passes "index" by accident`},
		{name: "fails for another check", run: starterLab, outcome: ended(false, result(lab.NotYet, check("index", lab.Pass), check("served", lab.NotYet))),
			what: starter, want: verify.Failed, detail: `fails "served", which its spec does not list as one that the starter fails: served was seen`},
		{name: "fails for one more check", run: starterLab, outcome: ended(false, result(lab.NotYet, check("index", lab.NotYet), check("served", lab.NotYet))),
			what: starter, want: verify.Failed, detail: `fails "served"`},
		{name: "fails one of two", run: starterLab, outcome: ended(false, result(lab.NotYet, check("index", lab.NotYet), check("knee", lab.Pass))),
			what: starter, want: verify.Failed, detail: `passes "knee" by accident`},
		{name: "fails a gain that is not listed", run: starterLab, outcome: ended(false, gain(result(lab.NotYet, check("index", lab.NotYet)), lab.NotYet)),
			what: starter, want: verify.Failed, detail: `fails "pages"`},
		{name: "does not start", run: starterLab, outcome: ended(false, result(lab.NotYet, check("start", lab.NotYet))),
			what: starter, want: verify.Failed, detail: `fails "start"`},
		{name: "ran nothing that is listed", run: starterLab, outcome: ended(false, result(lab.NotYet, check("served", lab.Pass))),
			what: starter, want: verify.Failed, detail: "its spec lists nothing that was run"},
		{name: "fails nothing that counts", run: starterLab, outcome: ended(true, result(lab.Pass, check("index", lab.NotYet))),
			what: starter, want: verify.Failed, detail: "no core check"},
		{name: "could not tell", run: starterLab, outcome: ended(false, result(lab.NotYet, check("index", lab.NotYet), check("served", lab.Inconclusive))),
			what: starter, want: verify.Inconclusive, detail: "served: inconclusive: served was seen"},
		{name: "lost its engine", run: starterLab, outcome: ended(false, result(lab.Environment, check("index", lab.Environment), check("served", lab.NotReached))),
			what: starter, want: verify.Environment, detail: "index: environment: index was seen"},
		{name: "does not compile", run: starterLab, outcome: verify.Outcome{Output: "lab.go:3: undefined: x"},
			what: starter, want: verify.Failed, detail: "labs/00-toy does not compile:\nlab.go:3: undefined: x"},
		{name: "panics", run: starterLab, outcome: verify.Outcome{Compiled: true, Output: "panic: dinner is burnt"},
			what: starter, want: verify.Failed, detail: "TestLab crashed:\npanic: dinner is burnt"},
		{name: "dies", run: starterLab, outcome: verify.Outcome{Compiled: true, Output: "fatal error: all goroutines are asleep"},
			what: starter, want: verify.Failed, detail: "TestLab crashed"},
		{name: "panics after its result", run: starterLab, outcome: verify.Outcome{Compiled: true, Output: "panic: x", Result: good().outcomes[starterLab].Result},
			what: starter, want: verify.Failed, detail: "TestLab crashed"},
		{name: "times out", run: starterLab, outcome: verify.Outcome{Compiled: true, Output: "panic: test timed out after 10m0s"},
			what: starter, want: verify.Failed, detail: "TestLab did not end within 30m0s"},
		{name: "leaves no result", run: starterLab, outcome: verify.Outcome{Compiled: true, Passed: true, Output: "skipped"},
			what: starter, want: verify.Failed, detail: "TestLab left no result; it said:\nskipped"},
		{name: "leaves no JSON", run: starterLab, outcome: verify.Outcome{Compiled: true, Passed: true, Result: []byte("pass")},
			what: starter, want: verify.Failed, detail: "cannot be read"},
		{name: "could not be run", run: starterLab, err: errors.New("no space left on device"),
			what: starter, want: verify.Environment, detail: "no space left on device"},

		{name: "not yet", run: solutionLab, outcome: ended(false, result(lab.NotYet, check("index", lab.NotYet))),
			what: solution, want: verify.Failed, detail: "index: not yet: index was seen"},
		{name: "without its gain", run: solutionLab, outcome: ended(false, gain(result(lab.NotYet, check("index", lab.Pass)), lab.NotYet)),
			what: solution, want: verify.Failed, detail: "pages: not yet: pages were seen"},
		{name: "without any gain", run: solutionLab, outcome: ended(true, result(lab.Pass, check("index", lab.Pass))),
			what: solution, want: verify.Failed, detail: "no gain was measured"},
		{name: "inconclusive", run: solutionLab, outcome: ended(false, gain(result(lab.Inconclusive, check("index", lab.Pass)), lab.Inconclusive)),
			what: solution, want: verify.Inconclusive, detail: "pages: inconclusive: pages were seen"},
		{name: "environment", run: solutionLab, outcome: ended(false, result(lab.Environment, check("index", lab.Environment))),
			what: solution, want: verify.Environment, detail: "index was seen"},
		{name: "fails a stretch check", run: solutionLab, outcome: ended(true, gain(result(lab.Pass, check("index", lab.Pass), check("tidy", lab.NotYet)), lab.Pass)),
			what: solution, want: verify.Failed, detail: "tidy: not yet: tidy was seen"},
		{name: "says so without a reason", run: solutionLab, outcome: ended(false, result(lab.Inconclusive)),
			what: solution, want: verify.Inconclusive, detail: `its verdict is "inconclusive"`},
		{name: "leaves servers behind", run: solutionLab, outcome: ended(false, gain(result(lab.Pass), lab.Pass)),
			what: solution, want: verify.Failed, detail: "failed all the same"},
		{name: "solution panics", run: solutionLab, outcome: verify.Outcome{Compiled: true, Output: "panic: x"},
			what: solution, want: verify.Failed, detail: "crashed"},

		{name: "accepted", run: solutionWrong, outcome: ended(false, wrongs(result(lab.NotYet, check("index", lab.NotYet)), result(lab.Pass, check("index", lab.Pass)))),
			what: wrong, want: verify.Failed, detail: `wrong answer wrong-2: check "index" did not reject it`},
		{name: "rejected by another check", run: solutionWrong, outcome: ended(false, wrongs(result(lab.NotYet, check("index", lab.Pass), check("served", lab.NotYet)))),
			what: wrong, want: verify.Failed, detail: `wrong answer wrong-1: check "served" rejected it too`},
		{name: "rejected by the environment", run: solutionWrong, outcome: ended(false, wrongs(result(lab.Environment, check("index", lab.Environment)))),
			what: wrong, want: verify.Environment, detail: `wrong answer wrong-1: check "index": environment`},
		{name: "rejected by noise", run: solutionWrong, outcome: ended(false, wrongs(result(lab.Inconclusive, check("index", lab.Inconclusive)))),
			what: wrong, want: verify.Inconclusive, detail: `wrong answer wrong-1: check "index": inconclusive`},
		{name: "one by noise, one accepted", run: solutionWrong, outcome: ended(false, wrongs(result(lab.Inconclusive, check("index", lab.Inconclusive)), result(lab.Pass, check("index", lab.Pass)))),
			what: wrong, want: verify.Failed, detail: "wrong answer wrong-1: check \"index\": inconclusive: index was seen\nwrong answer wrong-2: "},
		{name: "none", run: solutionWrong, outcome: ended(true, wrongs()),
			what: wrong, want: verify.Failed, detail: "there are no wrong answers"},
		{name: "rejected, servers left", run: solutionWrong, outcome: ended(false, wrongs(result(lab.NotYet, check("index", lab.NotYet)))),
			what: wrong, want: verify.Failed, detail: "failed all the same"},
		{name: "right and rejected", run: solutionWrong, outcome: ended(false, rejected()),
			what: wrong, want: verify.Failed, detail: `right answer other: check "index": not yet: index was seen`},
		{name: "answers do not compile", run: solutionWrong, outcome: verify.Outcome{Output: "x"},
			what: wrong, want: verify.Failed, detail: "solutions/00-toy does not compile"},
		{name: "skipped", run: solutionWrong, outcome: verify.Outcome{Compiled: true, Passed: true, Output: "--- SKIP"},
			what: wrong, want: verify.Failed, detail: "TestAnswers left no result"},
	}
	for _, tt := range tests {
		t.Run(tt.what+" "+tt.name, func(t *testing.T) {
			r := good()
			delete(r.outcomes, tt.run)
			if tt.err == nil {
				r.outcomes[tt.run] = tt.outcome
			} else {
				r.errs[tt.run] = tt.err
			}
			report, err := verify.Verifier{Root: module(), Course: labs(), Runner: r}.Run(t.Context(), []string{"00-toy"})
			if err != nil {
				t.Fatal(err)
			}
			got := row(t, report, tt.what)
			if got.Verdict != tt.want || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("%q: %s\nwant %q with %s", got.Verdict, got.Detail, tt.want, tt.detail)
			}
			if report.Passed != 4 || report.Failed != 1 {
				t.Errorf("%d passed, %d failed; want the one row to fail: %+v", report.Passed, report.Failed, report.Rows)
			}
		})
	}
}

// TestFiles spoils one file of a good lab in each way there is.
func TestFiles(t *testing.T) {
	const parity, lessonRow, wrong = "parity", "lesson", "answers"
	const exports = "package toy\n\nfunc Apply(n int) {}\n"
	tests := []struct {
		name   string
		file   string
		text   string // none takes the file away
		what   string // the row that does not pass
		detail string
	}{
		{"a changed signature", "solutions/00-toy/lab.go", "package toy\n\nfunc Apply(n int64) {}\n", parity, `func Apply: "(int)" in the lab, "(int64)" in the solution`},
		{"a missing function", "solutions/00-toy/lab.go", "package toy\n", parity, "func Apply: in the lab, and not in the solution"},
		{"an extra type", "solutions/00-toy/lab.go", exports + "type T int\n", parity, "type T: in the solution, and not in the lab"},
		{"another package name", "solutions/00-toy/lab.go", "package game\n\nfunc Apply(n int) {}\n", parity, `package: "toy" in the lab, "game" in the solution`},
		{"a file that the solution lacks", "labs/00-toy/extra.sql", "x", parity, "extra.sql: in labs/00-toy, and not in solutions/00-toy"},
		{"a file that the starter lacks", "solutions/00-toy/extra.sql", "x", parity, "extra.sql: in solutions/00-toy, and not in labs/00-toy"},
		{"a marked file in a folder that the solution lacks", "labs/00-toy/worker/worker.sql", "TODO(lab 00)", parity, "worker/worker.sql: in labs/00-toy"},
		{"an exported name in a file of its own", "solutions/00-toy/more.go", "package toy\n\nfunc More() {}\n", parity, "func More: in the solution, and not in the lab"},
		{"no solution file", "solutions/00-toy/index.sql", "", parity, "index.sql: in labs/00-toy"},
		{"no file of the course", "labs/00-toy/index.sql", "", parity, "index.sql: the course lists it, and it is not in labs/00-toy"},
		{"unreadable Go", "labs/00-toy/lab.go", "package", parity, "read API"},

		{"no README", "labs/00-toy/README.md", "", lessonRow, "README.md is missing"},
		{"another title", "labs/00-toy/README.md", strings.Replace(lesson, "Lab 00:", "Lab 01:", 1), lessonRow, `"# Lab 00: toy"`},
		{"a title that only begins so", "labs/00-toy/README.md", strings.Replace(lesson, "00: toy", "00: toy car", 1), lessonRow, `"# Lab 00: toy"`},
		{"another time", "labs/00-toy/README.md", strings.Replace(lesson, "5 minutes", "6 minutes", 1), lessonRow, `"about 5 minutes"`},
		{"a file that the lesson does not name", "labs/00-toy/README.md", strings.ReplaceAll(lesson, "`index.sql`", "a file"), lessonRow, "name `index.sql`"},
		{"no outcome", "labs/00-toy/README.md", strings.Replace(lesson, "**Outcome.**", "", 1), lessonRow, "**Outcome.**"},
		{"no section", "labs/00-toy/README.md", strings.Replace(lesson, "## Predict", "## Guess", 1), lessonRow, `the section "Predict" is missing`},
		{"no simpler way out", "labs/00-toy/README.md", strings.Replace(lesson, "## Why not simply", "## Why nothing", 1), lessonRow, `the section "Why not ..." is missing`},
		{"an empty section", "labs/00-toy/README.md", strings.Replace(lesson, "Guess.", "", 1), lessonRow, `the section "Predict" is empty`},
		{"a section that only begins so", "labs/00-toy/README.md", strings.Replace(lesson, "## The gain\n", "## The gain again\n", 1), lessonRow, `the section "The gain" is missing`},
		{"sections out of order", "labs/00-toy/README.md", strings.NewReplacer("## The gain", "## Break it", "## Break it", "## The gain").Replace(lesson), lessonRow, `the section "Break it" is missing, or not in its place`},
		{"no hints", "labs/00-toy/hints.md", "", lessonRow, "hints.md is missing"},
		{"two hints", "labs/00-toy/hints.md", "## One\nx\n## Two\ny\n", lessonRow, "2 hints (## headings), want at least 3"},
		{"an empty hint", "labs/00-toy/hints.md", "## One\nx\n## Two\n## Three\ny\n", lessonRow, "hint 2 says nothing"},
		{"no reasons", "solutions/00-toy/WHY.md", "", lessonRow, "WHY.md is missing"},
		{"a mark that the solution left", "solutions/00-toy/index.sql", "x -- TODO(lab 00)\n", lessonRow, "solutions/00-toy/index.sql: TODO(lab 00) is left in the solution"},
		{"a changed file without a mark", "solutions/00-toy/lab.go", exports + "\nvar x = 1\n", lessonRow, "labs/00-toy/lab.go: the solution changes it, and no TODO(lab 00) says so"},
		{"a mark where nothing is to do", "labs/00-toy/lab.go", exports + "// TODO(lab 00): x\n", lessonRow, "labs/00-toy/lab.go: there is a TODO(lab 00), and the solution does not change it"},
		{"a mark that the course does not list", "labs/00-toy/lab.go", exports + "// TODO(lab 00): x\n", lessonRow, "labs/00-toy/lab.go: there is a TODO(lab 00), and the course does not list the file"},
		{"a file of the course without a mark", "labs/00-toy/index.sql", "-- To do.\n", lessonRow, "labs/00-toy/index.sql: the course lists it, and it carries no TODO(lab 00)"},
		{"a mark in a string alone", "labs/00-toy/lab.go", exports + "\nvar x = \"TODO(lab 00)\"\n", lessonRow, "labs/00-toy/lab.go: the solution changes it, and no TODO(lab 00) says so"},
		{"the mark of another lab", "labs/00-toy/index.sql", "-- TODO(lab 01): x\n", lessonRow, "labs/00-toy/index.sql: the solution changes it"},

		{"no test of wrong answers", "solutions/00-toy/lab_test.go", "package toy\n\nfunc TestLab() {}\n", wrong, "there is no TestAnswers in solutions/00-toy"},
		{"no test of the starter", "labs/00-toy/lab_test.go", "", "starter", "there is no TestLab in labs/00-toy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := module()
			tree[tt.file] = &fstest.MapFile{Data: []byte(tt.text)}
			if tt.text == "" {
				delete(tree, tt.file)
			}
			report, err := verify.Verifier{Root: tree, Course: labs(), Runner: good()}.Run(t.Context(), []string{"00-toy"})
			if err != nil {
				t.Fatal(err)
			}
			got := row(t, report, tt.what)
			if got.Verdict != verify.Failed || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("%q: %s\nwant it to fail with %s", got.Verdict, got.Detail, tt.detail)
			}
			if report.Verdict() != verify.Failed {
				t.Errorf("the whole is %q", report.Verdict())
			}
		})
	}
}

// A lab is in the course before anything else can be said of its files.
func TestALabWithoutAnEntry(t *testing.T) {
	report, err := verify.Verifier{Root: module(), Runner: good()}.Run(t.Context(), []string{"00-toy"})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"parity", "lesson"} {
		if got := row(t, report, what); got.Verdict != verify.Failed || got.Detail != "lab 00-toy has no entry in shared/workshop/course/labs.go" {
			t.Errorf("%+v, want it to miss the entry", got)
		}
	}
}

// A solution may be split into more files than the starter, as long as they export nothing.
func TestASolutionWithFilesOfItsOwn(t *testing.T) {
	tree := module()
	tree["solutions/00-toy/more.go"] = &fstest.MapFile{Data: []byte("package toy\n\nfunc more() {}\n")}
	report, err := verify.Verifier{Course: labs(), Root: tree, Runner: good()}.Run(t.Context(), []string{"00-toy"})
	if err != nil {
		t.Fatal(err)
	}
	if got := row(t, report, "parity"); got.Verdict != verify.Passed {
		t.Errorf("%q: %s", got.Verdict, got.Detail)
	}
}

func TestASolutionThatChangesNothing(t *testing.T) {
	tree := module()
	tree["solutions/00-toy/index.sql"] = tree["labs/00-toy/index.sql"]
	report, err := verify.Verifier{Root: tree, Course: labs(), Runner: good()}.Run(t.Context(), []string{"00-toy"})
	if err != nil {
		t.Fatal(err)
	}
	if got := row(t, report, "lesson"); !strings.Contains(got.Detail, "changes no file") {
		t.Errorf("%+v, want it to say that nothing changes", got)
	}
}

func TestReportVerdict(t *testing.T) {
	tests := []struct {
		rows []verify.Verdict
		want verify.Verdict
	}{
		{nil, verify.Passed},
		{[]verify.Verdict{verify.Passed}, verify.Passed},
		{[]verify.Verdict{verify.Passed, verify.Failed}, verify.Failed},
		{[]verify.Verdict{verify.Inconclusive, verify.Passed}, verify.Inconclusive},
		{[]verify.Verdict{verify.Environment, verify.Passed}, verify.Environment},
		{[]verify.Verdict{verify.Environment, verify.Failed}, verify.Failed},
		{[]verify.Verdict{verify.Failed, verify.Environment}, verify.Failed},
		{[]verify.Verdict{verify.Environment, verify.Inconclusive}, verify.Environment},
	}
	for _, tt := range tests {
		var report verify.Report
		for _, v := range tt.rows {
			report.Rows = append(report.Rows, verify.Row{Verdict: v})
		}
		if got := report.Verdict(); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.rows, got, tt.want)
		}
	}
}

// Branches are built from all labs at once, so they are one row, after all others.
func TestBranches(t *testing.T) {
	for _, want := range []verify.Row{
		{Verdict: verify.Passed},
		{Verdict: verify.Failed, Detail: "branch start/01 lacks index.sql"},
		{Verdict: verify.Environment, Detail: "no repository"},
	} {
		v := verify.Verifier{Root: module(), Course: labs(), Runner: good(), Branches: func(context.Context) (verify.Verdict, string) {
			return want.Verdict, want.Detail
		}}
		report, err := v.Run(t.Context(), []string{"00-toy", "00-toy"})
		if err != nil {
			t.Fatal(err)
		}
		got := report.Rows[len(report.Rows)-1]
		if len(report.Rows) != 11 || got.What != "branches" || got.Lab != verify.AllLabs || got.Verdict != want.Verdict || got.Detail != want.Detail {
			t.Errorf("the last of %d rows is %+v, want the branches' of 11 with %q, %q", len(report.Rows), got, want.Verdict, want.Detail)
		}
	}
}

func TestFull(t *testing.T) {
	withTest := module()
	withTest["solutions/00-toy/full_test.go"] = &fstest.MapFile{Data: []byte("package toy\n\nfunc TestFull() {}\n")}
	tests := []struct {
		name    string
		tree    fs.FS
		outcome verify.Outcome
		want    verify.Verdict
	}{
		{"no long run", module(), verify.Outcome{}, verify.Passed},
		{"a pass", withTest, ended(true, result(lab.Pass)), verify.Passed},
		{"a failure", withTest, ended(false, result(lab.NotYet, check("orders", lab.NotYet))), verify.Failed},
		{"a doubt", withTest, ended(false, result(lab.Inconclusive, check("orders", lab.Inconclusive))), verify.Inconclusive},
		{"a crash", withTest, verify.Outcome{Compiled: true, Output: "panic: x"}, verify.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := good()
			r.outcomes[solutionFull] = tt.outcome
			report, err := verify.Verifier{Root: tt.tree, Course: labs(), Runner: r, Full: true}.Run(t.Context(), []string{"00-toy"})
			if err != nil {
				t.Fatal(err)
			}
			if got := row(t, report, "full"); got.Verdict != tt.want {
				t.Errorf("%+v, want %q", got, tt.want)
			}
			if asked := slices.Contains(r.ran, solutionFull+" full"); asked != (tt.tree != nil && tt.name != "no long run") {
				t.Errorf("ran %q", r.ran)
			}
		})
	}
}

// An interrupted row says nothing, so it is not reported.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	v := verify.Verifier{Root: module(), Course: labs(), Runner: good(), Begin: func(_, what string) func(verify.Row) {
		if what == "solution" {
			cancel()
		}
		return func(verify.Row) {}
	}}
	report, err := v.Run(ctx, []string{"00-toy"})
	if !errors.Is(err, context.Canceled) || len(report.Rows) != 1 {
		t.Errorf("%v with %d rows, want the starter's row and that it was cancelled", err, len(report.Rows))
	}
}
