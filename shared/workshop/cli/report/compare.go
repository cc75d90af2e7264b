package report

import (
	"fmt"
	"strings"

	"bytebites.example/workshop/shared/workshop/compare"
	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/page"
	"bytebites.example/workshop/shared/workshop/page/plot"
)

// Side names one result of a comparison.
type Side struct {
	File string
	Note string // when and on which commit it was made; may be empty
}

const comparisonTitle = "Comparison of two results"

// describe writes a side with the verdict of its result.
func (s Side) describe(r lab.Result) string {
	text := fmt.Sprintf("%s: lab %s, %s", s.File, r.Lab, r.Verdict)
	if s.Note != "" {
		text += ", " + s.Note
	}
	return text
}

// made returns when it was made, for a column of that name.
func (s Side) made() string { return strings.TrimPrefix(s.Note, "made ") }

// Comparison returns a comparison as terminal text.
func (s Sheet) Comparison(a, b Side, c compare.Comparison) string {
	parts := []string{s.heading(comparisonTitle, ""), s.sides(a.describe(c.A), b.describe(c.B)), s.warnings(c.Warnings)}
	if rows := gainRows(c); len(rows) > 0 {
		parts = append(parts, Table(gainHeading, rows, s.Faint, map[int]bool{3: true}))
	}
	if rows := figureRows(c.Figures); len(rows) > 0 {
		parts = append(parts, Table(figureHeading, rows, s.Faint, map[int]bool{1: true, 2: true, 4: true}))
	}
	if rows := checkRows(c); len(rows) > 0 {
		parts = append(parts, Table(checkHeading, rows, s.Faint, nil))
	}
	return apart(append(parts, s.lines(remarks(c))))
}

// apart joins the parts of a comparison with an empty line before each.
func apart(parts []string) string {
	var text strings.Builder
	for _, part := range parts {
		if part != "" {
			text.WriteString("\n" + part)
		}
	}
	return text.String()
}

// lines returns lines that are wrapped.
func (s Sheet) lines(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.Join(wrap(line, s.columns-2), "\n  ") + "\n")
	}
	return text.String()
}

func (s Sheet) sides(a, b string) string {
	var text strings.Builder
	for _, side := range []labelledText{{"A", a}, {"B", b}} {
		fmt.Fprintf(&text, "  %s  %s\n", s.Bold.Render(side.label), strings.Join(wrap(side.text, s.columns-5), "\n     "))
	}
	return text.String()
}

func (s Sheet) warnings(warnings []string) string {
	var text strings.Builder
	for _, w := range warnings {
		fmt.Fprintf(&text, "  %s %s\n", s.Doubt.Render("Careful:"), strings.Join(wrap(w, s.columns-11), "\n           "))
	}
	return text.String()
}

var (
	gainHeading   = []string{"gain", "A", "B", "B / A", "it says"}
	figureHeading = []string{"figure", "A", "B", "unit", "B / A"}
	checkHeading  = []string{"check that changed", "A", "B"}
)

func gainRows(c compare.Comparison) (rows [][]string) {
	for _, g := range c.Gains {
		rows = append(rows, []string{g.Name, gainText(g.A), gainText(g.B), ratioText(g.Ratio), says(g)})
	}
	return rows
}

// gainText writes a gain with its interval and its verdict.
func gainText(g lab.GainResult) string {
	switch {
	case !measured(g):
		return "not measured"
	case g.Pairs > 0:
		return fmt.Sprintf("%s (%s to %s), %s", figure.Times(g.Ratio), figure.Times(g.Low), figure.Times(g.High), g.Verdict)
	default:
		return fmt.Sprintf("%s counted, %s", figure.Times(g.Ratio), g.Verdict)
	}
}

func ratioText(ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return figure.Times(ratio)
}

// says returns the conclusion from two intervals.
func says(g compare.Gain) string {
	switch {
	case g.Ratio == 0:
		return ""
	case g.Apart && g.Ratio > 1:
		return "B gains more"
	case g.Apart:
		return "B gains less"
	case g.A.Pairs == 0 && g.B.Pairs == 0:
		return "equal"
	default:
		return "the intervals overlap"
	}
}

func figureRows(figures []compare.Figure) (rows [][]string) {
	for _, f := range figures {
		rows = append(rows, []string{f.Name, figure.Fixed(f.A), figure.Fixed(f.B), f.Unit, ratioText(f.Ratio)})
	}
	return rows
}

func checkRows(c compare.Comparison) (rows [][]string) {
	for _, check := range c.Changed {
		rows = append(rows, []string{check.Name, string(check.A), string(check.B)})
	}
	return rows
}

