package lab_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/workshop/lab"
)

func TestWrongVerdict(t *testing.T) {
	result := func(verdicts ...lab.Verdict) lab.Result {
		var r lab.Result
		for i, v := range verdicts {
			r.Checks = append(r.Checks, lab.CheckResult{Name: string(rune('a' + i)), Verdict: v, Detail: "seen"})
		}
		return r
	}
	start := lab.Result{Checks: []lab.CheckResult{{Name: "start", Verdict: lab.NotYet, Detail: "does not compile"}}}
	tests := []struct {
		name   string
		also   []string
		result lab.Result
		want   lab.Verdict
		reason string
	}{
		{"rejected by its check", nil, result(lab.NotYet, lab.Pass), lab.Pass, ""},
		{"accepted", nil, result(lab.Pass, lab.Pass), lab.NotYet, `check "a" did not reject it`},
		{"rejected by another", nil, result(lab.Pass, lab.NotYet), lab.NotYet, `check "b" rejected it too: seen; check "a" did not reject it`},
		{"by its check and another", nil, result(lab.NotYet, lab.NotYet), lab.NotYet, `check "b" rejected it too: seen`},
		{"by its check and one that may", []string{"b"}, result(lab.NotYet, lab.NotYet), lab.Pass, ""},
		{"one that may did not", []string{"b"}, result(lab.NotYet, lab.Pass), lab.Pass, ""},
		{"by one that may alone", []string{"b"}, result(lab.Pass, lab.NotYet), lab.NotYet, `check "a" did not reject it`},
		{"its check could not tell", nil, result(lab.Inconclusive), lab.Inconclusive, `check "a": inconclusive: seen`},
		{"another could not tell", nil, result(lab.NotYet, lab.Inconclusive), lab.Inconclusive, `check "b": inconclusive: seen`},
		{"another could not tell and its check accepted it", nil, result(lab.Pass, lab.Inconclusive), lab.NotYet, `check "b": inconclusive: seen; check "a" did not reject it`},
		{"the machine failed before its check", nil, lab.Result{Checks: []lab.CheckResult{
			{Name: "b", Verdict: lab.Environment, Detail: "seen"}, {Name: "a", Verdict: lab.NotReached},
		}}, lab.Environment, `check "b": environment: seen`},
		{"the machine failed its check", nil, result(lab.Environment, lab.NotReached), lab.Environment, `check "a": environment: seen`},
		{"the machine failed another", nil, result(lab.NotYet, lab.Environment), lab.Environment, `check "b": environment: seen`},
		{"what it needs failed", nil, lab.Result{Checks: []lab.CheckResult{
			{Name: "b", Verdict: lab.NotYet, Detail: "seen"}, {Name: "a", Verdict: lab.NotReached, Blocked: "b"},
		}}, lab.NotYet, `check "b" rejected it too: seen; check "a" did not reject it`},
		{"what it needs failed, as it may", []string{"b"}, lab.Result{Checks: []lab.CheckResult{
			{Name: "b", Verdict: lab.NotYet, Detail: "seen"}, {Name: "a", Verdict: lab.NotReached, Blocked: "b"},
		}}, lab.NotYet, `check "a" did not reject it`},
		{"it did not start", nil, start, lab.NotYet, `check "start" rejected it too: does not compile; check "a" did not reject it`},
		{"nothing ran", nil, lab.Result{}, lab.NotYet, `check "a" did not reject it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict, reason := lab.WrongResult{Name: "w", Check: "a", Also: tt.also, Result: tt.result}.Verdict()
			if verdict != tt.want || reason != tt.reason {
				t.Errorf("got %q, %q; want %q, %q", verdict, reason, tt.want, tt.reason)
			}
		})
	}
}

func TestValidateAnswers(t *testing.T) {
	timed := check("rate", nil)
	timed.Timed = true
	later := check("later", nil)
	later.Step = 2
	toy := lab.Lab{Name: "00-toy", Checks: []lab.Check{check("index", nil), timed, stretch(check("tidy", nil)), later}}
	good := lab.Wrong{Name: "no-index", Why: "it is fast enough here", Check: "index", Also: []string{"tidy"}, Lab: toy}
	with := func(change func(*lab.Wrong)) []lab.Wrong {
		w := good
		change(&w)
		return []lab.Wrong{w}
	}
	right := lab.Right{Name: "two-indexes", Why: "one for each query", Checks: []string{"index", "tidy"}, Lab: toy}
	but := func(change func(*lab.Right)) []lab.Right {
		r := right
		change(&r)
		return []lab.Right{r}
	}
	tests := []struct {
		name    string
		wrongs  []lab.Wrong
		rights  []lab.Right
		problem string
	}{
		{"good", []lab.Wrong{good}, nil, ""},
		{"two of a name", []lab.Wrong{good, good}, nil, "two of that name"},
		{"spaces", with(func(w *lab.Wrong) { w.Name = "no index" }), nil, "kebab-case"},
		{"no reason", with(func(w *lab.Wrong) { w.Why = "" }), nil, "the reason why"},
		{"no such check", with(func(w *lab.Wrong) { w.Check = "indexes" }), nil, `no check "indexes"`},
		{"no such further check", with(func(w *lab.Wrong) { w.Also = []string{"indexes"} }), nil, `no check or stage "indexes"`},
		{"stretch", with(func(w *lab.Wrong) { w.Check = "tidy" }), nil, ""},
		{"flaw", with(func(w *lab.Wrong) { w.Flaw = 1 }), nil, ""},
		{"flaw that a check of another step rejects", with(func(w *lab.Wrong) { w.Flaw = 2 }), nil, `check "index" belongs to step 1`},
		{"flaw that another step may reject", with(func(w *lab.Wrong) { w.Flaw, w.Also = 1, []string{"later"} }), nil, `check "later" of step 2 may not`},
		{"timed", with(func(w *lab.Wrong) { w.Check = "rate" }), nil, "timed"},
		{"right", nil, []lab.Right{right}, ""},
		{"right and wrong of one name", []lab.Wrong{good}, but(func(r *lab.Right) { r.Name = good.Name }), "two of that name"},
		{"right, without a reason", nil, but(func(r *lab.Right) { r.Why = "" }), "the reason why"},
		{"right, without checks", nil, but(func(r *lab.Right) { r.Checks = nil }), "want the checks"},
		{"right, no such check", nil, but(func(r *lab.Right) { r.Checks = []string{"indexes"} }), `no check "indexes"`},
		{"right, timed", nil, but(func(r *lab.Right) { r.Checks = []string{"rate"} }), "timed"},
		{"a bad lab", with(func(w *lab.Wrong) { w.Lab.Starter = []string{"x"} }), nil, `to fail "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := lab.Answers{Wrong: tt.wrongs, Right: tt.rights}.Validate()
			if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %v, want an error with %q", err, tt.problem)
			}
		})
	}
}

