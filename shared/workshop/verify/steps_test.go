package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/verify"
)

// stepLesson is a README of a lab of two steps and a deep dive with all that it needs.
const stepLesson = `# Lab 00: toy

**Outcome.** You can.

## Before you begin

Plan about 5 minutes. You change ` + "`find.go` and `index.sql`" + `.

### Terms

| term | meaning | step |
| --- | --- | --- |
| index | a sorted copy of a column | 1 |
| binary search | halving a sorted list | 2 |

## Why it hurts now

![The meal service asks the database](toy.svg)

## Predict

Guess.

## Step 1: write the index

**File:** ` + "`index.sql`" + `. **About 1 line, 2 minutes.**

Run ` + "`go tool workshop check 00 --step 1`" + `.

## Step 2: halve the menu

**File:** ` + "`find.go`, function `Find`" + `. **About 3 lines, 3 minutes.**

Run ` + "`go tool workshop check 00 --step 2`" + `.

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

func steppedLabs() course.Course {
	return course.Course{{
		Number: 0, Name: "00-toy", Title: "toy", Minutes: 5, Files: []string{"index.sql", "find.go"}, Stretch: []string{"stretch_tree.go"},
		Steps: []course.Step{
			{Number: 1, Name: "write the index", Minutes: 2, Places: []string{"index.sql"}},
			{Number: 2, Name: "halve the menu", Minutes: 3, Places: []string{"find.go: Find"}},
		},
	}}
}

func steppedModule() fstest.MapFS {
	tree := module()
	for name, text := range map[string]string{
		"labs/00-toy/README.md":             stepLesson,
		"labs/00-toy/DEEP.md":               "# Deep dives\n\nA tree, in `stretch_tree.go`.\n",
		"labs/00-toy/find.go":               "package toy\n\n// TODO(lab 00): halve\nfunc Find(n int) int {\n\treturn n\n}\n",
		"labs/00-toy/stretch_tree.go":       "package toy\n\n// TODO(lab 00, deep dive): a tree\nfunc tree() {}\n",
		"solutions/00-toy/find.go":          "package toy\n\nimport \"math\"\n\n// Find halves.\nfunc Find(n int) int {\n\t// in two\n\tif n > math.MaxInt {\n\t\treturn 0\n\t}\n\treturn n\n}\n",
		"solutions/00-toy/stretch_tree.go":  "package toy\n\nfunc tree() { println() }\n",
		"solutions/00-toy/internal_test.go": "package toy\n",
	} {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

func TestLessonInSteps(t *testing.T) {
	long := strings.Repeat("\tprintln(n)\n", 41)
	tests := []struct {
		name, file, old, new string
		want                 string // "" when there is nothing to find
	}{
		{"all is there", "", "", "", ""},
		{"a step without a section", "labs/00-toy/README.md", "## Step 2: halve the menu", "## Step 2: something", `the section "Step 2: halve the menu" is missing`},
		{"other minutes", "labs/00-toy/README.md", "3 lines, 3 minutes", "3 lines, 9 minutes", "step 2: says 9 minutes, the course says 3"},
		{"far fewer lines", "labs/00-toy/README.md", "3 lines, 3 minutes", "30 lines, 3 minutes", "step 2: says 30 lines, the solution adds 3"},
		{"no size", "labs/00-toy/README.md", "**About 1 line, 2 minutes.**", "", "step 1: want its size"},
		{"a place that the text does not name", "labs/00-toy/README.md", "function `Find`", "a function", "step 2: want it to name `Find`"},
		{"no check at the end", "labs/00-toy/README.md", "check 00 --step 1", "check 00", "step 1: want it to end with"},
		{"no terms", "labs/00-toy/README.md", "### Terms", "### Words", "want ### Terms"},
		{"a term of no step", "labs/00-toy/README.md", "a column | 1 |", "a column | 7 |", "the number of a step"},
		{"too many terms", "labs/00-toy/README.md", "| index | a sorted copy of a column | 1 |\n", strings.Repeat("| index | a copy | 1 |\n", 7), "7 new terms in step 1"},
		{"no drawing", "labs/00-toy/README.md", "![The meal service asks the database](toy.svg)", "Imagine it.", "want a drawing"},
		{"a drawing that does not exist", "labs/00-toy/README.md", "toy.svg", "other.svg", "drawing other.svg does not exist"},
		{"no answer to open", "labs/00-toy/README.md", "<details><summary>Why?</summary>Because.</details>", "Why?", "want an answer to open"},
		{"too many words", "labs/00-toy/README.md", "Twice.", strings.Repeat("word ", 1500), "want at most 1500"},
		{"code is not counted", "labs/00-toy/README.md", "Twice.", "```\n" + strings.Repeat("word ", 1500) + "\n```", ""},
		{"deep dives without a text", "labs/00-toy/DEEP.md", "stretch_tree.go", "tree.go", "DEEP.md: want it to name `stretch_tree.go`"},
		{"a deep dive without its mark", "labs/00-toy/stretch_tree.go", "TODO(lab 00, deep dive)", "later", "carries TODO(lab 00, deep dive): false, want true"},
		{"a long step", "solutions/00-toy/find.go", "\t// in two\n", long, "step 2: the solution adds 44 lines of code, want at most 40"},
		{"code of no step", "solutions/00-toy/find.go", "// Find halves.\n", "func half() {\n}\n\n", "no step's places hold what the solution adds at find.go:5"},
		{"a comment is not counted", "solutions/00-toy/index.sql", "CREATE INDEX x;\n", "CREATE INDEX x;\n\n-- because\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := steppedModule()
			if tt.file != "" {
				text := strings.Replace(string(tree[tt.file].Data), tt.old, tt.new, 1)
				if text == string(tree[tt.file].Data) {
					t.Fatalf("%s does not hold %q", tt.file, tt.old)
				}
				tree[tt.file] = &fstest.MapFile{Data: []byte(text)}
			}
			problems, err := verify.Verifier{Root: tree, Course: steppedLabs()}.Texts("00-toy")
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(problems, "\n")
			if tt.want == "" && all != "" || !strings.Contains(all, tt.want) {
				t.Errorf("found:\n%s\nwant: %q", all, tt.want)
			}
		})
	}
}

func TestPlacesExist(t *testing.T) {
	for _, place := range []string{"other.go", "find.go: Lose", "stretch_tree.go: tree"} {
		labs := steppedLabs()
		labs[0].Steps[1].Places = append(labs[0].Steps[1].Places, place)
		problems, err := verify.Verifier{Root: steppedModule(), Course: labs}.Texts("00-toy")
		if want := fmt.Sprintf("place %q", place); err != nil || !strings.Contains(strings.Join(problems, "\n"), want) {
			t.Errorf("found %v, %v; want %q", problems, err, want)
		}
	}
}

// onlyCorePath answers the run of the core path, and fails every other.
type onlyCorePath struct {
	test   verify.Test
	checks []lab.CheckResult
}

func (r *onlyCorePath) Run(_ context.Context, test verify.Test) (verify.Outcome, error) {
	if len(test.Replace) == 0 {
		return verify.Outcome{}, errors.New("not asked for")
	}
	r.test = test
	text, err := json.Marshal(lab.Result{Lab: "00-toy", Verdict: lab.NotYet, Checks: r.checks})
	return verify.Outcome{Compiled: true, Result: text}, err
}

// TestCorePath: what decides is whether the core checks pass with the starter's deep dives.
func TestCorePath(t *testing.T) {
	core, deep := lab.CheckResult{Name: "index", Kind: lab.Core, Verdict: lab.Pass}, lab.CheckResult{Name: "tree", Kind: lab.Stretch, Verdict: lab.NotYet, Detail: "no tree"}
	failed := lab.CheckResult{Name: "halved", Kind: lab.Core, Verdict: lab.NotYet, Detail: "needs the tree"}
	for name, tt := range map[string]struct {
		checks []lab.CheckResult
		want   verify.Verdict
		detail string
	}{
		"core passes":     {[]lab.CheckResult{core, deep}, verify.Passed, ""},
		"core needs deep": {[]lab.CheckResult{core, failed}, verify.Failed, "without the deep dives, halved"},
		"nothing judges":  {[]lab.CheckResult{deep}, verify.Failed, "no core check without a server"},
	} {
		t.Run(name, func(t *testing.T) {
			runner := &onlyCorePath{checks: tt.checks}
			report, err := verify.Verifier{Root: steppedModule(), Course: steppedLabs(), Runner: runner}.Run(t.Context(), []string{"00-toy"})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(report.Rows, func(r verify.Row) bool { return r.What == "core path" })
			if at < 0 || report.Rows[at].Verdict != tt.want || !strings.Contains(report.Rows[at].Detail, tt.detail) {
				t.Fatalf("rows %+v, want %s %q", report.Rows, tt.want, tt.detail)
			}
			if want := "labs/00-toy/stretch_tree.go"; !runner.test.Short || runner.test.Replace["solutions/00-toy/stretch_tree.go"] != want {
				t.Errorf("ran %+v, want a short run with %s", runner.test, want)
			}
		})
	}
	plain := steppedLabs()
	plain[0].Stretch = nil
	report, err := verify.Verifier{Root: steppedModule(), Course: plain, Runner: &onlyCorePath{}}.Run(t.Context(), []string{"00-toy"})
	if err != nil || slices.ContainsFunc(report.Rows, func(r verify.Row) bool { return r.What == "core path" }) {
		t.Errorf("a lab without deep dives: %v, %+v; want no row for its core path", err, report.Rows)
	}
}
