package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// How long the tests may take.
const (
	labTimeout = 30 * time.Minute
	// answersTimeout is for all of a lab's answers, a run each.
	answersTimeout = 40 * time.Minute
	fullTimeout    = 2 * time.Hour
)

// finding gathers faults: the gravest verdict, and every reason.
type finding struct {
	verdict Verdict
	reasons []string
}

func (f *finding) add(v Verdict, format string, args ...any) {
	if len(f.reasons) == 0 || v.severity() > f.verdict.severity() {
		f.verdict = v
	}
	f.reasons = append(f.reasons, fmt.Sprintf(format, args...))
}

func (f *finding) row() (Verdict, string) {
	if len(f.reasons) == 0 {
		return Passed, ""
	}
	return f.verdict, strings.Join(f.reasons, "\n")
}

// starter runs the lab's checks on its starter. It must run to its end, and fail exactly
// the checks that the lab lists. A starter that fails for another reason teaches something
// else. One that does not run teaches nothing.
func (v Verifier) starter(ctx context.Context, l folder) (Verdict, string) {
	var result lab.Result
	var f finding
	v.run(ctx, l, Test{Dir: l.starter(), Name: "TestLab", Mode: lab.ModeVerify, Timeout: labTimeout}, &result, &f)
	if len(f.reasons) > 0 {
		return f.row()
	}
	for _, c := range result.Checks {
		if c.Verdict == lab.NotReached && slices.Contains(result.Starter, c.Name) {
			f.add(Failed, "does not reach %q, which its spec lists as one that the starter fails: it needs %q", c.Name, c.Blocked)
		}
	}
	seen := make(map[string]bool) // the checks and gains that ran
	for _, p := range parts(result) {
		switch p.verdict {
		case lab.NotReached:
			continue
		case lab.NotYet:
			if !slices.Contains(result.Starter, p.name) {
				f.add(Failed, "fails %q, which its spec does not list as one that the starter fails: %s", p.name, p.detail)
			}
		case lab.Pass:
			if slices.Contains(result.Starter, p.name) {
				f.add(Failed, "passes %q by accident", p.name)
			}
		default:
			f.add(rowVerdict(p.verdict), "%s: %s: %s", p.name, p.verdict, p.detail)
		}
		seen[p.name] = true
	}
	if !slices.ContainsFunc(result.Starter, func(name string) bool { return seen[name] }) {
		f.add(Failed, "its spec lists nothing that was run and that the starter must fail (spec.Lab.Starter lists: %s)", list(result.Starter))
	}
	if result.Verdict != lab.NotYet && len(f.reasons) == 0 {
		f.add(Failed, "its verdict is %q, not %q: what it fails is no core check", result.Verdict, lab.NotYet)
	}
	return f.row()
}

// solution checks the solution as `check NN --solution` does.
func (v Verifier) solution(ctx context.Context, l folder) (Verdict, string) {
	var result lab.Result
	var f finding
	passed := v.run(ctx, l, Test{Dir: l.solution(), Name: "TestLab", Mode: lab.ModeCheck, Timeout: labTimeout}, &result, &f)
	if len(f.reasons) > 0 {
		return f.row()
	}
	judge(&f, result, passed)
	gained := slices.ContainsFunc(result.Gains, func(g lab.GainResult) bool { return g.Verdict == lab.Pass })
	if result.Verdict == lab.Pass && !gained {
		f.add(Failed, "it passes, and no gain was measured")
	}
	return f.row()
}

// corePath runs the core checks that need no server. It combines the solution's core files with the
// starter's files of the deep dives, as after the core steps alone.
func (v Verifier) corePath(ctx context.Context, l folder) (Verdict, string) {
	var result lab.Result
	var f finding
	test := Test{Dir: l.solution(), Name: "TestLab", Mode: lab.ModeVerify, Timeout: labTimeout, Short: true, Replace: make(map[string]string)}
	for _, file := range l.entry.Stretch {
		test.Replace[path.Join(l.solution(), file)] = path.Join(l.starter(), file)
	}
	// The solution's own tests of the deep dives need not compile with the starter's.
	tests, err := fs.Glob(l.tree, path.Join(l.solution(), "stretch_*_test.go"))
	if err != nil {
		return Failed, err.Error()
	}
	for _, file := range tests {
		test.Replace[file] = ""
	}
	v.run(ctx, l, test, &result, &f)
	if len(f.reasons) > 0 {
		return f.row()
	}
	ran := false
	for _, c := range result.Checks {
		if c.Kind != lab.Core {
			continue
		}
		ran = true
		if c.Verdict != lab.Pass {
			f.add(rowVerdict(c.Verdict), "without the deep dives, %s: %s: %s", c.Name, c.Verdict, c.Detail)
		}
	}
	if !ran {
		f.add(Failed, "no core check without a server judges the solution without the deep dives")
	}
	return f.row()
}

