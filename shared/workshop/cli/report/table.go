package report

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// Table lays out rows under a heading and keeps the colours of cells. A column is as wide as its
// widest cell. The columns in right are aligned to the right. A cell is one line.
func Table(heading []string, rows [][]string, head lipgloss.Style, right map[int]bool) string {
	width := make([]int, len(heading))
	for _, row := range append([][]string{heading}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], ansi.StringWidth(cell))
		}
	}
	var b strings.Builder
	line := func(row []string, style *lipgloss.Style) {
		var cells []string
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-ansi.StringWidth(cell))
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

// wrap breaks a text between words into lines of at most that many columns. A longer word, such
// as a path, stays whole, and so does a percentage. The line breaks of the text are kept.
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
			case ansi.StringWidth(line)+1+ansi.StringWidth(word) <= columns:
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