// remarks are the lines below the tables.
func remarks(c compare.Comparison) (lines []string) {
	switch {
	case len(c.Changed) == 0 && c.Same > 0:
		lines = append(lines, fmt.Sprintf("Checks with the same verdict in both: all %d.", c.Same))
	case c.Same > 0:
		lines = append(lines, fmt.Sprintf("Checks with the same verdict in both: %d.", c.Same))
	}
	lines = append(lines, onlyIn(c.Common)...)
	if len(c.Gains)+len(c.Figures)+len(c.Changed)+c.Same == 0 {
		lines = append(lines, "The two have nothing in common.")
	}
	return lines
}

// onlyIn names what only one side has.
func onlyIn(c compare.Common) (lines []string) {
	if len(c.OnlyA) > 0 {
		lines = append(lines, "Only in A: "+strings.Join(c.OnlyA, "; ")+".")
	}
	if len(c.OnlyB) > 0 {
		lines = append(lines, "Only in B: "+strings.Join(c.OnlyB, "; ")+".")
	}
	return lines
}

// ComparisonPage returns a comparison as a page.
func ComparisonPage(a, b Side, c compare.Comparison) page.Page {
	sides := page.Table{Columns: []page.Column{{Name: "result"}, {Name: "file"}, {Name: "lab"}, {Name: "verdict"}, {Name: "made"}}}
	for _, side := range []struct {
		name string
		Side
		r lab.Result
	}{{"A", a, c.A}, {"B", b, c.B}} {
		sides.Rows = append(sides.Rows, []page.Cell{
			{Text: side.name}, {Text: side.File}, {Text: side.r.Lab}, {Text: string(side.r.Verdict), Tone: tone(side.r.Verdict)}, {Text: side.made()},
		})
	}
	var gains []page.Gain
	for _, g := range c.Gains {
		p := page.Gain{Name: g.Name, Text: []string{"A: " + gainText(g.A) + ".", "B: " + gainText(g.B) + "."}}
		if g.Ratio != 0 {
			p.Text = append(p.Text, fmt.Sprintf("B's gain is %s A's: %s.", figure.Times(g.Ratio), says(g)))
			p.Estimates = []plot.Estimate{{Name: "A", Low: g.A.Low, Value: g.A.Ratio, High: g.A.High}, {Name: "B", Low: g.B.Low, Value: g.B.Ratio, High: g.B.High}}
			if g.A.Floor == g.B.Floor {
				p.Floor = g.A.Floor
			}
		}
		gains = append(gains, p)
	}
	return page.Page{Title: comparisonTitle, Sections: []page.Section{
		{Title: "The results", Tables: []page.Table{sides}, Warnings: c.Warnings},
		{Title: "Gains", Gains: gains},
		{Title: "Charts", Charts: c.Charts},
		{Title: "Figures", Tables: tableOf(figureHeading, figureRows(c.Figures), 1, 2, 4)},
		{Title: "Checks", Tables: tableOf(checkHeading, checkRows(c))},
		{Title: "The rest", Text: remarks(c)},
		{Title: "The machines", Tables: hostsOf(c.A.Host, c.B.Host)},
	}}
}

// hostsOf puts two machines side by side. It returns no table if nothing is known of them.
func hostsOf(a, b lab.Host) []page.Table {
	hosts := page.Table{Columns: []page.Column{{Name: "what"}, {Name: "A"}, {Name: "B"}}}
	inB := make(map[string]string)
	for _, fact := range hostTable(b) {
		inB[fact.label] = fact.text
	}
	for _, fact := range hostTable(a) {
		hosts.Rows = append(hosts.Rows, []page.Cell{{Text: fact.label}, {Text: fact.text}, {Text: inB[fact.label]}})
		delete(inB, fact.label)
	}
	for _, fact := range hostTable(b) {
		if text, only := inB[fact.label]; only {
			hosts.Rows = append(hosts.Rows, []page.Cell{{Text: fact.label}, {}, {Text: text}})
		}
	}
	if len(hosts.Rows) == 0 {
		return nil
	}
	return []page.Table{hosts}
}

// tableOf returns rows of text as a table of a page, and nothing for no rows. The named columns
// hold numbers.
func tableOf(heading []string, rows [][]string, numbers ...int) []page.Table {
	if len(rows) == 0 {
		return nil
	}
	var t page.Table
	for _, name := range heading {
		t.Columns = append(t.Columns, page.Column{Name: name})
	}
	for _, i := range numbers {
		t.Columns[i].Number = true
	}
	for _, row := range rows {
		cells := make([]page.Cell, len(row))
		for i, text := range row {
			cells[i].Text = text
		}
		t.Rows = append(t.Rows, cells)
	}
	return []page.Table{t}
}
