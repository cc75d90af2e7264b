package report

import (
	"strings"

	"github.com/charmbracelet/lipgloss"

	"bytebites.example/workshop/shared/workshop/lab"
)

// checks is the table of all checks: what was expected, and what was seen where a check
// that passed says so.
func (s Sheet) checks(checks []lab.CheckResult) string {
	if len(checks) == 0 {
		return ""
	}
	heading := []string{"", "check", "verdict", "time", "expected, and seen"}
	used := 2 + 1 + 2 + 2 + 2 + 2
	name, verdict, seconds := len(heading[1]), len(heading[2]), len(heading[3])
	for _, c := range checks {
		name = max(name, lipgloss.Width(checkName(c)))
		verdict = max(verdict, len(c.Verdict))
		seconds = max(seconds, len(inSeconds(c.Seconds)))
	}
	const minText = 30 // rather than squeeze the text, be wider
	text := max(s.columns-used-name-verdict-seconds, minText)
	var rows [][]string
	for _, c := range checks {
		style := s.Verdict(c.Verdict)
		row := []string{style.Render(s.signs[c.Verdict]), checkName(c), style.Render(string(c.Verdict)), inSeconds(c.Seconds), ""}
		lines := wrap(c.Proves, text)
		if c.Verdict == lab.Pass && c.Detail != "" {
			for _, line := range wrap("saw "+strings.TrimPrefix(c.Detail, "saw "), text) {
				lines = append(lines, s.Faint.Render(line))
			}
		}
		for _, line := range lines {
			row[4] = line
			rows = append(rows, row)
			row = make([]string, len(heading))
		}
	}
	return Table(heading, rows, s.Faint, map[int]bool{3: true})
}

func checkName(c lab.CheckResult) string {
	if c.Kind == lab.Stretch {
		return c.Name + " (stretch)"
	}
	return c.Name
}
