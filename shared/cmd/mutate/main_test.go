package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module is a module with a solution. Its test writes a verdict as a lab's test does.
func module(test string) map[string]string {
	return map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.25\n",
		"s/a.go": `package s

func Add(to *int, n int) bool {
	switch {
	case n < 0:
		return false
	}
	*to += n
	count++
	return true
}

func Unused() { count++ }

var count int
`,
		"s/a_test.go": `package s

import (
	"os"
	"testing"
	"time"
)

const checks = "\"checks\":[{\"verdict\":\"pass\"},{\"verdict\":\""

var _ = time.Hour

func TestLab(t *testing.T) {
	` + test + `
}

// part writes the checks that have ended.
func part(t *testing.T) {
	if err := os.WriteFile(os.Getenv("WORKSHOP_RESULT")+".part", []byte("{" + checks + "not yet\"}]}"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// check writes a pass, with a check of that verdict.
func check(t *testing.T, verdict string) {
	if err := os.WriteFile(os.Getenv("WORKSHOP_RESULT"), []byte("{\"verdict\":\"pass\"," + checks + verdict + "\"}]}"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, verdict string) {
	if err := os.WriteFile(os.Getenv("WORKSHOP_RESULT"), []byte("{\"verdict\":\"" + verdict + "\"}"), 0o600); err != nil {
		t.Fatal(err)
	}
}
`,
	}
}

func TestRunsMutants(t *testing.T) {
	const judged = `sum, verdict := 0, "pass"
	if Add(&sum, -1) {
		panic("no verdict")
	}
	if Add(&sum, 2); sum != 2 {
		verdict = "not yet"
	}
	write(t, verdict)`
	for _, test := range []struct {
		name, test string
		want       string // kinds and outcomes
		problem    string
	}{
		{name: "a check", test: judged, want: "SKIP_BRANCH KILLED, NEGATE_CONDITION KILLED, CONDITIONALS_BOUNDARY LIVED, OFF_BY_ONE LIVED, REMOVE_STATEMENT KILLED, REMOVE_STATEMENT LIVED, REMOVE_STATEMENT NOT COVERED"},
		{name: "a check that blames the machine", test: strings.Replace(judged, "not yet", "environment", 1),
			want: "SKIP_BRANCH KILLED, NEGATE_CONDITION KILLED, CONDITIONALS_BOUNDARY LIVED, OFF_BY_ONE LIVED, REMOVE_STATEMENT LIVED, REMOVE_STATEMENT LIVED, REMOVE_STATEMENT NOT COVERED"},
		{name: "a check that is not the last", test: strings.Replace(judged, "write(t, verdict)", `if verdict != "pass" {
		part(t)
		time.Sleep(time.Hour)
	}
	write(t, "pass")`, 1),
			want: "SKIP_BRANCH KILLED, NEGATE_CONDITION KILLED, CONDITIONALS_BOUNDARY LIVED, OFF_BY_ONE LIVED, REMOVE_STATEMENT KILLED, REMOVE_STATEMENT LIVED, REMOVE_STATEMENT NOT COVERED"},
		{name: "a check that the verdict leaves out", test: strings.Replace(judged, "write(t, verdict)", `check(t, verdict)`, 1),
			want: "SKIP_BRANCH KILLED, NEGATE_CONDITION KILLED, CONDITIONALS_BOUNDARY LIVED, OFF_BY_ONE LIVED, REMOVE_STATEMENT KILLED, REMOVE_STATEMENT LIVED, REMOVE_STATEMENT NOT COVERED"},
		{name: "no check", test: `t.Skip("needs real servers")`},
		{name: "a solution that fails", test: `write(t, "not yet")`, problem: "without a mutant: not yet"},
		{name: "no solution", test: `func`, problem: "compile"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("GOFLAGS", "-mod=mod")
			t.Setenv("GOWORK", "off")
			for name, text := range module(test.test) {
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			err := run(t.Context(), &out, "report.json", "", []string{"./s"})
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Fatalf("got %v, want an error with %q", err, test.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := outcomes(t, "report.json"); got != test.want {
				t.Errorf("got  %s\nwant %s\n%s", got, test.want, out.String())
			}
		})
	}
	if err := run(t.Context(), &bytes.Buffer{}, "", "", nil); err == nil {
		t.Error("no folder and no file were taken")
	}
}

// outcomes returns the kinds and outcomes of a report.
func outcomes(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Files []fileReport }
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range report.Files {
		for _, m := range file.Mutations {
			all = append(all, m.Kind+" "+m.Status)
		}
	}
	return strings.Join(all, ", ")
}

func TestParseBlock(t *testing.T) {
	name, b, count, err := parseBlock("example.com/m/s/a.go:3.33,10.2 4 1")
	if err != nil || name != "a.go" || b != (block{3, 33, 10, 2}) || count != 1 {
		t.Errorf("got %s %v %d, %v", name, b, count, err)
	}
	for _, bad := range []string{"", "mode: set", "a.go:1.2,3 1 1"} {
		if _, _, _, err := parseBlock(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, test := range []struct {
		line, col int
		want      bool
	}{{3, 32, false}, {3, 33, true}, {5, 1, true}, {10, 2, true}, {10, 3, false}, {11, 1, false}} {
		if got := b.holds(test.line, test.col); got != test.want {
			t.Errorf("%d:%d: got %t", test.line, test.col, got)
		}
	}
}
