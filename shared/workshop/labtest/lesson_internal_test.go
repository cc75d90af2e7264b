package labtest

import (
	"strings"
	"testing"

	"bytebites.example/workshop/shared/workshop/lab"
)

func TestOutputsOf(t *testing.T) {
	toy := lab.Lab{
		Stages: []lab.Stage{{Name: "servers"}},
		Checks: []lab.Check{
			{Name: "index", Kind: lab.Core, Step: 1, Needs: []string{"servers"}},
			{Name: "few pages", Kind: lab.Core, Step: 2, Needs: []string{"index"}},
			{Name: "guarded", Kind: lab.Core, Step: 2, Guards: []string{"tidy"}},
			{Name: "fewest pages", Kind: lab.Stretch, Step: 2},
			{Name: "tidy", Kind: lab.Core, Step: 3},
			{Name: "last", Kind: lab.Core, Step: 4},
		},
	}
	const (
		head = "   check      verdict   time  expected, and seen\n"
		core = "✓  few pages  pass     0.1 s  a read takes few\n                              pages\n✓  guarded    pass     0.0 s  it is\n"
		pass = "PASS: the code does what step 2 asks (0.1 s)"
	)
	block := func(output string) string {
		return "## Step 2: name\n\nText.\n\n```\n✗ not yet: few pages\n```\n\nRun `go tool workshop check 00 --step 2`. Expected:\n\n```\n" + output + "\n```\n\nMore.\n"
	}
	for _, tt := range []struct{ name, lesson, problem string }{
		{"the rows of the step", block(head + core + pass), ""},
		{"rows of needs and of optional checks too", block(head + "✓  index  pass  0.1 s\n  ✓  tidy  pass  0.1 s\n✓  fewest pages (stretch)  pass\n" + core + pass), ""},
		{"no output", "## Step 2: name\n\nRun `go tool workshop check 00 --step 2`. Expected: `few pages` passes.\n", ""},
		{"the lab's words", block(head + core + "PASS: the code does what the lab asks (0.1 s)"), "want \"PASS: the code does what step 2 asks"},
		{"no last line", block(head + strings.TrimSuffix(core, "\n")), "ends with"},
		{"a row of another step", block(head + "✓  last  pass  0.1 s\n" + core + pass), `shows "last"`},
		{"an unknown row", block(head + "✓  lots of pages  pass  0.1 s\n" + core + pass), `shows "lots of pages"`},
		{"a row too few", block(head + "✓  few pages  pass  0.1 s\n" + pass), `lacks a row of the check "guarded"`},
		{"a line for rows that are left out", block(head + "✓  few pages  pass  0.1 s\n…\n" + pass), ""},
		{"another step's command", strings.Replace(block(head+core+pass), "--step 2", "--step 3", 1), "another step"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := outputsOf(tt.lesson, toy)
			if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %v, want an error with %q", err, tt.problem)
			}
		})
	}
}
