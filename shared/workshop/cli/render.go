package cli

import (
	"math"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"bytebites.example/workshop/shared/workshop/lab"
)

// verdictStyle is the emphasis of a verdict.
func (s styles) verdict(v lab.Verdict) lipgloss.Style {
	switch v {
	case lab.Pass:
		return s.good
	case lab.NotYet, lab.Environment:
		return s.bad
	case lab.Inconclusive:
		return s.doubt
	default:
		return s.faint
	}
}

// meaning explains a lab's verdict to somebody who meets it for the first time.
func meaning(v lab.Verdict) string {
	switch v {
	case lab.Pass:
		return "the code does what the lab asks"
	case lab.NotYet:
		return "the code does not do it yet"
	case lab.Inconclusive:
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

// wrap breaks a text between words into lines of at most that many columns. A word that
// is longer, such as a path, stays whole, and so does a percentage. The text's own line
// breaks are kept.
func wrap(text string, columns int) []string {
	const glue = "\x00"
	var lines []string
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n") {
		line := ""
		for _, word := range strings.Fields(strings.ReplaceAll(paragraph, " %", glue+"%")) {
			word = strings.ReplaceAll(word, glue, " ")
			switch {
			case line == "":
				line = word
			case lipgloss.Width(line)+1+lipgloss.Width(word) <= columns:
				line += " " + word
			default:
				lines = append(lines, line)
				line = word
			}
		}
		lines = append(lines, line)
	}
	return lines
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

// short is figure for running text: without zeros that align nothing.
func short(v float64) string {
	text := figure(v)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func quantity(v float64, unit string) string { return strings.TrimSpace(short(v) + " " + unit) }

// times writes a ratio, such as "3.9x".
func times(v float64) string { return short(v) + "x" }
