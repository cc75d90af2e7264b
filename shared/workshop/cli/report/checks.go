package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
)

// optionalVerdict is shown for an optional check that is not met.
const optionalVerdict = "open"

// checks returns the table of all checks. A check that passed may add what it saw.
func (s Sheet) checks(r lab.Result) string {
	checks := r.Checks
	if len(checks) == 0 {
		return ""
	}
	heading := []string{"", "check", "verdict", "time", "expected, and seen"}
	used := 2 + 1 + 2 + 2 + 2 + 2
	name, verdict, seconds := len(heading[1]), len(heading[2]), len(heading[3])
	for _, c := range checks {
		name = max(name, ansi.StringWidth(checkName(c)))
		verdict = max(verdict, len(c.Verdict))
		seconds = max(seconds, len(figure.Seconds(c.Seconds)))
	}
	const minText = 30 // a narrower text is hard to read, so the table becomes wider
	text := max(s.columns-used-name-verdict-seconds, minText)
	var rows [][]string
	for _, c := range checks {
		if c.Verdict == lab.NotReached {
			continue // told below the table
		}
		style := s.Verdict(c.Verdict)
		sign, verdict := s.signs[c.Verdict], string(c.Verdict)
		if isOptional(r, c) {
			style, sign, verdict = s.Faint, s.signs[lab.NotReached], optionalVerdict
		}
		row := []string{style.Render(sign), checkName(c), style.Render(verdict), figure.Seconds(c.Seconds), ""}
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
	return Table(heading, rows, s.Faint, map[int]bool{3: true}) + s.notReached(checks)
}

// notReached names the checks that could not be judged, in one line for each check or stage
// that blocks them.
func (s Sheet) notReached(checks []lab.CheckResult) string {
	var blockers []string
	blocked := make(map[string][]string)
	for _, c := range checks {
		if c.Verdict != lab.NotReached {
			continue
		}
		if blocked[c.Blocked] == nil {
			blockers = append(blockers, c.Blocked)
		}
		blocked[c.Blocked] = append(blocked[c.Blocked], checkName(c))
	}
	var b strings.Builder
	for _, blocker := range blockers {
		text := fmt.Sprintf("not reached, because %q did not pass: %s", blocker, strings.Join(blocked[blocker], ", "))
		mark := s.signs[lab.NotReached]
		for _, line := range wrap(text, s.columns-5) {
			fmt.Fprintf(&b, "  %s  %s\n", s.Verdict(lab.NotReached).Render(mark), line)
			mark = " "
		}
	}
	return b.String()
}

func checkName(c lab.CheckResult) string {
	if c.Kind == lab.Stretch {
		return c.Name + " (stretch)"
	}
	return c.Name
}

// Checks lists checks and gains of a lab step by step, with their needs. These may be others of the lab's listing all.
func (s Sheet) Checks(title string, chosen, all lab.Listing) string {
	chosen = slices.Clone(chosen)
	slices.SortStableFunc(chosen, func(a, b lab.Listed) int { return cmp.Compare(stepOrLast(a), stepOrLast(b)) })
	var rows [][]string
	for _, l := range chosen {
		step, kind := "", "gain"
		if l.Step > 0 {
			step, kind = strconv.Itoa(l.Step), string(l.Kind)
		}
		if l.Timed {
			kind += ", timed"
		}
		if l.Whole {
			kind += ", whole lab"
		}
		servers := "no"
		if l.Servers {
			servers = "yes"
		}
		rows = append(rows, []string{step, l.Name, kind, servers, strings.Join(all.DirectNeeds(l), ", ")})
	}
	return "\n" + s.heading(title, "") + "\n" + Table([]string{"step", "check", "kind", "servers", "needs"}, rows, s.Faint, map[int]bool{0: true})
}

// stepOrLast returns the step of a check. A gain comes after all steps.
func stepOrLast(l lab.Listed) int {
	if l.Step == 0 {
		return math.MaxInt
	}
	return l.Step
}
