package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/modroot"
)

// The page has every row that the command writes, and a number in each of its cells.
func TestDocument(t *testing.T) {
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	inside, err := blockOf(strings.ReplaceAll(string(text), "\r\n", "\n"))
	if err != nil {
		t.Fatal(err)
	}
	checkBlock(t, inside)
}

var measuredOn = regexp.MustCompile(`^Measured on (\d{4}-\d\d-\d\d) in \d+ s, on \d+ cores\. .* about (\d+\.\d\d) s\.`)

func checkBlock(t *testing.T, inside string) {
	t.Helper()
	when := measuredOn.FindStringSubmatch(inside)
	if when == nil {
		t.Fatalf("the block begins with %.100q, want the date and the speed of the machine", inside)
	}
	if _, err := time.Parse(time.DateOnly, when[1]); err != nil {
		t.Error(err)
	}
	var names []string
	for _, row := range parse(inside) {
		names = append(names, row[0])
		figures := row[1:]
		if len(row) == 7 { // a ratio: unit, three figures, the range and the goal
			figures = append(row[2:5:5], strings.Split(row[5], " to ")...)
		}
		for _, cell := range figures {
			if x, err := strconv.ParseFloat(cell, 64); err != nil || x < 0 {
				t.Errorf("row %q has %q, want a number", row[0], cell)
			}
		}
	}
	if !slices.Equal(names, rows()) {
		t.Errorf("rows %q, want %q", names, rows())
	}
}

// whole returns a block with every row.
func whole() block {
	b := block{date: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), slowness: 1, took: 2 * time.Minute}
	sides := []float64{1, 2, 3}
	b.ratios = append(b.ratios, compare(relayFigure, "events/s", sides, sides, "goal"), compare(mealFigure, "x", sides, sides, "goal"))
	for _, tool := range tools() {
		b.ratios = append(b.ratios, besideTool(tool, []seen{{1, 2, 3, 4, 5, 0}}, []seen{{1, 2, 3, 4, 5, 0}})...)
	}
	for _, kind := range statementKinds() {
		b.costs = append(b.costs, cost{kind: kind, without: counted{1, time.Millisecond}})
	}
	for _, name := range phaseNames() {
		b.phases = append(b.phases, phase{name, time.Second})
	}
	return b
}

func TestWriteInto(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return whole().writeInto(path)
	}
	if err := write("# A page\n" + beginMark + "\nold\n" + endMark + "\nthe end\n"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# A page\n"+beginMark) || !strings.HasSuffix(string(text), endMark+"\nthe end\n") || strings.Contains(string(text), "old") {
		t.Errorf("got %s", text)
	}
	inside, err := blockOf(string(text))
	if err != nil {
		t.Fatal(err)
	}
	checkBlock(t, inside)
	for _, text := range []string{"", beginMark, endMark + beginMark} {
		if err := write(text); err == nil {
			t.Errorf("%q: no error for a page without the marks", text)
		}
	}
}

func TestCompare(t *testing.T) {
	got := compare("x", "unit", []float64{5, 9, 20}, []float64{10, 10, 10}, "goal")
	want := ratio{name: "x", unit: "unit", goal: "goal", ours: 9, reference: 10, ratio: 0.9, low: 0.5, high: 2}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median of four: %g, want 2.5", got)
	}
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	if err != nil || len(all) != len(sections()) {
		t.Errorf("%d sections, %v; want all", len(all), err)
	}
	some, err := choose("load,relay")
	if err != nil || len(some) != 2 || some[0].name != "relay" {
		t.Errorf("%v, %v; want relay and load", some, err)
	}
	if _, err := choose("relay,none"); err == nil {
		t.Error("no error for an unknown section")
	}
}

func TestPhases(t *testing.T) {
	began := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	lines := func(texts ...string) (all []said) {
		for i, text := range texts {
			all = append(all, said{began.Add(time.Duration(i+1) * time.Second), text})
		}
		return all
	}
	run := lines("compile ./solutions/03-cache ...", "compile ./solutions/03-cache: done in 2.0 s", "start a private network for the servers",
		"start Redis", "start two replicas of your service", "start the sessions of subscribers who browse", "check few queries: 70 %")
	got, err := phasesOf(began, run)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{2, 1, 0, 2, 1, 1} {
		if got[i].took != want*time.Second {
			t.Errorf("%s: %v, want %d s", got[i].name, got[i].took, want)
		}
	}
	waited := slices.Insert(run, 2, said{began.Add(2500 * time.Millisecond), "waiting for the machine, held by process 1"})
	if got, err = phasesOf(began, waited); err != nil || got[1].took != 500*time.Millisecond || got[2].took != 500*time.Millisecond {
		t.Errorf("with a wait of half a second: %v, %v", got, err)
	}
	if got, err := phasesOf(began, run[:5]); err == nil {
		t.Errorf("a run that ended early: %v", got)
	}
}

func TestHeyFigures(t *testing.T) {
	const head = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n"
	got, err := heyFigures(head + "0.1000,0,0,0,0,0,200,0.4000\n0.3000,0,0,0,0,0,200,1.7000\n")
	if err != nil || got.requests != 2 || got.rate != 1 || got.mean < 199 || got.mean > 201 {
		t.Errorf("got %+v, %v; want 2 requests in 2 s with a mean of 200 ms", got, err)
	}
	for name, list := range map[string]string{
		"none": head, "a failure": head + "0.1,0,0,0,0,0,500,0.4\n", "no number": head + "x,0,0,0,0,0,200,0.4\n", "no list": "hello\n\"",
	} {
		if got, err := heyFigures(list); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
