package report

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"bytebites.example/workshop/shared/workshop/lab"
)

// The columns that a report is laid out for. Where nobody can say how many there are, it
// takes the fewest: they fit a mail, an issue and the log of a CI run.
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

// marks are the characters of a report that not every terminal has.
type marks struct {
	signs map[lab.Verdict]string
	// A gain's picture: the axis, a value marked on it, the interval with its likeliest
	// value, and what points at a marked value from the line below.
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

// isUTF8 reports whether the locale's characters are UTF-8, by the first of the
// variables that is set, as POSIX orders them. No locale is the C locale, which is ASCII.
func isUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}

// Report returns a result as terminal text: first the problems, then every check, every gain
// and every figure, last the verdict. A note that is not empty becomes the line below the title.
func (s Sheet) Report(title, note string, r lab.Result) string {
	parts := []string{
		s.heading(title, note), s.problems(r), s.checks(r.Checks), s.gains(r.Gains),
		s.numbers(r.Reported), s.hostFacts(r.Host), s.closing(r),
	}
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
		text += s.Faint.Render(note) + "\n"
	}
	return text
}

func (s Sheet) numbers(numbers []lab.Number) string {
	if len(numbers) == 0 {
		return ""
	}
	var rows [][]string
	for _, n := range numbers {
		rows = append(rows, []string{n.Name, figure(n.Value), n.Unit})
	}
	return Table([]string{"reported", "value", "unit"}, rows, s.Faint, map[int]bool{1: true})
}

// closing is the verdict and what is left to do.
func (s Sheet) closing(r lab.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%s)\n", s.Verdict(r.Verdict).Render(strings.ToUpper(string(r.Verdict))), meaning(r.Verdict), inSeconds(r.Seconds))
	for i, todo := range r.Todos {
		if i == 0 && r.Verdict == lab.Pass {
			b.WriteString("Passed with a mark left; take it out, so that `go test ./...` runs the lab:\n")
		} else if i == 0 {
			b.WriteString("Still marked as work:\n")
		}
		b.WriteString("  " + todo + "\n")
	}
	if r.Evidence != "" {
		b.WriteString("What the run left for you to read: " + r.Evidence + "\n")
	}
	return b.String()
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
