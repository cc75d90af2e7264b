package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/figure"
)

const (
	// maxMarkers is how many points of a series have a marker. Of more, every second or third has.
	maxMarkers = 24
	// maxLanes is how many names of marks stand above one another. The page lists all of them.
	maxLanes = 6
)

// Chart draws a chart. The id is unique on the page.
func Chart(id string, c chart.Chart) Drawing {
	draw := func(f frame) (d drawing, height float64) {
		p := newPanel(f, c)
		return p.draw(), p.height
	}
	title, description := c.Name, Describe(c)
	w, n := wide(), narrow()
	onWide, height := draw(w)
	w.height = height
	onNarrow, height := draw(n)
	n.height = height
	return Drawing{onWide.svg(w, id, title, description), onNarrow.svg(n, id, title, description)}
}

// panel is a chart laid out in a frame.
type panel struct {
	frame
	chart                    chart.Chart
	x, y                     scale
	left, right, top, bottom float64 // of the plot area
	lanes                    []placed
	empty                    bool // nothing can be drawn
}

// placed is the name of a mark and its place above the plot area.
type placed struct {
	mark   chart.Mark
	text   string
	anchor string
	at     float64 // of the text's anchor
	lane   int     // from 0, or -1 for none
}

func newPanel(f frame, c chart.Chart) *panel {
	p := &panel{frame: f, chart: c}
	var xs, ys []float64
	x, y := scale{kind: c.X.Scale}, scale{kind: c.Y.Scale}
	for _, s := range c.Series {
		for _, point := range s.Points {
			if x.drawable(point.X) && y.drawable(point.Y) {
				xs, ys = append(xs, point.X), append(ys, point.Y)
			}
		}
	}
	p.empty = len(xs) == 0
	for _, m := range c.Marks {
		xs = append(xs, m.From, m.To)
	}
	if c.Limit != nil {
		ys = append(ys, *c.Limit)
	}
	var xOK, yOK bool
	p.x, xOK = newScale(c.X.Scale, xs, false)
	p.y, yOK = newScale(c.Y.Scale, ys, true)
	p.x.whole, p.y.whole = counts(c.X, xs), counts(c.Y, ys)
	p.empty = p.empty || !xOK || !yOK
	p.layOut()
	return p
}

// layOut places the plot area and the names of the marks above it.
func (p *panel) layOut() {
	p.left = 2 * p.font
	if !p.empty {
		for _, t := range p.y.ticks(5) {
			p.left = max(p.left, p.textWidth(t.label)+p.font)
		}
	}
	p.right = p.width - max(p.labels, 0.9*p.font)
	if len(p.chart.Series) == 1 {
		p.right = p.width - 2*p.font // one line needs no name
	}
	lanes := 0
	if !p.empty {
		lanes = p.placeMarks()
	}
	line := 1.4 * p.font
	p.top = 2*p.font + float64(lanes)*line
	p.bottom = p.top + p.height - 5.4*p.font
	p.height = p.bottom + 3.4*p.font
}

// placeMarks gives each name of a mark a lane in which it covers no other, and returns the number
// of lanes.
func (p *panel) placeMarks() int {
	marks := slices.Clone(p.chart.Marks)
	slices.SortStableFunc(marks, func(a, b chart.Mark) int { return cmp.Compare(a.From, b.From) })
	var edges []float64 // right ends of the last name in each lane
	for _, m := range marks {
		if !p.x.drawable(m.From) || !p.x.drawable(m.To) {
			continue
		}
		text := p.fit(m.Name, (p.right-p.left)*0.9)
		width, from := p.textWidth(text), p.px(m.From)
		l := placed{mark: m, text: text, anchor: "start", at: from, lane: -1}
		if from+width > p.width {
			l.anchor, l.at = "end", max(p.px(m.To), width)
			from = l.at - width
		}
		for i, edge := range edges {
			if edge+p.font/2 < from {
				l.lane = i
				break
			}
		}
		if l.lane < 0 && len(edges) < maxLanes {
			l.lane = len(edges)
			edges = append(edges, 0)
		}
		if l.lane >= 0 {
			edges[l.lane] = from + width
		}
		p.lanes = append(p.lanes, l)
	}
	return len(edges)
}

func (p *panel) px(v float64) float64 { return p.left + p.x.share(v)*(p.right-p.left) }
func (p *panel) py(v float64) float64 { return p.bottom - p.y.share(v)*(p.bottom-p.top) }

