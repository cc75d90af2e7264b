package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// document is the page with the block of figures, from the module's root. The block stands between
// the marks.
const (
	document  = "docs/performance.md"
	beginMark = "<!-- figures: begin -->"
	endMark   = "<!-- figures: end -->"
)

// pythonSeconds is the time of ten million additions in a Python loop on a machine of slowness 1
// (see hostspeed).
const pythonSeconds = 1.65

// block is the figures of one run of the command.
type block struct {
	date     time.Time
	slowness float64       // see hostspeed.Slowness
	took     time.Duration // without waiting for the machine
	ratios   []ratio
	costs    []cost
	phases   []phase
}

// ratio compares a part of the workshop with a reference.
type ratio struct {
	name, unit      string
	ours, reference float64 // medians of the rounds
	ratio           float64 // median of the rounds' ratios, ours to the reference
	low, high       float64 // least and largest of these
	goal            string
}

// compare returns the ratio of two sides that were measured in rounds of the same numbers.
func compare(name, unit string, ours, reference []float64, goal string) ratio {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / reference[i]
	}
	return ratio{
		name: name, unit: unit, goal: goal, ours: median(ours), reference: median(reference),
		ratio: median(ratios), low: slices.Min(ratios), high: slices.Max(ratios),
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// markdown returns the block as docs/performance.md has it, without the marks.
func (b block) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "Measured on %s in %.0f s, on %d cores. On this machine ten million additions in a Python loop take about %.2f s.\n",
		b.date.Format(time.DateOnly), b.took.Seconds(), runtime.NumCPU(), pythonSeconds*b.slowness)
	out.WriteString("\n| figure | unit | ours | reference | ratio | of all rounds | goal |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range b.ratios {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %.2f | %.2f to %.2f | %s |\n",
			r.name, r.unit, number(r.ours), number(r.reference), r.ratio, r.low, r.high, r.goal)
	}
	out.WriteString("\n| endpoint | statements without cache | ms in PostgreSQL | statements with cache | ms in PostgreSQL |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range b.costs {
		fmt.Fprintf(&out, "| `%s` | %.1f | %.2f | %.1f | %.2f |\n", c.kind,
			c.without.statements, c.without.time.Seconds()*1000, c.cached.statements, c.cached.time.Seconds()*1000)
	}
	out.WriteString("\n| phase of `check` | seconds |\n| --- | --- |\n")
	for _, p := range b.phases {
		fmt.Fprintf(&out, "| %s | %.1f |\n", p.name, p.took.Seconds())
	}
	return out.String()
}

// number returns a figure with three digits or more.
func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

// writeInto replaces the block in a file.
func (b block) writeInto(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	if _, err := blockOf(string(text)); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	before, rest, _ := strings.Cut(string(text), beginMark)
	_, after, _ := strings.Cut(rest, endMark)
	text = []byte(before + beginMark + "\n\n" + b.markdown() + "\n" + endMark + after)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// rows returns the first cells of all rows that the block of a complete run has.
func rows() []string {
	names := []string{relayFigure, mealFigure}
	for _, tool := range tools() {
		for _, f := range figures() {
			names = append(names, f.beside(tool))
		}
	}
	for _, kind := range statementKinds() {
		names = append(names, "`"+string(kind)+"`")
	}
	return append(names, phaseNames()...)
}

// blockOf returns the block of a document, without its marks.
func blockOf(text string) (string, error) {
	_, rest, begins := strings.Cut(text, beginMark)
	inside, _, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return "", fmt.Errorf("%s has no marks %s and %s", document, beginMark, endMark)
	}
	return strings.TrimSpace(inside), nil
}

// parse returns the rows of a block's tables, in their order, as their cells.
func parse(inside string) (found [][]string) {
	lines := strings.Split(inside, "\n")
	for i, line := range lines {
		heading := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ---")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || heading {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		found = append(found, cells)
	}
	return found
}