func TestRightVerdict(t *testing.T) {
	core := func(v lab.Verdict) lab.CheckResult {
		return lab.CheckResult{Name: "index", Kind: lab.Core, Verdict: v, Detail: "seen"}
	}
	deep := func(v lab.Verdict) lab.CheckResult {
		return lab.CheckResult{Name: "tidy", Kind: lab.Stretch, Verdict: v, Detail: "seen"}
	}
	tests := []struct {
		name   string
		names  []string
		checks []lab.CheckResult
		want   lab.Verdict
		reason string
	}{
		{"accepted", nil, []lab.CheckResult{core(lab.Pass), deep(lab.Pass)}, lab.Pass, ""},
		{"rejected", nil, []lab.CheckResult{core(lab.NotYet)}, lab.NotYet, `check "index": not yet: seen`},
		{"not reached", nil, []lab.CheckResult{core(lab.NotReached)}, lab.NotYet, `check "index": not reached: seen`},
		{"could not tell", nil, []lab.CheckResult{core(lab.Inconclusive)}, lab.Inconclusive, `check "index": inconclusive: seen`},
		{"rejected by a stretch check", nil, []lab.CheckResult{core(lab.Pass), deep(lab.NotYet)}, lab.Pass, ""},
		{"rejected by a stretch check that it names", []string{"tidy"}, []lab.CheckResult{core(lab.Pass), deep(lab.NotYet)}, lab.NotYet, `check "tidy": not yet: seen`},
		{"the machine", nil, []lab.CheckResult{core(lab.Pass), deep(lab.Environment)}, lab.Environment, `check "tidy": environment: seen`},
		{"nothing ran", nil, nil, lab.NotYet, "no check ran"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict, reason := lab.RightResult{Name: "r", Result: lab.Result{Names: tt.names, Checks: tt.checks}}.Verdict()
			if verdict != tt.want || reason != tt.reason {
				t.Errorf("got %q, %q; want %q, %q", verdict, reason, tt.want, tt.reason)
			}
		})
	}
}

