package report

import (
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"bytebites.example/workshop/shared/workshop/lab"
)

// Styles are the kinds of emphasis that output has. Without colour they change nothing.
type Styles struct {
	Plain, Bold, Faint, Good, Bad, Doubt lipgloss.Style
}

// NewStyles returns the styles for output on w.
func NewStyles(w io.Writer, color bool) Styles {
	renderer := lipgloss.NewRenderer(w)
	plain := renderer.NewStyle()
	if !color {
		renderer.SetColorProfile(termenv.Ascii)
		return Styles{plain, plain, plain, plain, plain, plain}
	}
	return Styles{
		Plain: plain,
		Bold:  plain.Bold(true),
		Faint: plain.Faint(true),
		Good:  plain.Bold(true).Foreground(lipgloss.Color("2")),
		Bad:   plain.Bold(true).Foreground(lipgloss.Color("1")),
		Doubt: plain.Bold(true).Foreground(lipgloss.Color("3")),
	}
}

// Verdict returns the emphasis of a verdict.
func (s Styles) Verdict(v lab.Verdict) lipgloss.Style {
	switch v {
	case lab.Pass:
		return s.Good
	case lab.NotYet, lab.Environment:
		return s.Bad
	case lab.Inconclusive:
		return s.Doubt
	default:
		return s.Faint
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

// Table lays out rows under a heading, columns as wide as their widest cell, and keeps
// the colours of cells. Columns named in right are aligned to the right.
func Table(heading []string, rows [][]string, head lipgloss.Style, right map[int]bool) string {
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
