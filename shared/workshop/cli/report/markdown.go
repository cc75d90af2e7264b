package report

import (
	"fmt"
	"strings"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Markdown returns a result as Markdown: a table of the checks, one of the gains and one of
// the figures. A table without rows is left out. The note is the first of the facts below the
// title, unless it is empty.
func Markdown(title, note string, r lab.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n", markdownText(title), r.Verdict)
	facts := []string{note, strings.Trim(took(r), " ()"), waitedFor(r), machineFacts(r.Host), quotaFacts(r.Host.Quotas)}
	var said []string
	for _, fact := range facts {
		if fact != "" {
			said = append(said, fact)
		}
	}
	fmt.Fprintf(&b, "%s.\n", markdownText(strings.Join(said, "; ")))

	var checks [][]string
	for _, c := range r.Checks {
		checks = append(checks, []string{checkName(c), string(c.Verdict), c.Proves, c.Detail, figure.Seconds(c.Seconds)})
	}
	b.WriteString(markdownTable([]string{"check", "verdict", "expected", "seen", "time"}, "llllr", checks))

	var gains [][]string
	for _, g := range r.Gains {
		row := []string{g.Name, string(g.Verdict), "", "", figure.Times(g.Floor), "", "", g.Detail}
		if measured(g) {
			row[2], row[3] = figure.Times(g.Ratio), "counted"
			if g.Pairs > 0 {
				row[3] = fmt.Sprintf("%s to %s (%d pairs)", figure.Times(g.Low), figure.Times(g.High), g.Pairs)
			}
			row[5], row[6] = figure.Quantity(g.Before, g.Unit), figure.Quantity(g.After, g.Unit)
		}
		gains = append(gains, row)
	}
	b.WriteString(markdownTable([]string{"gain", "verdict", "times", "interval", "floor", "before", "after", "seen"}, "llrlrrrl", gains))

	var prices [][]string
	for _, g := range r.Gains {
		for _, side := range costs(g) {
			prices = append(prices, []string{
				g.Name, side.name, side.Machines, dollars(side.Hour), figure.Short(side.Rate), dollars(side.Million),
			})
		}
	}
	b.WriteString(markdownTable([]string{"cost of", "side", "machines", "an hour", "answers/s", "a million answers"}, "lllrrr", prices))

	var numbers [][]string
	for _, n := range r.Reported {
		numbers = append(numbers, []string{n.Name, figure.Quantity(n.Value, n.Unit)})
	}
	b.WriteString(markdownTable([]string{"reported", "value"}, "lr", numbers))
	return b.String()
}

// markdownTable returns a table after an empty line, or nothing for no rows. Align has an l or
// an r for each column. A column that is empty in every row is left out.
func markdownTable(heading []string, align string, rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	var columns []int
	for i := range heading {
		for _, row := range rows {
			if row[i] != "" {
				columns = append(columns, i)
				break
			}
		}
	}
	var b strings.Builder
	line := func(cell func(column int) string) {
		b.WriteString("|")
		for _, i := range columns {
			b.WriteString(" " + cell(i) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	line(func(i int) string { return heading[i] })
	line(func(i int) string {
		if align[i] == 'r' {
			return "---:"
		}
		return "---"
	})
	for _, row := range rows {
		line(func(i int) string { return markdownText(row[i]) })
	}
	return b.String()
}

// markdownText returns a text as one line, in which the characters that Markdown interprets are
// escaped.
func markdownText(text string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", " / ")), " ")
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_[]<>|#~", r) {
			b.WriteRune('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