// answers runs the lab's wrong and right answers. Each runs with the checks that it names and
// their needs, and in a full run with all checks.
func (v Verifier) answers(ctx context.Context, l folder) (Verdict, string) {
	var results lab.AnswerResults
	var f finding
	mode := lab.ModeVerify
	if v.Full {
		mode = lab.ModeProof
	}
	passed := v.run(ctx, l, Test{Dir: l.solution(), Name: "TestAnswers", Mode: mode, Timeout: answersTimeout}, &results, &f)
	if len(f.reasons) > 0 {
		return f.row()
	}
	if len(results.Wrong) == 0 {
		f.add(Failed, "there are no wrong answers, so nothing proves that the checks can fail")
	}
	for _, result := range results.Wrong {
		if verdict, reason := result.Verdict(); verdict != lab.Pass {
			f.add(rowVerdict(verdict), "wrong answer %s: %s", result.Name, reason)
		}
	}
	for _, result := range results.Right {
		if verdict, reason := result.Verdict(); verdict != lab.Pass {
			f.add(rowVerdict(verdict), "right answer %s: %s", result.Name, reason)
		}
	}
	if !passed && len(f.reasons) == 0 {
		f.add(Failed, "all were judged as they should be, and the test failed all the same")
	}
	return f.row()
}

// full runs the solution's long test, where there is one.
func (v Verifier) full(ctx context.Context, l folder) (Verdict, string) {
	if there, err := hasTest(l.tree, l.solution(), "TestFull"); err == nil && !there {
		return Passed, ""
	}
	var result lab.Result
	var f finding
	passed := v.run(ctx, l, Test{Dir: l.solution(), Name: "TestFull", Mode: lab.ModeFull, Timeout: fullTimeout}, &result, &f)
	if len(f.reasons) == 0 {
		judge(&f, result, passed)
	}
	return f.row()
}

// judge demands that all passes: a solution passes stretch checks too.
func judge(f *finding, result lab.Result, passed bool) {
	for _, p := range parts(result) {
		if p.verdict != lab.Pass && p.verdict != lab.NotReached {
			f.add(rowVerdict(p.verdict), "%s: %s: %s", p.name, p.verdict, p.detail)
		}
	}
	switch {
	case len(f.reasons) > 0:
	case result.Verdict != lab.Pass:
		f.add(rowVerdict(result.Verdict), "its verdict is %q", result.Verdict)
	case !passed:
		f.add(Failed, "its verdict is %q, and the test failed all the same", result.Verdict)
	}
}

// run runs a test to its end and reads its result into result. What keeps it from that
// goes into f. It returns whether the test passed.
func (v Verifier) run(ctx context.Context, l folder, test Test, result any, f *finding) (passed bool) {
	there, err := hasTest(l.tree, test.Dir, test.Name)
	if err != nil {
		f.add(Failed, "%v", err)
		return false
	}
	if !there {
		f.add(Failed, "there is no %s in %s", test.Name, test.Dir)
		return false
	}
	outcome, err := v.Runner.Run(ctx, test)
	switch {
	case err != nil:
		f.add(Environment, "%v", err)
	case !outcome.Compiled:
		f.add(Failed, "%s does not compile:\n%s", test.Dir, outcome.Output)
	case strings.HasPrefix(outcome.Output, "panic: test timed out"):
		f.add(Failed, "%s did not end within %v:\n%s", test.Name, test.Timeout, outcome.Output)
	case strings.HasPrefix(outcome.Output, "panic:"), strings.HasPrefix(outcome.Output, "fatal error:"):
		f.add(Failed, "%s crashed:\n%s", test.Name, outcome.Output)
	case len(outcome.Result) == 0:
		f.add(Failed, "%s left no result; it said:\n%s", test.Name, outcome.Output)
	default:
		if err := json.Unmarshal(outcome.Result, result); err != nil {
			f.add(Failed, "%s left a result that cannot be read: %v", test.Name, err)
		}
	}
	return outcome.Passed
}

// part is a check or a gain that was run or skipped.
type part struct {
	name    string
	verdict lab.Verdict
	detail  string
}

func parts(r lab.Result) []part {
	var parts []part
	for _, c := range r.Checks {
		parts = append(parts, part{c.Name, c.Verdict, c.Detail})
	}
	for _, g := range r.Gains {
		parts = append(parts, part{g.Name, g.Verdict, g.Detail})
	}
	return parts
}

// rowVerdict is the verdict of a row for which a run had to pass and did not.
func rowVerdict(v lab.Verdict) Verdict {
	switch v {
	case lab.Environment:
		return Environment
	case lab.Inconclusive:
		return Inconclusive
	default:
		return Failed
	}
}

// hasTest reports whether the package in a folder has a test of that name.
func hasTest(tree fs.FS, dir, name string) (bool, error) {
	files, err := fs.Glob(tree, path.Join(dir, "*_test.go"))
	if err != nil {
		return false, fmt.Errorf("find tests: %w", err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(tree, file)
		if err != nil {
			return false, fmt.Errorf("find tests: %w", err)
		}
		// A file that cannot be parsed is the compiler's to complain about.
		parsed, _ := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if parsed == nil {
			continue
		}
		for _, declaration := range parsed.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return true, nil
			}
		}
	}
	return false, nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
