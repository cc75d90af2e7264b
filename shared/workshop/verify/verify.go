// Package verify proves that a lab can be failed and can be passed. The starter fails the
// checks that its spec lists. The solution passes. The checks reject wrong answers. Lesson, starter
// and solution belong together.
package verify

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Verdict is what a row says of the workshop. A row that could not tell has not failed,
// but it has not passed either.
type Verdict string

// The verdicts of a row.
const (
	Passed       Verdict = "passed"
	Failed       Verdict = "failed"       // the workshop's to mend
	Inconclusive Verdict = "inconclusive" // the run could not tell
	Environment  Verdict = "environment"  // the machine could not run it
)

// severity orders verdicts: of several, a row has the gravest.
func (v Verdict) severity() int {
	switch v {
	case Passed:
		return 0
	case Inconclusive:
		return 1
	case Environment:
		return 2
	default:
		return 3
	}
}

// AllLabs stands in the place of a lab's name where a row is about all of them.
const AllLabs = "all"

// Row is one thing that was verified of one lab.
type Row struct {
	Lab     string  `json:"lab"` // such as "00-baseline", or AllLabs
	What    string  `json:"what"`
	Verdict Verdict `json:"verdict"`
	Seconds float64 `json:"seconds"`
	// Detail says why, of a row that did not pass.
	Detail string `json:"detail,omitempty"`
}

// Report has the rows that were made, in their order.
type Report struct {
	Rows   []Row `json:"rows"`
	Passed int   `json:"passed"`
	Failed int   `json:"failed"` // all that did not pass, for whatever reason
}

// Verdict is that of the whole: the gravest of its rows. Failed is graver than
// Environment, and that than Inconclusive.
func (r Report) Verdict() Verdict {
	verdict := Passed
	for _, row := range r.Rows {
		if row.Verdict.severity() > verdict.severity() {
			verdict = row.Verdict
		}
	}
	return verdict
}

// Test is one test of one package.
type Test struct {
	Dir     string // the package's folder from the module's root, with slashes
	Name    string // such as "TestLab"
	Mode    lab.Mode
	Timeout time.Duration // waiting for the machine counts
	// Short leaves out what needs a server, as -short does.
	Short bool
	// Replace compiles other files in place of some: paths from the module's root, with slashes. With ""
	// in its place a file is left out.
	Replace map[string]string
}

// Outcome is how a test ended.
type Outcome struct {
	Compiled bool
	Passed   bool   // ended with exit code 0
	Result   []byte // what it wrote to the file that lab.EnvResult names, if anything
	// Output is the compiler's message for a test that does not compile. Else it is the
	// essence of the test's output; after a panic it begins with the panic.
	Output string
}

// Runner compiles and runs tests. An error says that the machine could not, whatever the
// test.
type Runner interface {
	Run(ctx context.Context, test Test) (Outcome, error)
}

// Verifier verifies labs.
type Verifier struct {
	Root   fs.FS         // the module's root
	Course course.Course // has an entry of each lab
	Runner Runner
	// Branches compares the branches of all labs with the tree, and tells their faults. Nil leaves the row out.
	Branches func(ctx context.Context) (verdict Verdict, detail string)
	// Full adds the long runs: each solution's TestFull, where there is one, and the proof
	// that no further check rejects a wrong answer.
	Full bool
	// Begin is told when a row begins; what it returns, when the row has ended. May be nil.
	Begin func(folder, what string) (end func(Row))
}

// folder is one lab in the module's tree.
type folder struct {
	tree  fs.FS
	name  string     // such as "00-baseline"
	entry course.Lab // the zero Lab when the course has no entry of that name
}

func (l folder) starter() string  { return path.Join("labs", l.name) }
func (l folder) solution() string { return path.Join("solutions", l.name) }

// step is one row to be made. Run says why the verdict is not Passed.
type step struct {
	folder string
	what   string
	run    func(ctx context.Context) (verdict Verdict, detail string)
}

// steps lists the rows of labs in order, those about all of them last.
func (v Verifier) steps(labs []string) []step {
	var steps []step
	for _, name := range labs {
		l := v.folder(name)
		for _, s := range v.ofLab() {
			if s.what == "core path" && len(l.entry.Stretch) == 0 {
				continue // the solution is the core path
			}
			steps = append(steps, step{name, s.what, func(ctx context.Context) (Verdict, string) { return s.run(ctx, l) }})
		}
	}
	if v.Branches != nil {
		steps = append(steps, step{AllLabs, "branches", v.Branches})
	}
	return steps
}

// labStep is one row to be made of every lab.
type labStep struct {
	what string
	run  func(ctx context.Context, l folder) (verdict Verdict, detail string)
}

func (v Verifier) ofLab() []labStep {
	steps := []labStep{
		{"starter", v.starter},
		{"solution", v.solution},
		{"core path", v.corePath},
		{"answers", v.answers},
		{"parity", found(parity)},
		{"lesson", found(lesson)},
	}
	if v.Full {
		steps = append(steps, labStep{"full", v.full})
	}
	return steps
}

// found makes a step of a function that reads the files and returns their faults.
func found(look func(l folder) ([]string, error)) func(context.Context, folder) (Verdict, string) {
	return func(_ context.Context, l folder) (Verdict, string) {
		problems, err := look(l)
		if err != nil {
			problems = append(problems, err.Error())
		}
		if len(problems) > 0 {
			return Failed, strings.Join(problems, "\n")
		}
		return Passed, ""
	}
}

// Texts returns what the rows "parity" and "lesson" would find in a lab. It runs no test.
func (v Verifier) Texts(name string) ([]string, error) {
	l := v.folder(name)
	problems, err := parity(l)
	if err != nil {
		return problems, err
	}
	more, err := lesson(l)
	return append(problems, more...), err
}

// Run verifies labs, given by their folders' names, one thing after another: some of it
// measures. The error is ctx's, with the rows that were made before it.
func (v Verifier) Run(ctx context.Context, labs []string) (Report, error) {
	report := Report{Rows: []Row{}}
	for _, step := range v.steps(labs) {
		row := v.row(ctx, step)
		if ctx.Err() != nil {
			return report, fmt.Errorf("verify: %w", context.Cause(ctx))
		}
		report.Rows = append(report.Rows, row)
		if row.Verdict == Passed {
			report.Passed++
		} else {
			report.Failed++
		}
	}
	return report, nil
}

func (v Verifier) row(ctx context.Context, s step) Row {
	end := func(Row) {}
	if v.Begin != nil {
		end = v.Begin(s.folder, s.what)
	}
	began := time.Now()
	verdict, detail := s.run(ctx)
	row := Row{Lab: s.folder, What: s.what, Verdict: verdict, Seconds: time.Since(began).Seconds(), Detail: detail}
	end(row)
	return row
}
