package report

import (
	"fmt"

	"bytebites.example/workshop/shared/workshop/compare"
	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/page"
)

const tourComparisonTitle = "Comparison of two tours"

// describeTour writes a side with what its tour has.
func (s Side) describeTour(t compare.Tour) string {
	text := s.File + ": tour, " + claimsOf(t)
	if s.Note != "" {
		text += ", " + s.Note
	}
	return text
}

func claimsOf(t compare.Tour) string {
	if len(t.Rows) == 1 {
		return "1 claim"
	}
	return fmt.Sprintf("%d claims", len(t.Rows))
}

// TourComparison returns a comparison of two tours as terminal text.
func (s Sheet) TourComparison(a, b Side, c compare.TourComparison) string {
	parts := []string{s.heading(tourComparisonTitle, ""), s.sides(a.describeTour(c.A), b.describeTour(c.B)), s.warnings(c.Warnings)}
	if rows := claimRows(c); len(rows) > 0 {
		parts = append(parts, Table(claimHeading, rows, s.Faint, map[int]bool{3: true}))
	}
	if rows := figureRows(c.Figures); len(rows) > 0 {
		parts = append(parts, Table(figureHeading, rows, s.Faint, map[int]bool{1: true, 2: true, 4: true}))
	}
	return apart(append(parts, s.lines(tourRemarks(c))))
}

var claimHeading = []string{"claim", "ratio A", "ratio B", "B / A"}

func claimRows(c compare.TourComparison) (rows [][]string) {
	for _, claim := range c.Claims {
		rows = append(rows, []string{claim.A.Title(), claimText(claim.A), claimText(claim.B), ratioText(claim.Ratio)})
	}
	return rows
}

// claimText writes the ratio of a claim and its verdict. Some claims have no ratio, such as a count of lost
// orders.
func claimText(r compare.Row) string {
	if r.Ratio == 0 {
		return r.Verdict
	}
	return figure.Times(r.Ratio) + ", " + r.Verdict
}

// tourRemarks are the lines below the tables.
func tourRemarks(c compare.TourComparison) (lines []string) {
	switch {
	case len(c.Claims) == 0:
		lines = append(lines, "The two have nothing in common.")
	case c.Same == len(c.Claims):
		lines = append(lines, fmt.Sprintf("Claims with the same verdict in both: all %d.", c.Same))
	default:
		lines = append(lines, fmt.Sprintf("Claims with the same verdict in both: %d of %d.", c.Same, len(c.Claims)))
	}
	lines = append(lines, onlyIn(c.Common)...)
	if len(c.Claims) > 0 {
		lines = append(lines, "Each claim of a tour is one round without an interval, so a difference between two tours proves nothing. The gains of check NN have intervals.")
	}
	return lines
}

// TourComparisonPage returns a comparison of two tours as a page.
func TourComparisonPage(a, b Side, c compare.TourComparison) page.Page {
	sides := page.Table{Columns: []page.Column{{Name: "tour"}, {Name: "file"}, {Name: "claims", Number: true}, {Name: "made"}}}
	for _, side := range []struct {
		name string
		Side
		t compare.Tour
	}{{"A", a, c.A}, {"B", b, c.B}} {
		sides.Rows = append(sides.Rows, []page.Cell{{Text: side.name}, {Text: side.File}, {Text: fmt.Sprint(len(side.t.Rows))}, {Text: side.made()}})
	}
	return page.Page{Title: tourComparisonTitle, Sections: []page.Section{
		{Title: "The tours", Tables: []page.Table{sides}, Warnings: c.Warnings},
		{Title: "Claims", Tables: tableOf(claimHeading, claimRows(c), 3)},
		{Title: "Figures", Tables: tableOf(figureHeading, figureRows(c.Figures), 1, 2, 4)},
		{Title: "Charts", Charts: c.Charts},
		{Title: "The rest", Text: tourRemarks(c)},
		{Title: "The machines", Tables: hostsOf(c.A.Host(nil), c.B.Host(nil))},
	}}
}
