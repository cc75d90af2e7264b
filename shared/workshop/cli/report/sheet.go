package report

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
)

// The width of a report in terminal cells. If the output is not a terminal, the report is
// minColumns wide, which fits a mail, an issue and the log of a CI run.
const (
	minColumns = 80
	maxColumns = 100
)

// Sheet is the terminal that a report is written for: its styles, its characters, its width.
type Sheet struct {
	Styles
	marks
	columns int
}

// marks are the characters of a report that differ between Unicode and ASCII terminals.
type marks struct {
	signs map[lab.Verdict]string
	// The characters of a gain's picture: the axis, the mark of a value, the interval with its
	// estimate, and the pointer to a mark.
	axis, mark, low, between, ratio, high, pointer rune
}

func unicodeMarks() marks {
	return marks{
		signs: map[lab.Verdict]string{
			lab.Pass: "✓", lab.NotYet: "✗", lab.Inconclusive: "?", lab.Environment: "!", lab.NotReached: "-",
		},
		axis: '·', mark: '│', low: '[', between: '═', ratio: '●', high: ']', pointer: '↑',
	}
}

func asciiMarks() marks {
	return marks{
		signs: map[lab.Verdict]string{
			lab.Pass: "+", lab.NotYet: "x", lab.Inconclusive: "?", lab.Environment: "!", lab.NotReached: "-",
		},
		axis: '.', mark: '|', low: '[', between: '=', ratio: 'o', high: ']', pointer: '^',
	}
}

// NewSheet returns the sheet for reports on w. The styles decide on the colours, the locale
// in the environment decides on the characters.
func NewSheet(w io.Writer, styles Styles, getenv func(string) string) Sheet {
	s := Sheet{Styles: styles, marks: asciiMarks(), columns: minColumns}
	if isUTF8(getenv) {
		s.marks = unicodeMarks()
	}
	if file, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
			s.columns = min(max(columns, minColumns), maxColumns)
		}
	}
	return s
}

// isUTF8 reports whether the locale's characters are UTF-8. The first variable that is set
// decides, in the order of POSIX. Without a locale the C locale holds, which is ASCII.
func isUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}

// Report returns a result as terminal text: first the problems, then every check, every gain
// and every figure, then optional work, last the verdict. A note that is not empty becomes the line below the title.
func (s Sheet) Report(title, note string, r lab.Result) string {
	return joined(s.heading(title, note), s.problems(r), s.checks(r), s.gains(r.Gains),
		s.numbers(r.Reported), s.hostFacts(r.Host), s.optional(r), s.closing(r))
}

// Ended returns the checks of a run that had ended before the run was interrupted.
func (s Sheet) Ended(title string, r lab.Result) string {
	return joined(s.heading(title, ""), s.problems(r), s.checks(r))
}

// joined returns the parts that are not empty, each below an empty line.
func joined(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part != "" {
			b.WriteString("\n" + part)
		}
	}
	return b.String()
}

func (s Sheet) heading(title, note string) string {
	text := s.Bold.Render(title) + "\n"
	if note != "" {
		for _, line := range wrap(note, s.columns) {
			text += s.Faint.Render(line) + "\n"
		}
	}
	return text
}

func (s Sheet) numbers(numbers []lab.Number) string {
	if len(numbers) == 0 {
		return ""
	}
	var rows [][]string
	for _, n := range numbers {
		rows = append(rows, []string{n.Name, figure.Fixed(n.Value), n.Unit})
	}
	return Table([]string{"reported", "value", "unit"}, rows, s.Faint, map[int]bool{1: true})
}

// closing returns the verdict, the TODO marks that are left, and the place of the evidence.
func (s Sheet) closing(r lab.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s%s\n", s.Verdict(r.Verdict).Render(strings.ToUpper(string(r.Verdict))), r.Meaning(), took(r))
	if waited := waitedFor(r); waited != "" {
		b.WriteString(s.Faint.Render("      "+waited) + "\n")
	}
	for i, todo := range r.TodosLeft() {
		switch {
		case i > 0:
		case r.Verdict != lab.Pass:
			b.WriteString("TODO marks left:\n")
		case r.Step != 0:
			b.WriteString("Passed, but a TODO mark of this step is left. Do what it says, or remove it if that is done:\n")
		default:
			b.WriteString("Passed, but a TODO mark is left. Remove it, or `go test ./...` skips the lab:\n")
		}
		b.WriteString("  " + todo + "\n")
	}
	if r.Evidence != "" {
		b.WriteString("Files of this run: " + r.Evidence + "\n")
	}
	return b.String()
}
