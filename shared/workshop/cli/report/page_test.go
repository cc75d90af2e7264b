package report

import (
	"bytes"
	"html"
	"path/filepath"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/compare"
	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/page"
)

// textOfPage renders a page and returns its text without tags.
func textOfPage(t *testing.T, p page.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Render(&b, p); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(b.String(), "<body>")
	var text strings.Builder
	for i, part := range strings.Split(body, "<") {
		_, rest, tag := strings.Cut(part, ">")
		if i > 0 && tag {
			part = " " + rest
		}
		text.WriteString(part)
	}
	return strings.Join(strings.Fields(html.UnescapeString(text.String())), " ")
}

// TestPageHoldsAll: what the terminal shows of a result, its page shows too.
func TestPageHoldsAll(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) < 4 {
		t.Fatalf("found %v, %v", inputs, err)
	}
	for _, input := range inputs {
		name := filepath.Base(input)
		t.Run(name, func(t *testing.T) {
			k := readFixture(t, name)
			k.Charts = []chart.Chart{{Name: "A chart of " + k.Lab, X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "orders"}, Series: []chart.Series{{Name: "s"}}}}
			text := textOfPage(t, Page("Lab "+k.Lab, k.Note, "kept in result.json", k.Result))
			want := []string{"Lab " + k.Lab, k.Note, strings.ToUpper(string(k.Verdict)), "kept in result.json", "A chart of " + k.Lab}
			problem := func(v lab.Verdict, f *lab.Failure, d *lab.Doubt, detail string) {
				switch {
				case f != nil:
					want = append(want, f.Where, f.Expected, f.Seen, f.Look.String())
				case d != nil:
					want = append(want, d.Reason, d.Remedy)
				case v != lab.NotReached:
					want = append(want, detail)
				}
			}
			for _, c := range k.Checks {
				want = append(want, c.Name, c.Proves)
				if !isOptional(k.Result, c) {
					problem(c.Verdict, c.Failure, c.Doubt, c.Detail)
				}
			}
			for _, g := range k.Gains {
				want = append(want, g.Name, string(g.Verdict))
				problem(g.Verdict, g.Failure, g.Doubt, g.Detail)
				if measured(g) {
					want = append(want, figure.Quantity(g.Before, g.Unit), figure.Quantity(g.After, g.Unit), figure.Times(g.Ratio), "floor "+figure.Times(g.Floor))
				}
			}
			for _, n := range k.Reported {
				want = append(want, n.Name, figure.Fixed(n.Value))
			}
			for _, q := range k.Host.Quotas {
				want = append(want, q.Container, q.Type)
			}
			want = append(append(want, k.Todos...), k.Evidence, k.Next)
			for _, w := range want {
				if !strings.Contains(text, strings.Join(strings.Fields(w), " ")) {
					t.Errorf("the page lacks %q", w)
				}
			}
		})
	}
}

// A run of one step says nothing about the marks of other steps, and an empty result is a page too.
func TestPageOfAStep(t *testing.T) {
	todos := []string{"a.go:1: TODO(lab 98): step 1. Write", "a.go:2: TODO(lab 98): step 2. Read"}
	text := textOfPage(t, Page("Lab 98", "", "", lab.Result{Lab: "98", Verdict: lab.Pass, Step: 2, Todos: todos}))
	if strings.Contains(text, todos[0]) || !strings.Contains(text, todos[1]) || !strings.Contains(text, "the code does what step 2 asks") {
		t.Errorf("the page says %q", text)
	}
}

// TestMachine: the page names the machine's speed in the unit of the documents.
func TestMachine(t *testing.T) {
	text := textOfPage(t, Page("Lab 98", "", "", lab.Result{Host: lab.Host{CPUs: 2, Slowness: 0.5, Platform: "linux/amd64", Go: "go1.26"}}))
	for _, want := range []string{"cores 2", "speed 2 times the reference machine (ten million Python additions in about 0.82 s)", "platform linux/amd64", "Go go1.26"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q: %s", want, text)
		}
	}
	if strings.Contains(text, "idle") {
		t.Errorf("the page tells an idle share that was not measured: %s", text)
	}
}

// TestComparison: text and page of a comparison hold the same.
func TestComparison(t *testing.T) {
	a, b := readFixture(t, "pass.json").Result, readFixture(t, "unsure.json").Result
	b.Gains = append(b.Gains, lab.GainResult{Name: "write goodput", Unit: "writes/s", Verdict: lab.Pass, Ratio: 6, Low: 5, High: 7, Floor: 2, Pairs: 6, Before: 50, After: 300})
	b.Checks = append(b.Checks, lab.CheckResult{Name: "right shard", Verdict: lab.NotYet})
	c := compare.Of(a, b)
	sideA, sideB := Side{File: "a.json", Note: "made yesterday"}, Side{File: "b.json"}
	text := plainSheet(unicodeMarks(), minColumns).Comparison(sideA, sideB, c)
	golden(t, "comparison.txt", text)
	onPage := textOfPage(t, ComparisonPage(sideA, sideB, c))
	for _, want := range append(c.Warnings, "a.json", "b.json", "3.91x (3.62x to 4.18x), pass", "6x (5x to 7x), pass", "B gains more", "right shard", "97.2", "Only in A", "Only in B") {
		if !strings.Contains(onPage, want) {
			t.Errorf("the page lacks %q", want)
		}
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("the text lacks %q", want)
		}
	}
}