func (p *panel) draw() drawing {
	var d drawing
	d.text("axis", "start", 0, 1.1*p.font, p.fit(axisName(p.chart.Y), p.width))
	d.text("axis", "middle", (p.left+p.right)/2, p.bottom+2.9*p.font, p.fit(axisName(p.chart.X), p.right-p.left))
	if p.empty {
		d.line("base", p.left, p.bottom, p.right, p.bottom)
		d.text("axis", "middle", (p.left+p.right)/2, (p.top+p.bottom)/2, "no values")
		return d
	}
	p.drawMarks(&d)
	p.drawAxes(&d)
	ends := make([]end, 0, len(p.chart.Series))
	for i, s := range p.chart.Series {
		ends = append(ends, p.drawSeries(&d, i, s))
	}
	p.drawNames(&d, ends)
	p.drawLimit(&d)
	return d
}

// axisName writes an axis with its unit: "latency (ms)".
func axisName(a chart.Axis) string {
	if a.Unit == "" {
		return a.Name
	}
	return a.Name + " (" + a.Unit + ")"
}

func (p *panel) drawAxes(d *drawing) {
	for _, t := range p.y.ticks(5) {
		y := p.py(t.value)
		d.line("grid", p.left, y, p.right, y)
		d.text("tick", "end", p.left-0.55*p.font, y+0.35*p.font, t.label)
	}
	d.line("base", p.left, p.bottom, p.right, p.bottom)
	edge := math.Inf(-1) // of the last label
	for _, t := range p.x.ticks(p.ticks) {
		x, half := p.px(t.value), p.textWidth(t.label)/2
		d.line("base", x, p.bottom, x, p.bottom+0.3*p.font)
		if x-half > edge && x+half < p.width+p.font {
			d.text("tick", "middle", x, p.bottom+1.4*p.font, t.label)
			edge = x + half + p.font/2
		}
	}
}

// drawMarks draws the bands and lines of the marks, and over them the names, so that no line
// strikes a name out.
func (p *panel) drawMarks(d *drawing) {
	shaded := math.Inf(-1) // where the last shaded band ends
	for _, l := range p.lanes {
		from, to := p.px(l.mark.From), p.px(l.mark.To)
		above := p.top
		if l.lane >= 0 {
			above = p.laneHeight(l.lane) + 0.2*p.font
		}
		d.line("moment", from, above, from, p.bottom)
		// Of bands that touch, every second one is shaded, so that they can be told apart.
		if to > from && l.mark.From == shaded {
			shaded = math.Inf(-1)
			d.line("moment", to, p.top, to, p.bottom)
		} else if to > from {
			shaded = l.mark.To
			d.add(`<rect class="band" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`,
				from, p.top, to-from, p.bottom-p.top, escape(MarkText(p.chart, l.mark)))
			d.line("moment", to, p.top, to, p.bottom)
		}
	}
	for _, l := range p.lanes {
		if l.lane >= 0 {
			d.text("mark", l.anchor, l.at, p.laneHeight(l.lane), l.text)
		}
	}
}

// laneHeight returns where the names in a lane stand.
func (p *panel) laneHeight(lane int) float64 { return p.top - 0.5*p.font - float64(lane)*1.4*p.font }

func (p *panel) drawLimit(d *drawing) {
	if p.chart.Limit == nil || !p.y.drawable(*p.chart.Limit) {
		return
	}
	y := p.py(*p.chart.Limit)
	d.line("limit", p.left, y, p.right, y)
	text := "limit " + figure.Quantity(*p.chart.Limit, p.chart.Y.Unit)
	if y-1.2*p.font < p.top {
		y += 1.6 * p.font // below the line, because there is no room above
	}
	d.text("limit-name", "end", p.right-0.3*p.font, y-0.4*p.font, text)
}

// end is where a line ends; drawn is false for a line without points.
type end struct {
	x, y  float64
	drawn bool
}

// drawSeries draws a line with its markers, and returns its end.
func (p *panel) drawSeries(d *drawing, i int, s chart.Series) (last end) {
	var path strings.Builder
	var points []chart.Point
	open := false
	for _, point := range s.Points {
		if !p.x.drawable(point.X) || !p.y.drawable(point.Y) {
			open = false // a gap, because nothing is known here
			continue
		}
		points = append(points, point)
		x, y := p.px(point.X), p.py(point.Y)
		switch {
		case !open:
			fmt.Fprintf(&path, "M%.1f %.1f", x, y)
		case s.Steps:
			fmt.Fprintf(&path, "H%.1fV%.1f", x, y)
		default:
			fmt.Fprintf(&path, "L%.1f %.1f", x, y)
		}
		open, last = true, end{x, y, true}
	}
	if path.Len() > 0 {
		d.add(`<path class="line %s" d="%s"/>`, seriesClass(i), path.String())
	}
	every := (len(points) + maxMarkers - 1) / maxMarkers
	for at, point := range points {
		// The first marker of each series lies elsewhere, so that equal series can both be seen.
		if at%every == (i*every/2)%every || len(points) == 1 {
			title := fmt.Sprintf("%s: %s at %s", s.Name, figure.Quantity(point.Y, p.chart.Y.Unit), valueWithUnit(p.chart.X, point.X))
			d.add("%s", marker(i, p.px(point.X), p.py(point.Y), 0.28*p.font, title))
		}
	}
	return last
}

