package spec_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/spec"
)

func TestWrongVerdict(t *testing.T) {
	result := func(verdicts ...spec.Verdict) spec.Result {
		var r spec.Result
		for i, v := range verdicts {
			r.Checks = append(r.Checks, spec.CheckResult{Name: string(rune('a' + i)), Verdict: v, Detail: "seen"})
		}
		return r
	}
	start := spec.Result{Checks: []spec.CheckResult{{Name: "start", Verdict: spec.NotYet, Detail: "does not compile"}}}
	tests := []struct {
		name   string
		also   []string
		result spec.Result
		want   spec.Verdict
		reason string
	}{
		{"rejected by its check", nil, result(spec.NotYet, spec.Pass), spec.Pass, ""},
		{"accepted", nil, result(spec.Pass, spec.Pass), spec.NotYet, `check "a" did not reject it`},
		{"rejected by another", nil, result(spec.Pass, spec.NotYet), spec.NotYet, `check "b" rejected it too: seen; check "a" did not reject it`},
		{"by its check and another", nil, result(spec.NotYet, spec.NotYet), spec.NotYet, `check "b" rejected it too: seen`},
		{"by its check and one that may", []string{"b"}, result(spec.NotYet, spec.NotYet), spec.Pass, ""},
		{"one that may did not", []string{"b"}, result(spec.NotYet, spec.Pass), spec.Pass, ""},
		{"by one that may alone", []string{"b"}, result(spec.Pass, spec.NotYet), spec.NotYet, `check "a" did not reject it`},
		{"its check could not tell", nil, result(spec.Inconclusive), spec.Inconclusive, `check "a": inconclusive: seen`},
		{"another could not tell", nil, result(spec.NotYet, spec.Inconclusive), spec.Inconclusive, `check "b": inconclusive: seen`},
		{"another could not tell and its check accepted it", nil, result(spec.Pass, spec.Inconclusive), spec.NotYet, `check "b": inconclusive: seen; check "a" did not reject it`},
		{"the machine failed before its check", nil, spec.Result{Checks: []spec.CheckResult{
			{Name: "b", Verdict: spec.Environment, Detail: "seen"}, {Name: "a", Verdict: spec.Skipped},
		}}, spec.Environment, `check "b": environment: seen`},
		{"the machine failed its check", nil, result(spec.Environment, spec.Skipped), spec.Environment, `check "a": environment: seen`},
		{"the machine failed another", nil, result(spec.NotYet, spec.Environment), spec.Environment, `check "b": environment: seen`},
		{"it did not start", nil, start, spec.NotYet, `check "start" rejected it too: does not compile; check "a" did not reject it`},
		{"nothing ran", nil, spec.Result{}, spec.NotYet, `check "a" did not reject it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict, reason := spec.WrongResult{Name: "w", Check: "a", Also: tt.also, Result: tt.result}.Verdict()
			if verdict != tt.want || reason != tt.reason {
				t.Errorf("got %q, %q; want %q, %q", verdict, reason, tt.want, tt.reason)
			}
		})
	}
}

func TestValidateWrongs(t *testing.T) {
	timed := check("rate", nil)
	timed.Timed = true
	toy := spec.Lab{Name: "00-toy", Checks: []spec.Check{check("index", nil), timed, stretch(check("tidy", nil))}}
	good := spec.Wrong{Name: "no-index", Why: "it is fast enough here", Check: "index", Also: []string{"tidy"}, Lab: toy}
	with := func(change func(*spec.Wrong)) []spec.Wrong {
		w := good
		change(&w)
		return []spec.Wrong{w}
	}
	tests := []struct {
		name    string
		wrongs  []spec.Wrong
		problem string
	}{
		{"good", []spec.Wrong{good}, ""},
		{"two of a name", []spec.Wrong{good, good}, "two of that name"},
		{"spaces", with(func(w *spec.Wrong) { w.Name = "no index" }), "kebab-case"},
		{"no reason", with(func(w *spec.Wrong) { w.Why = "" }), "the reason why"},
		{"no such check", with(func(w *spec.Wrong) { w.Check = "indexes" }), `no check "indexes"`},
		{"no such further check", with(func(w *spec.Wrong) { w.Also = []string{"indexes"} }), `no check "indexes"`},
		{"stretch", with(func(w *spec.Wrong) { w.Check = "tidy" }), "not a core check"},
		{"timed", with(func(w *spec.Wrong) { w.Check = "rate" }), "timed"},
		{"a bad lab", with(func(w *spec.Wrong) { w.Lab.Starter = []string{"x"} }), `to fail "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := spec.ValidateWrongs(tt.wrongs...)
			if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %v, want an error with %q", err, tt.problem)
			}
		})
	}
}

func TestWrongResultsTravel(t *testing.T) {
	want := spec.WrongResults{{Name: "no-index", Check: "index", Also: []string{"tidy"}, Result: spec.Result{Lab: "00-toy", Verdict: spec.NotYet}}}
	path := filepath.Join(t.TempDir(), "result.json")
	if err := want.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got spec.WrongResults
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name    string
		toy     spec.Lab
		problem string
	}{
		{"good", spec.Lab{Name: "00-toy", Checks: []spec.Check{check("a", nil)}, Gains: []spec.Gain{gain(spec.Measured{}, nil)}, Starter: []string{"gain", "a"}}, ""},
		{"no name", spec.Lab{}, "without a name"},
		{"a nameless check", spec.Lab{Name: "00-toy", Checks: []spec.Check{check("", nil)}}, `""`},
		{"twice", spec.Lab{Name: "00-toy", Checks: []spec.Check{check("a", nil), check("a", nil)}}, `"a"`},
		{"as a check and a gain", spec.Lab{Name: "00-toy", Checks: []spec.Check{check("gain", nil)}, Gains: []spec.Gain{gain(spec.Measured{}, nil)}}, `"gain"`},
		{"a starter that fails nothing there is", spec.Lab{Name: "00-toy", Checks: []spec.Check{check("a", nil)}, Starter: []string{"b"}}, `"b"`},
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
