package report

import (
	"fmt"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/lab"
)

// problems lists the checks and gains that did not pass, in the order of the run.
func (s Sheet) problems(r lab.Result) string {
	var blocks []string
	add := func(name string, v lab.Verdict, f *lab.Failure, d *lab.Doubt, detail string) {
		if v != lab.Pass && v != lab.NotReached && detail != "" {
			blocks = append(blocks, fmt.Sprintf("  %s %s\n%s",
				s.Verdict(v).Render(s.signs[v]+" "+string(v)+":"), s.Bold.Render(name), s.problem(f, d, detail)))
		}
	}
	for _, c := range r.Checks {
		if !isOptional(r, c) {
			add(checkName(c), c.Verdict, c.Failure, c.Doubt, c.Detail)
		}
	}
	for _, g := range r.Gains {
		add(g.Name, g.Verdict, g.Failure, g.Doubt, g.Detail)
	}
	return strings.Join(blocks, "\n")
}

// isOptional reports whether a check that is not met has no say in the verdict: it belongs to a
// deep dive, and the run did not ask for it by name.
func isOptional(r lab.Result, c lab.CheckResult) bool {
	return c.Kind == lab.Stretch && c.Verdict == lab.NotYet && r.Only != c.Name && !slices.Contains(r.Names, c.Name)
}

// optional names the optional checks that are not met, and how to see more of one.
func (s Sheet) optional(r lab.Result) string {
	names := optionalNames(r)
	if len(names) == 0 {
		return ""
	}
	text := "Optional (deep dives), not done: " + strings.Join(names, ", ") + ". Each alone: --only '" + names[0] + "'"
	return s.Faint.Render(strings.Join(wrap(text, s.columns), "\n")) + "\n"
}

// optionalNames lists the optional checks that are not met.
func optionalNames(r lab.Result) (names []string) {
	for _, c := range r.Checks {
		if isOptional(r, c) {
			names = append(names, c.Name)
		}
	}
	return names
}

// problem shows the parts of a failure or of a doubt. Any other detail, such as a compiler's
// output, keeps its lines.
func (s Sheet) problem(f *lab.Failure, d *lab.Doubt, detail string) string {
	switch {
	case f != nil:
		return s.labelled(failureParts(f))
	case d != nil:
		return s.labelled(doubtParts(d))
	}
	lines := strings.Split(strings.TrimSpace(detail), "\n")
	if len(lines) == 1 {
		lines = wrap(detail, s.columns-6)
	}
	return "      " + strings.Join(lines, "\n      ") + "\n"
}

type labelledText struct{ label, text string }

func failureParts(f *lab.Failure) []labelledText {
	return []labelledText{{"", f.Where}, {"expected", f.Expected}, {"saw", f.Seen}, {"look at", f.Look.String()}}
}

func doubtParts(d *lab.Doubt) []labelledText {
	return []labelledText{{"because", d.Reason}, {"to do", d.Remedy}}
}

func (s Sheet) labelled(parts []labelledText) string {
	const indent = 16
	var b strings.Builder
	for _, part := range parts {
		if part.text == "" {
			continue
		}
		label := part.label
		for _, line := range wrap(part.text, s.columns-indent) {
			fmt.Fprintf(&b, "      %s  %s\n", s.Faint.Render(fmt.Sprintf("%-8s", label)), line)
			label = ""
		}
	}
	return b.String()
}