func TestAnswerResultsTravel(t *testing.T) {
	want := lab.AnswerResults{
		Wrong: []lab.WrongResult{{Name: "no-index", Check: "index", Also: []string{"tidy"}, Result: lab.Result{Lab: "00-toy", Verdict: lab.NotYet}}},
		Right: []lab.RightResult{{Name: "two-indexes", Result: lab.Result{Lab: "00-toy", Verdict: lab.Pass, Names: []string{"index"}}}},
	}
	path := filepath.Join(t.TempDir(), "result.json")
	if err := want.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got lab.AnswerResults
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// needing returns a check with a need.
func needing(name, need string) lab.Check {
	c := check(name, nil)
	c.Needs = []string{need}
	return c
}

func TestValidate(t *testing.T) {
	timed := check("rate", nil)
	timed.Timed = true
	tests := []struct {
		name    string
		toy     lab.Lab
		problem string
	}{
		{"good", lab.Lab{Name: "00-toy", Checks: []lab.Check{check("a", nil)}, Gains: []lab.Gain{gain(lab.Measured{}, nil)}, Starter: []string{"gain", "a"}}, ""},
		{"no name", lab.Lab{}, "without a name"},
		{"a nameless check", lab.Lab{Name: "00-toy", Checks: []lab.Check{check("", nil)}}, `""`},
		{"twice", lab.Lab{Name: "00-toy", Checks: []lab.Check{check("a", nil), check("a", nil)}}, `"a"`},
		{"as a check and a gain", lab.Lab{Name: "00-toy", Checks: []lab.Check{check("gain", nil)}, Gains: []lab.Gain{gain(lab.Measured{}, nil)}}, `"gain"`},
		{"a starter that fails nothing there is", lab.Lab{Name: "00-toy", Checks: []lab.Check{check("a", nil)}, Starter: []string{"b"}}, `"b"`},
		{"a need that comes later", lab.Lab{Name: "00-toy", Checks: []lab.Check{needing("a", "b"), check("b", nil)}}, "does not come before it"},
		{"a need that is nowhere", lab.Lab{Name: "00-toy", Checks: []lab.Check{needing("a", "b")}}, "which is no stage and no check"},
		{"no step", lab.Lab{Name: "00-toy", Checks: []lab.Check{{Name: "a"}}}, "want the step of the lesson"},
		{"a starter that fails a stage", lab.Lab{Name: "00-toy", Stages: []lab.Stage{{Name: "a"}}, Starter: []string{"a"}}, `"a"`},
		{"a check that needs a time", lab.Lab{Name: "00-toy", Checks: []lab.Check{timed, needing("b", "rate")}}, "is timed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.toy.Files = fstest.MapFS{}
			err := tt.toy.Validate()
			if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %v, want an error with %q", err, tt.problem)
			}
		})
	}
}
