package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"bytebites.example/workshop/shared/spec"
)

// verdictStyle is the emphasis of a verdict.
func (s styles) verdict(v spec.Verdict) lipgloss.Style {
	switch v {
	case spec.Pass:
		return s.good
	case spec.NotYet, spec.Environment:
		return s.bad
	case spec.Inconclusive:
		return s.doubt
	default:
		return s.faint
	}
}

// meaning explains a lab's verdict to somebody who meets it for the first time.
func meaning(v spec.Verdict) string {
	switch v {
	case spec.Pass:
		return "the code does what the lab asks"
	case spec.NotYet:
		return "the code does not do it yet"
	case spec.Inconclusive:
		return "this run cannot tell: it says nothing about the code"
	default:
		return "the machine could not run the lab: it says nothing about the code"
	}
}

// table lays out rows under a heading, columns as wide as their widest cell, and keeps
// the colours of cells. Columns named in right are aligned to the right.
func table(heading []string, rows [][]string, head lipgloss.Style, right map[int]bool) string {
	width := make([]int, len(heading))
	for _, row := range append([][]string{heading}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], lipgloss.Width(cell))
		}
	}
	var b strings.Builder
	line := func(row []string, style *lipgloss.Style) {
		var cells []string
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-lipgloss.Width(cell))
			if style != nil {
				cell = style.Render(cell)
			}
			if right[i] {
				cells = append(cells, pad+cell)
			} else {
				cells = append(cells, cell+pad)
			}
		}
		b.WriteString(strings.TrimRight("  "+strings.Join(cells, "  "), " ") + "\n")
	}
	line(heading, &head)
	for _, row := range rows {
		line(row, nil)
	}
	return b.String()
}

// render shows a result.
func (u *ui) render(title string, r spec.Result) {
	s := u.styles(u.out)
	u.printf("\n%s\n\n", s.bold.Render(title))
	u.renderChecks(s, r)
	u.renderGains(s, r)
	u.renderNumbers(s, r)
	u.printf("%s: %s (%.1f s)\n", s.verdict(r.Verdict).Render(strings.ToUpper(string(r.Verdict))), meaning(r.Verdict), r.Seconds)
	for i, todo := range r.Todos {
		if i == 0 && r.Verdict == spec.Pass {
			u.printf("Passed with a mark left; take it out, so that `go test ./...` runs the lab:\n")
		} else if i == 0 {
			u.printf("Still marked as work:\n")
		}
		u.printf("  %s\n", todo)
	}
	if r.Evidence != "" {
		u.printf("What the run left for you to read: %s\n", r.Evidence)
	}
}

func (u *ui) renderChecks(s styles, r spec.Result) {
	if len(r.Checks) == 0 {
		return
	}
	var rows [][]string
	for _, c := range r.Checks {
		name := c.Name
		if c.Kind == spec.Stretch {
			name += " (stretch)"
		}
		rows = append(rows, []string{name, s.verdict(c.Verdict).Render(string(c.Verdict)), fmt.Sprintf("%.1f", c.Seconds), c.Proves})
	}
	u.printf("%s\n", table([]string{"check", "verdict", "seconds", "proves"}, rows, s.faint, map[int]bool{2: true}))
	for _, c := range r.Checks {
		if c.Verdict != spec.Pass && c.Verdict != spec.Skipped {
			u.renderDetail(s, c.Name, c.Verdict, c.Detail)
		}
	}
}

// renderDetail breaks the line of a spec.Failure into its three parts.
func (u *ui) renderDetail(s styles, name string, v spec.Verdict, detail string) {
	if detail == "" {
		return
	}
	u.printf("  %s %s\n", s.verdict(v).Render(string(v)+":"), s.bold.Render(name))
	detail = strings.NewReplacer("; saw ", "\nsaw ", "; look at ", "\nlook at ").Replace(detail)
	for _, line := range strings.Split(detail, "\n") {
		for _, label := range []string{"expected ", "saw ", "look at "} {
			if rest, ok := strings.CutPrefix(line, label); ok {
				line = fmt.Sprintf("%-8s  %s", strings.TrimSpace(label), rest)
			}
		}
		u.printf("    %s\n", line)
	}
	u.printf("\n")
}

func (u *ui) renderGains(s styles, r spec.Result) {
	if len(r.Gains) == 0 {
		return
	}
	var rows [][]string
	for _, g := range r.Gains {
		if g.Verdict == spec.Skipped {
			rows = append(rows, []string{g.Name, s.verdict(g.Verdict).Render(string(g.Verdict)), "", "", "", "", figure(g.Floor), ""})
			continue
		}
		rounds := "counted"
		if g.Pairs > 0 {
			rounds = strconv.Itoa(g.Pairs) + " pairs"
		}
		rows = append(rows, []string{
			g.Name, s.verdict(g.Verdict).Render(string(g.Verdict)),
			quantity(g.Before, g.Unit), quantity(g.After, g.Unit),
			figure(g.Ratio), figure(g.Low) + " to " + figure(g.High), figure(g.Floor), rounds,
		})
	}
	heading := []string{"gain", "verdict", "before", "after", "times", "interval", "floor", "measured in"}
	u.printf("%s\n", table(heading, rows, s.faint, map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true}))
	for _, g := range r.Gains {
		if g.Verdict != spec.Pass {
			u.renderDetail(s, g.Name, g.Verdict, g.Detail)
		}
	}
}

func (u *ui) renderNumbers(s styles, r spec.Result) {
	if len(r.Reported) == 0 {
		return
	}
	var rows [][]string
	for _, n := range r.Reported {
		rows = append(rows, []string{n.Name, figure(n.Value), n.Unit})
	}
	u.printf("%s\n", table([]string{"reported", "value", "unit"}, rows, s.faint, map[int]bool{1: true}))
}

// figure writes a number with three significant digits, never as a power of ten.
func figure(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	if v == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', min(max(decimals, 0), 6), 64)
}

func quantity(v float64, unit string) string { return strings.TrimSpace(figure(v) + " " + unit) }
