package report

import (
	"math"
	"testing"

	"github.com/charmbracelet/lipgloss"
)

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1.00", 0.5: "0.500", 1.25: "1.25", 99.96: "100.0", 812.4: "812", 123456: "123456",
		-3.14159: "-3.14", 0.000123456: "0.000123", 1e-9: "0.000000", math.Inf(1): "+Inf",
	} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v) = %q, want %q", v, got, want)
		}
	}
	if got := figure(math.NaN()); got != "NaN" {
		t.Errorf("figure(NaN) = %q", got)
	}
}

func TestTable(t *testing.T) {
	got := Table([]string{"check", "s"}, [][]string{{"é", "1"}, {"longer", "22"}}, lipgloss.NewStyle(), map[int]bool{1: true})
	const want = "  check    s\n  é        1\n  longer  22\n"
	if got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}
