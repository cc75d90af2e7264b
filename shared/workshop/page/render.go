package page

import (
	"cmp"
	_ "embed" // the template and the style are part of the program
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/page/plot"
)

var (
	//go:embed page.html.tmpl
	source string
	//go:embed style.css
	style string

	form = template.Must(template.New("page").Parse(source))
)

// maxValues is how many rows the table below a chart has. The result file has all values.
const maxValues = 250

// Render writes a page as HTML. The error is that of the writer.
func Render(w io.Writer, p Page) error {
	view := struct {
		Page     Page
		Style    template.CSS
		Sections []sectionView
	}{
		Page: p, Style: template.CSS(style), //nolint:gosec // a constant
	}
	for i, s := range p.Sections {
		if !s.empty() {
			view.Sections = append(view.Sections, s.view(fmt.Sprintf("s%d", i+1)))
		}
	}
	if err := form.Execute(w, view); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	return nil
}

// Class returns the CSS class of a tone.
func (t Tone) Class() string {
	switch t {
	case Good, Bad, Doubt, Alarm, Quiet:
		return string(t)
	default:
		return "plain"
	}
}

// Sign returns the sign of a tone, which a reader without colours sees too.
func (t Tone) Sign() string {
	switch t {
	case Good:
		return "✓"
	case Bad:
		return "✗"
	case Doubt:
		return "?"
	case Alarm:
		return "!"
	case Quiet:
		return "–"
	default:
		return ""
	}
}

func (s Section) empty() bool {
	return len(s.Text)+len(s.Warnings)+len(s.Problems)+len(s.Gains)+len(s.Tables)+len(s.Charts) == 0
}

// The views are what the template needs beside the model: ids, pictures, tables of values.
type (
	sectionView struct {
		Section
		ID     string
		Gains  []gainView
		Tables []tableView
		Charts []chartView
	}
	gainView struct {
		Gain
		Drawing *plot.Drawing // nil for none
	}
	tableView struct {
		Table
		Label string
		Cards bool // on a telephone each row becomes a card
	}
	chartView struct {
		ID, Name, Says string
		Problem        error // why the chart is not drawn
		Legend         []legendView
		Drawing        plot.Drawing
		Marks          []string
		Values         tableView
		Thinned        string
	}
	legendView struct {
		Swatch template.HTML
		Name   string
	}
)

func (s Section) view(id string) sectionView {
	v := sectionView{Section: s, ID: id}
	for i, g := range s.Gains {
		gain := gainView{Gain: g}
		if d, ok := plot.Estimates(fmt.Sprintf("%s-g%d", id, i+1), g.Name, g.Floor, g.Estimates); ok {
			gain.Drawing = &d
		}
		v.Gains = append(v.Gains, gain)
	}
	for _, t := range s.Tables {
		t.Rows = slices.Clone(t.Rows)
		for i, row := range t.Rows {
			t.Rows[i] = row[:min(len(row), len(t.Columns))] // a cell beyond has no head to name it
		}
		v.Tables = append(v.Tables, tableView{t, cmp.Or(t.Caption, s.Title), len(t.Columns) > 2})
	}
	for i, c := range s.Charts {
		v.Charts = append(v.Charts, viewOf(fmt.Sprintf("%s-c%d", id, i+1), c))
	}
	return v
}

func viewOf(id string, c chart.Chart) chartView {
	v := chartView{ID: id, Name: cmp.Or(c.Name, "Chart without a name"), Says: c.Says, Problem: c.Validate()}
	if v.Problem != nil {
		return v
	}
	v.Drawing = plot.Chart(id, c)
	if len(c.Series) > 1 {
		for i, s := range c.Series {
			v.Legend = append(v.Legend, legendView{plot.Swatch(i), s.Name})
		}
	}
	for _, m := range c.Marks {
		v.Marks = append(v.Marks, plot.MarkText(c, m))
	}
	table, all := values(c)
	v.Values = tableView{Table: table, Label: "The values of " + c.Name}
	if all > len(table.Rows) {
		v.Thinned = fmt.Sprintf("%d of %d rows are shown. The JSON file beside this page has all of them.", len(table.Rows), all)
	}
	return v
}

// values returns the table of a chart's values, a row for each value of X and a column for each
// series, and how many rows it had before it was thinned to maxValues.
func values(c chart.Chart) (t Table, all int) {
	name := func(a chart.Axis) string {
		if a.Unit == "" {
			return a.Name
		}
		return a.Name + " (" + a.Unit + ")"
	}
	t.Columns = []Column{{Name: name(c.X), Number: true}}
	rows := make(map[float64][]Cell)
	for i, s := range c.Series {
		column := s.Name
		if c.Y.Unit != "" {
			column += " (" + c.Y.Unit + ")"
		}
		t.Columns = append(t.Columns, Column{Name: column, Number: true})
		for _, p := range s.Points {
			if math.IsNaN(p.X) {
				continue // it has no place, and equals no other
			}
			if rows[p.X] == nil {
				rows[p.X] = make([]Cell, len(c.Series)+1)
				rows[p.X][0].Text = plot.Value(c.X, p.X)
			}
			rows[p.X][i+1].Text = figure.Short(p.Y)
		}
	}
	xs := slices.Sorted(maps.Keys(rows))
	for i := range min(len(xs), maxValues) {
		at := i
		if len(xs) > maxValues {
			at = i * (len(xs) - 1) / (maxValues - 1) // the first and the last are among them
		}
		t.Rows = append(t.Rows, rows[xs[at]])
	}
	return t, len(xs)
}
