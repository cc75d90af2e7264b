// Package verify proves that a lab can be failed and can be passed: that its starter is
// not yet a solution and for which reason, that its solution is one, that its checks
// reject wrong answers, and that lesson, starter and solution belong together.
package verify

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"bytebites.example/workshop/shared/spec"
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

// Row is one thing that was verified of one lab.
type Row struct {
	Lab     string  `json:"lab"` // such as "00-baseline"
	What    string  `json:"what"`
	Verdict Verdict `json:"verdict"`
	Seconds float64 `json:"seconds"`
	// Detail says why, of a row that did not pass.
	Detail string `json:"detail,omitempty"`
}

// Report is what was verified, in the order in which it was.
type Report struct {
	Rows   []Row `json:"rows"`
	Passed int   `json:"passed"`
	Failed int   `json:"failed"` // all that did not pass, for whatever reason
}

// Verdict is that of the whole: Passed when all rows have passed; Environment when the
// machine is to blame for all of those that have not; else Failed.
func (r Report) Verdict() Verdict {
	verdict := Passed
	for _, row := range r.Rows {
		switch row.Verdict {
		case Passed:
		case Environment:
			if verdict == Passed {
				verdict = Environment
			}
		default:
			verdict = Failed
		}
	}
	return verdict
}

// Test is one test of one package.
type Test struct {
	Dir     string // the package's folder from the module's root, with slashes
	Name    string // such as "TestLab"
	Mode    spec.Mode
	Timeout time.Duration // waiting for the machine counts
}

// Outcome is how a test ended.
type Outcome struct {
	Compiled bool
	Passed   bool   // ended with exit code 0
	Result   []byte // what it wrote to the file that spec.EnvResult names, if anything
	// Output is what the compiler said of a test that does not compile, else what matters
	// of what the test wrote; of one that panicked it begins with the panic.
	Output string
}

// Runner compiles and runs tests. An error says that the machine could not, whatever the
// test.
type Runner interface {
	Run(ctx context.Context, test Test) (Outcome, error)
}

// Verifier verifies labs.
type Verifier struct {
	Root   fs.FS // the module's root
	Runner Runner
	// Branches compares what a learner gets from a lab's branches with the tree; its error
	// is the workshop's to mend. Nil leaves the row out.
	Branches func(ctx context.Context, lab string) error
	// Full adds the long runs: each solution's TestFull, where there is one.
	Full bool
	// Begin is told when a row begins; what it returns, when the row has ended. May be nil.
	Begin func(lab, what string) (end func(Row))
}

// lab is one lab in the module's tree.
type lab struct {
	tree fs.FS
	name string // such as "00-baseline"
}

func (l lab) starter() string  { return path.Join("labs", l.name) }
func (l lab) solution() string { return path.Join("solutions", l.name) }

// number is the lab's, as it is written: "00".
func (l lab) number() string {
	number, _, _ := strings.Cut(l.name, "-")
	return number
}

// step is one row to be made. It returns why the verdict is not Passed.
type step struct {
	what string
	run  func(ctx context.Context, l lab) (Verdict, string)
}

func (v Verifier) steps() []step {
	steps := []step{
		{"starter", v.starter},
		{"solution", v.solution},
		{"wrong answers", v.wrongAnswers},
		{"parity", found(parity)},
		{"lesson", found(lesson)},
	}
	if v.Branches != nil {
		steps = append(steps, step{"branches", func(ctx context.Context, l lab) (Verdict, string) {
			if err := v.Branches(ctx, l.name); err != nil {
				return Failed, err.Error()
			}
			return Passed, ""
		}})
	}
	if v.Full {
		steps = append(steps, step{"full", v.full})
	}
	return steps
}

// found makes a step of a look at the files, which returns what is wrong with them.
func found(look func(l lab) ([]string, error)) func(context.Context, lab) (Verdict, string) {
	return func(_ context.Context, l lab) (Verdict, string) {
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

// Run verifies labs, given by their folders' names, one thing after another: some of it
// measures. The error is ctx's, with the rows that were made before it.
func (v Verifier) Run(ctx context.Context, labs []string) (Report, error) {
	report := Report{Rows: []Row{}}
	for _, name := range labs {
		for _, step := range v.steps() {
			row := v.row(ctx, lab{v.Root, name}, step)
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
	}
	return report, nil
}

func (v Verifier) row(ctx context.Context, l lab, s step) Row {
	end := func(Row) {}
	if v.Begin != nil {
		end = v.Begin(l.name, s.what)
	}
	began := time.Now()
	verdict, detail := s.run(ctx, l)
	row := Row{Lab: l.name, What: s.what, Verdict: verdict, Seconds: time.Since(began).Seconds(), Detail: detail}
	end(row)
	return row
}
