package report

import (
	"io"

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
