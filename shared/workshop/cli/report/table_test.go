package report

import (
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

func TestTable(t *testing.T) {
	got := Table([]string{"check", "s"}, [][]string{{"é", "1"}, {"longer", "22"}}, lipgloss.NewStyle(), map[int]bool{1: true})
	const want = "  check    s\n  é        1\n  longer  22\n"
	if got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

// A terminal shows a wide character in two cells and a combining character in none. The columns
// of a table and the lines of a text must fit by cells.
func TestTextIsCountedInCells(t *testing.T) {
	got := Table([]string{"name", "n"}, [][]string{{"晩ご飯", "1"}, {"🍲 soup", "22"}, {"cafe\u0301", "3"}, {"👩‍🍳", "4"}}, lipgloss.NewStyle(), map[int]bool{1: true})
	const want = "  name      n\n  晩ご飯    1\n  🍲 soup  22\n  cafe\u0301      3\n  👩‍🍳        4\n"
	if got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
	for line := range strings.Lines(got) {
		if cells := ansi.StringWidth(strings.TrimSuffix(line, "\n")); cells != 13 {
			t.Errorf("%d cells, want 13: %q", cells, line)
		}
	}
	for text, want := range map[string]string{
		"晩ご飯 晩":          "晩ご飯|晩",          // 9 cells, 5 runes
		"cafe\u0301 aux": "cafe\u0301 aux", // 8 cells, 9 runes
		"🍲 🍲 🍲 🍲":        "🍲 🍲 🍲|🍲",        // 11 cells, 7 runes
	} {
		if got := strings.Join(wrap(text, 8), "|"); got != want {
			t.Errorf("wrap(%q) = %q, want %q", text, got, want)
		}
	}
}
