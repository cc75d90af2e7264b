package course

import (
	"fmt"
	"strings"
)

// ReadmeTable returns the table of labs in README.md: those that are there, then those that
// are only planned.
func ReadmeTable(labs, planned Course) string {
	var b strings.Builder
	b.WriteString("| lab | what you do | time | there |\n| --- | --- | --- | --- |\n")
	for _, l := range labs {
		fmt.Fprintf(&b, "| [%s %s](%s/README.md) | %s | %d min | yes |\n", l.ID(), l.Title, l.Dir(), l.Summary, l.Minutes)
	}
	for _, l := range planned {
		fmt.Fprintf(&b, "| %s %s | %s | | planned |\n", l.ID(), l.Title, l.Summary)
	}
	return b.String()
}

// BudgetRows returns the labs' rows of the table in docs/budget.md.
func (c Course) BudgetRows() string {
	var b strings.Builder
	for _, l := range c {
		if l.Budget == (Budget{}) {
			continue
		}
		fmt.Fprintf(&b, "| %s %s | %s | %s | %s | %s |\n", l.ID(), l.Title, l.Budget.Service, l.Budget.PostgreSQL, l.Budget.AtOnce, l.Budget.Left)
	}
	return b.String()
}
