package claims

import (
	"fmt"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/page"
)

// pythonSeconds is how long ten million additions in a Python loop take on the reference machine of
// hostspeed.
const pythonSeconds = 1.65

// Page returns the story as a page: the table, the charts, and what each row rests on.
func (s *Story) Page() page.Page {
	return page.Page{
		Title: "The story of ByteBites, and what this machine measured",
		Note:  fmt.Sprintf("begun %s, took %s", s.Began.UTC().Format("2006-01-02 15:04 UTC"), figure.Seconds(s.Seconds)),
		Sections: []page.Section{
			{Title: "The claims", Text: []string{"Each row is one round: it shows the story, and does not judge code."}, Tables: []page.Table{s.pageTable()}},
			{Title: "Charts", Charts: s.Charts()},
			{Title: "What the rows rest on", Tables: s.pageDetails()},
			{Title: "The machine", Text: []string{s.machine()}},
		},
		Foot: "The figures are in tour.json beside this page.",
	}
}

func (s *Story) machine() string {
	text := fmt.Sprintf("%d cores", s.CPUs)
	if s.Platform != "" {
		text += ", " + s.Platform
	}
	if s.Slowness > 0 {
		text += fmt.Sprintf(", %s times as fast as the reference machine (ten million Python additions in about %.2f s)",
			figure.Short(1/s.Slowness), pythonSeconds*s.Slowness)
	}
	return text + "."
}

func (s *Story) pageTable() page.Table {
	var t page.Table
	heads := Heads()
	heads[0], heads[1] = heads[1], heads[0] // the claim names the row
	for i, head := range heads {
		t.Columns = append(t.Columns, page.Column{Name: head, Number: i >= 3 && i < len(heads)-1})
	}
	for _, row := range s.Rows {
		var cells []page.Cell
		for _, text := range row.Cells() {
			cells = append(cells, page.Cell{Text: text})
		}
		cells[0], cells[1] = cells[1], cells[0]
		verdict := &cells[len(cells)-1]
		verdict.Tone = tone(row.Verdict)
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func tone(v Verdict) page.Tone {
	switch v {
	case Holds:
		return page.Good
	case Fails:
		return page.Bad
	default:
		return page.Doubt
	}
}

// pageDetails returns, for each row, its load and what else it tells.
func (s *Story) pageDetails() []page.Table {
	if len(s.Rows) == 0 {
		return nil
	}
	t := page.Table{Columns: []page.Column{{Name: "claim"}, {Name: "load"}, {Name: "details"}}}
	for _, row := range s.Rows {
		var machines []string
		for _, q := range row.Quotas {
			machines = append(machines, fmt.Sprintf("%s %s (%.2g CPU, throttled in %.0f %% of the periods)", q.Container, q.Type, q.CPU, 100*q.ThrottledShare))
		}
		details := slices.Clone(row.Details)
		if len(row.Reasons) > 0 {
			details = append(details, "Why not: "+strings.Join(row.Reasons, "; ")+".")
		}
		t.Rows = append(t.Rows, []page.Cell{
			{Text: row.Claim, Note: "lab " + row.Lab}, {Text: row.Under}, {Text: strings.Join(details, " "), Note: strings.Join(machines, "; ")},
		})
	}
	return []page.Table{t}
}
