package report

import (
	"fmt"
	"strings"

	"bytebites.example/workshop/shared/workshop/lab"
)

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
