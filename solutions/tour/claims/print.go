package claims

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// TableWidth is the width of the table, in columns of a terminal.
const TableWidth = 100

// ClaimWidth and StoryWidth bound the cells that are texts, in characters, so that the table keeps its width.
const (
	ClaimWidth = 21
	StoryWidth = 13
)

// Heads are the heads of the table's columns.
func Heads() []string {
	return []string{"lab", "claim", "the story", "before", "after", "change", "verdict"}
}

// Cells returns the row's cells, one for each head.
func (r Row) Cells() []string {
	change := r.Change
	if change == "" {
		change = "-"
	}
	return []string{r.Lab, r.Claim, r.Story, r.Before.String(), r.After.String(), change, string(r.Verdict)}
}

// Table returns the text of the table.
func (s *Story) Table() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(Heads(), "\t"))
	for _, row := range s.Rows {
		fmt.Fprintln(w, strings.Join(row.Cells(), "\t"))
	}
	_ = w.Flush() // into memory, which does not fail
	return text.String()
}

// Print prints the table, and then what each row rests on.
func (s *Story) Print(out io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "\nThe story of ByteBites, and what this machine measured just now\n\n%s\n", s.Table())
	text.WriteString("What the rows rest on\n")
	for _, row := range s.Rows {
		row.print(&text)
	}
	fmt.Fprintf(&text, "\nThe tour took %.0f s on %d cores. Each row is one round: it shows the story, and does not judge code.\n", s.Seconds, s.CPUs)
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print tour: %w", err)
	}
	return nil
}

// print prints what a row rests on.
func (r Row) print(text *strings.Builder) {
	fmt.Fprintf(text, "\n  lab %s, %s: %s\n", r.Lab, r.Claim, r.Verdict)
	for _, line := range append([]string{"Load: " + r.Under + "."}, r.Details...) {
		text.WriteString(wrapped(line))
	}
	for _, reason := range brief(r.Reasons) {
		text.WriteString(wrapped("Why not: " + reason + "."))
	}
	if len(r.Quotas) > 0 {
		var all []string
		for _, q := range r.Quotas {
			all = append(all, fmt.Sprintf("%s %s (%.2g CPU, throttled in %.0f %% of the periods)", q.Container, q.Type, q.CPU, 100*q.ThrottledShare))
		}
		text.WriteString(wrapped("Machines: " + strings.Join(all, "; ") + "."))
	}
}

// maxReasons is how many reasons of a row are printed.
const maxReasons = 3

// brief returns the first reason of each kind. Reasons of one kind differ in the numbers behind their
// last colon. What is left out is in the JSON.
func brief(reasons []string) []string {
	var short []string
	seen := make(map[string]bool)
	left := 0
	for _, reason := range reasons {
		kind := reason[:max(strings.LastIndex(reason, ": "), 0)]
		switch {
		case seen[kind] && kind != "":
		case len(short) == maxReasons:
			left++
		default:
			short = append(short, reason)
		}
		seen[kind] = true
	}
	if left > 0 {
		short[maxReasons-1] += fmt.Sprintf("; and %d more", left)
	}
	return short
}

// wrapped breaks a line between words, so that it fits the table's width, and indents it.
func wrapped(line string) string {
	const indent = "    "
	var text strings.Builder
	column := TableWidth // so that the first word begins a line
	for word := range strings.FieldsSeq(line) {
		if column+1+len(word) > TableWidth {
			if text.Len() > 0 {
				text.WriteString("\n")
			}
			text.WriteString(indent)
			column = len(indent)
		} else {
			text.WriteString(" ")
			column++
		}
		text.WriteString(word)
		column += len(word)
	}
	return text.String() + "\n"
}