func valueWithUnit(a chart.Axis, v float64) string {
	return strings.TrimSpace(Value(a, v) + " " + a.Unit)
}

// drawNames writes the name of each series beside its end. Names that would cover one another are
// moved apart.
func (p *panel) drawNames(d *drawing, ends []end) {
	if p.labels == 0 || len(ends) < 2 {
		return
	}
	atEdge, early := make([]int, 0, len(ends)), make([]int, 0, len(ends))
	for i, e := range ends {
		switch {
		case e.drawn && e.x < p.right-3*p.font:
			early = append(early, i) // A leader to the edge would look like data.
		case e.drawn:
			atEdge = append(atEdge, i)
		}
	}
	for n, y := range p.apart(ends, early) {
		i := early[n]
		d.text("name near "+seriesClass(i), "start", ends[i].x+0.6*p.font, y+0.35*p.font, p.fit(p.chart.Series[i].Name, (p.width-ends[i].x-p.font)/boldWidth))
	}
	for n, y := range p.apart(ends, atEdge) {
		i := atEdge[n]
		d.add(`<path class="leader %s" d="M%.1f %.1fL%.1f %.1f"/>`, seriesClass(i), ends[i].x, ends[i].y, p.right+0.7*p.font, y)
		d.text("name "+seriesClass(i), "start", p.right+0.9*p.font, y+0.35*p.font, p.fit(p.chart.Series[i].Name, (p.labels-p.font)/boldWidth))
	}
}

// apart sorts lines by the height of their ends, and returns a height for each name, so that no two names
// cover one another. It returns none if they do not fit: the legend has all names.
func (p *panel) apart(ends []end, lines []int) []float64 {
	height := 1.2 * p.font
	if float64(len(lines))*height > p.bottom-p.top {
		return nil
	}
	slices.SortStableFunc(lines, func(a, b int) int { return cmp.Compare(ends[a].y, ends[b].y) })
	at := make([]float64, len(lines))
	for n, i := range lines {
		at[n] = max(ends[i].y, p.top+height/2)
		if n > 0 {
			at[n] = max(at[n], at[n-1]+height)
		}
	}
	for n := len(lines) - 1; n >= 0; n-- {
		lowest := p.bottom
		if n < len(lines)-1 {
			lowest = at[n+1] - height
		}
		at[n] = min(at[n], lowest)
	}
	return at
}

// MarkText writes a mark in words: "broker restarted, 20 to 24 s".
func MarkText(c chart.Chart, m chart.Mark) string {
	if m.From == m.To {
		return m.Name + ", " + strings.TrimSpace(roughly(c.X, m.From)+" "+c.X.Unit)
	}
	return fmt.Sprintf("%s, %s to %s", m.Name, roughly(c.X, m.From), strings.TrimSpace(roughly(c.X, m.To)+" "+c.X.Unit))
}

// roughly writes where a mark is, with three digits: a fault is not known better.
func roughly(a chart.Axis, v float64) string {
	if a.Scale == chart.Nines {
		return Value(a, v)
	}
	return grouped(figure.Short(v))
}

// Describe returns the text alternative of a chart: what it says, the range of each series, the
// marks and the limit.
func Describe(c chart.Chart) string {
	parts := []string{strings.TrimSuffix(strings.TrimSpace(c.Says), ".")}
	if parts[0] == "" {
		parts = nil
	}
	for _, s := range c.Series {
		low, high, n := math.Inf(1), math.Inf(-1), 0
		for _, point := range s.Points {
			if !math.IsNaN(point.Y) && !math.IsInf(point.Y, 0) {
				low, high, n = min(low, point.Y), max(high, point.Y), n+1
			}
		}
		switch n {
		case 0:
			parts = append(parts, s.Name+": no values")
		case 1:
			parts = append(parts, s.Name+": one value, "+figure.Quantity(low, c.Y.Unit))
		default:
			parts = append(parts, fmt.Sprintf("%s: %d values from %s to %s", s.Name, n, figure.Short(low), figure.Quantity(high, c.Y.Unit)))
		}
	}
	if c.Limit != nil {
		parts = append(parts, "Limit: "+figure.Quantity(*c.Limit, c.Y.Unit))
	}
	for _, m := range c.Marks {
		parts = append(parts, "Mark: "+MarkText(c, m))
	}
	return strings.Join(parts, ". ") + "."
}
