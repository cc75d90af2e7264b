package verify

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/course"
)

func TestLooks(t *testing.T) {
	const head = "package spec\nimport \"m/shared/workshop/lab\"\nvar _ = "
	tests := []struct {
		name, spec, problem string
	}{
		{"a function", `lab.Failure{Look: lab.Look{File: "a.go", Func: "Apply", Hint: "why?"}}`, ""},
		{"a method", `lab.Look{File: "a.go", Func: "router.Plan"}`, ""},
		{"an answer", `lab.Look{File: "a.go", Func: "Knee"}`, ""},
		{"a file alone", `lab.Look{File: "a.go"}`, "want, as a string in Look.Func"},
		{"a computed function", `lab.Look{File: "a.go", Func: name}`, "want, as a string in Look.Func"},
		{"a file without functions", `lab.Look{File: "a.sql"}`, ""},
		{"a look by another name", `lab.Failure{Look: look}`, ""},
		{"another package's Look", `other.Look{File: "b.go"}`, ""},
		{"no look", `lab.Failure{Expected: "a", Seen: "b"}`, "without a Look"},
		{"no file", `lab.Look{Hint: "the log above"}`, `Look.File is ""`},
		{"a file that is not there", `lab.Look{File: "b.go"}`, `Look.File is "b.go"`},
		{"a file that is not the learner's", `lab.Look{File: "spec/a.go"}`, `Look.File is "spec/a.go"`},
		{"a computed file", `lab.Look{File: name}`, "want, as a string"},
		{"a function that is not there", `lab.Look{File: "a.go", Func: "Plan"}`, `declares no "Plan"; there are: Apply, router.Plan, Knee`},
		{"a function of SQL", `lab.Look{File: "a.sql", Func: "Plan"}`, "has no functions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const starter = "package toy\nfunc Apply() {}\ntype router struct{}\nfunc (r *router) Plan() {}\nconst Knee = 1\n"
			tree := fstest.MapFS{
				"labs/00-toy/a.go":           {Data: []byte(starter + "// TODO(lab 00)\n")},
				"labs/00-toy/a.sql":          {Data: []byte("-- TODO(lab 00)\n")},
				"labs/00-toy/spec/a.go":      {Data: []byte(head + tt.spec + "\n")},
				"labs/00-toy/spec/a_test.go": {Data: []byte(head + "lab.Failure{}\n")},
				"solutions/00-toy/a.go":      {Data: []byte(starter)},
				"solutions/00-toy/a.sql":     {Data: []byte("\n")},
			}
			problems, err := looks(folder{tree: tree, name: "00-toy", entry: course.Lab{Name: "00-toy", Files: []string{"a.go", "a.sql"}}})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(problems, "\n"); (got == "") != (tt.problem == "") || !strings.Contains(got, tt.problem) {
				t.Errorf("got %q, want %q", got, tt.problem)
			}
		})
	}
}

// TestLooksOfAllLabs reads the specs of the labs that are there.
func TestLooksOfAllLabs(t *testing.T) {
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	tree := os.DirFS(root)
	for _, entry := range course.Labs() {
		problems, err := looks(folder{tree: tree, name: entry.Name, entry: entry})
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems {
			t.Error(problem)
		}
	}
}
