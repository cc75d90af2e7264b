package report

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/lipgloss"
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
			lab.Pass: "✓", lab.NotYet: "✗", lab.Inconclusive: "?", lab.Environment: "!", lab.Skipped: "-",
		},
		axis: '·', mark: '│', low: '[', between: '═', ratio: '●', high: ']', pointer: '↑',
	}
}

func asciiMarks() marks {
	return marks{
		signs: map[lab.Verdict]string{
			lab.Pass: "+", lab.NotYet: "x", lab.Inconclusive: "?", lab.Environment: "!", lab.Skipped: "-",
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

// problems tells what did not pass, in the order of the run.
func (s Sheet) problems(r lab.Result) string {
	var blocks []string
	for _, c := range r.Checks {
		if c.Verdict != lab.Pass && c.Verdict != lab.Skipped && c.Detail != "" {
			blocks = append(blocks, s.problem(checkName(c), c.Verdict, c.Detail))
		}
	}
	for _, g := range r.Gains {
		if g.Verdict != lab.Pass && g.Verdict != lab.Skipped && g.Detail != "" {
			blocks = append(blocks, s.problem(g.Name, g.Verdict, g.Detail))
		}
	}
	return strings.Join(blocks, "\n")
}

func checkName(c lab.CheckResult) string {
	if c.Kind == lab.Stretch {
		return c.Name + " (stretch)"
	}
	return c.Name
}

// problem shows one problem, a lab.Failure in its three parts. What a compiler or a
// crash said stays in its own lines.
func (s Sheet) problem(name string, v lab.Verdict, detail string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %s\n", s.Verdict(v).Render(s.signs[v]+" "+string(v)+":"), s.Bold.Render(name))
	failure, ok := splitFailure(detail)
	if !ok {
		lines := strings.Split(strings.TrimSpace(detail), "\n")
		if len(lines) == 1 {
			lines = wrap(detail, s.columns-6)
		}
		for _, line := range lines {
			fmt.Fprintf(&b, "      %s\n", line)
		}
		return b.String()
	}
	const indent = 16
	for _, part := range []struct{ label, text string }{
		{"", failure.Where}, {"expected", failure.Expected}, {"saw", failure.Seen}, {"look at", failure.Look},
	} {
		if part.text == "" {
			continue
		}
		for i, line := range wrap(part.text, s.columns-indent) {
			label := part.label
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(&b, "      %s  %s\n", s.Faint.Render(fmt.Sprintf("%-8s", label)), line)
		}
	}
	return b.String()
}

// failureParts are the parts of the line that a lab.Failure makes of itself.
type failureParts struct {
	Where                string // what wrapped the failure says before it
	Expected, Seen, Look string
}

// splitFailure is the reverse of lab.Failure.Error.
func splitFailure(line string) (failureParts, bool) {
	var f failureParts
	rest, ok := strings.CutPrefix(line, "expected ")
	if !ok {
		if f.Where, rest, ok = strings.Cut(line, ": expected "); !ok {
			return failureParts{}, false
		}
	}
	if f.Expected, f.Seen, ok = strings.Cut(rest, "; saw "); !ok {
		return failureParts{}, false
	}
	// Where to look is said last, so what was seen may speak of looking too.
	if at := strings.LastIndex(f.Seen, "; look at "); at >= 0 {
		f.Seen, f.Look = f.Seen[:at], f.Seen[at+len("; look at "):]
	}
	return f, true
}

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

func inSeconds(v float64) string { return fmt.Sprintf("%.1f s", v) }

func (s Sheet) gains(gains []lab.GainResult) string {
	var b strings.Builder
	for i, g := range gains {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(s.gain(g))
	}
	return b.String()
}

// gain shows what a step bought: the figure with its interval, what it was made of, and
// both as a picture.
func (s Sheet) gain(g lab.GainResult) string {
	style := s.Verdict(g.Verdict)
	name := fmt.Sprintf("  %s %s   ", style.Render(s.signs[g.Verdict]), s.Bold.Render(g.Name))
	if !measured(g) {
		why := "not measured"
		if g.Verdict == lab.Skipped && g.Detail != "" {
			why = g.Detail
		}
		return name + strings.Join(wrap(why, s.columns-lipgloss.Width(name)), "\n      ") + "\n"
	}
	var b strings.Builder
	first := name + style.Render(times(g.Ratio))
	rest := fmt.Sprintf("(%s)   %s", basis(g), style.Render(string(g.Verdict)))
	if lipgloss.Width(first)+3+lipgloss.Width(rest) > s.columns {
		rest = "\n      " + rest
	} else {
		rest = "   " + rest
	}
	b.WriteString(first + rest + "\n")
	fmt.Fprintf(&b, "      %s before, %s after\n", quantity(g.Before, g.Unit), quantity(g.After, g.Unit))
	if g.Verdict == lab.Pass && g.Detail != "" {
		for _, line := range wrap(g.Detail, s.columns-6) {
			b.WriteString("      " + s.Faint.Render(line) + "\n")
		}
	}
	b.WriteString(s.picture(g))
	return b.String()
}

// measured reports whether anything came of measuring a gain.
func measured(g lab.GainResult) bool { return g.Ratio != 0 || g.Before != 0 || g.After != 0 }

// basis says what a gain's figure rests on.
func basis(g lab.GainResult) string {
	how := "counted"
	if g.Pairs > 0 {
		how = fmt.Sprintf("%s to %s, %d pairs", times(g.Low), times(g.High), g.Pairs)
	}
	return how + ", floor " + times(g.Floor)
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

// hostFacts says in a line or two what the run saw of the machine.
func (s Sheet) hostFacts(h lab.Host) string {
	var lines []string
	add := func(label, text string) {
		for i, line := range wrap(text, s.columns-10) {
			if i > 0 {
				label = ""
			}
			lines = append(lines, s.Faint.Render(fmt.Sprintf("  %-6s  %s", label, line))+"\n")
		}
	}
	if text := machineFacts(h); text != "" {
		add("host", text)
	}
	if text := quotaFacts(h.Quotas); text != "" {
		add("quotas", text)
	}
	return strings.Join(lines, "")
}

// machineFacts tells of the host. Where no load was sent, neither its idle share nor the
// generator's lateness was seen, and both are zero.
func machineFacts(h lab.Host) string {
	if h.CPUs == 0 {
		return ""
	}
	text := fmt.Sprintf("%d cores", h.CPUs)
	if h.CPUs == 1 {
		text = "1 core"
	}
	if h.IdleShare == 0 && h.GeneratorLatenessP99Seconds == 0 {
		return text
	}
	return fmt.Sprintf("%s, at least %.0f %% idle; load generator at most %s ms late (p99 of the worst round)",
		text, 100*h.IdleShare, short(1000*h.GeneratorLatenessP99Seconds))
}

// quotaFacts tells what each container was given, read back from the engine, and how
// much it was held back. Of several readings of one container the worst counts.
func quotaFacts(quotas []lab.Quota) string {
	type given struct {
		container string
		cpu       float64
	}
	worst := map[given]float64{}
	var order []given
	for _, q := range quotas {
		key := given{q.Container, q.CPU}
		share, seen := worst[key]
		if !seen {
			order = append(order, key)
		}
		worst[key] = max(share, q.ThrottledShare)
	}
	var texts []string
	explained := false
	for _, g := range order {
		if g.cpu == 0 {
			texts = append(texts, g.container+" no limit")
			continue
		}
		held := fmt.Sprintf("%.0f %%", 100*worst[g])
		if !explained {
			held, explained = "held back in "+held+" of its periods", true
		}
		texts = append(texts, fmt.Sprintf("%s %.3g CPU (%s)", g.container, g.cpu, held))
	}
	return strings.Join(texts, ", ")
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
