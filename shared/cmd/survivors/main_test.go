package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSurvivors(t *testing.T) {
	const source = `package a

func (*T[V]) F() {
	if x < 1 || y {
		z := x - 1
	}
}

func g() {
	if x < 1 || y {
	}
}

const z = x - 1
`
	const report = `{"files": [{"file_name": "a.go", "mutations": [
		{"line": 4, "type": "CONDITIONALS_BOUNDARY", "status": "LIVED"},
		{"line": 5, "type": "ARITHMETIC_BASE", "status": "KILLED"},
		{"line": 5, "type": "INVERT_NEGATIVES", "status": "NOT COVERED"}]}]}`
	const listed = "| `labs/a.go` | `T.F` | CONDITIONALS_BOUNDARY | `if x < 1 \\|\\| y {` | both give 1 |\n"
	const other = "| `labs/a.go` | `T.F` | ARITHMETIC_BASE | `z := x - 1` | not needed |\n"
	tests := []struct {
		name, rows, report string
		args               []string
		says, problem      string
		source             string
	}{
		{name: "as listed", rows: listed, says: "1 mutants survived, 1 are listed\n"},
		{name: "two reports of a folder", rows: listed, args: []string{"labs=report.json", "labs=report.json"}, says: "1 mutants survived, 1 are listed\n"},
		{name: "not listed", says: "survived and not listed", problem: "not up to date"},
		{name: "in the form of the page", says: strings.TrimSuffix(listed, " both give 1 |\n"), problem: "not up to date"},
		{name: "killed since", rows: listed + other, says: "did not survive", problem: "not up to date"},
		{name: "of another function", rows: listed, report: strings.Replace(report, `"line": 4`, `"line": 10`, 1), says: "| `labs/a.go` | `g` |", problem: "not up to date"},
		{name: "outside of functions", rows: listed, report: strings.Replace(report, `"line": 4`, `"line": 14`, 1), says: "| `labs/a.go` | `package` |", problem: "not up to date"},
		{name: "of another folder", rows: listed + strings.Replace(other, "labs/", "solutions/", 1), says: "1 are listed"},
		{name: "no reason", rows: "| `labs/a.go` | `T.F` | CONDITIONALS_BOUNDARY | `if x < 1 \\|\\| y {` |\n", says: "survived and not listed", problem: "not up to date"},
		{name: "no report", args: []string{"labs=no.json"}, problem: "no.json"},
		{name: "no folder", args: []string{"report.json"}, problem: "want FOLDER=FILE"},
		{name: "no JSON", rows: listed, report: "gremlins", problem: "read report"},
		{name: "no Go", rows: listed, source: "SELECT 1", problem: "parse mutated file"},
		{name: "another source", rows: listed, report: strings.Replace(report, `"line": 4`, `"line": 30`, 1), problem: "no line 30"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if tt.report == "" {
				tt.report = report
			}
			if tt.args == nil {
				tt.args = []string{"labs=report.json"}
			}
			if tt.source == "" {
				tt.source = source
			}
			for name, text := range map[string]string{
				page:          "# Trust\n\n## 00-a\n\n" + other + "\n## " + section + "\n\n" + tt.rows,
				"labs/a.go":   tt.source,
				"report.json": tt.report,
			} {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			err := run(&out, tt.args)
			if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %v, want an error with %q", err, tt.problem)
			}
			if !strings.Contains(out.String(), tt.says) {
				t.Errorf("said %q, want %q", out.String(), tt.says)
			}
		})
	}
}
