package plot

import (
	"fmt"
	"html/template"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/figure"
)

// Estimate is a ratio with its interval. Of a count, which has no noise, all three are equal.
type Estimate struct {
	Name             string // tells estimates of one picture apart; may be empty for a single one
	Low, Value, High float64
}

// Estimates draws ratios on one logarithmic axis, against 1x and a floor; a floor of 0 is none. The
// id is unique on the page. Estimates with a value that is not positive are left out; it returns
// false if none is left.
func Estimates(id, name string, floor float64, all []Estimate) (Drawing, bool) {
	var drawn []Estimate
	values := []float64{}
	for _, e := range all {
		if Positive(e.Low, e.Value, e.High) {
			drawn = append(drawn, e)
			values = append(values, e.Low, e.Value, e.High)
		}
	}
	if len(drawn) == 0 {
		return Drawing{}, false
	}
	description := ""
	for _, e := range drawn {
		if e.Name != "" {
			description += e.Name + ": "
		}
		description += figure.Times(e.Value)
		if e.Low != e.High {
			description += fmt.Sprintf(", interval %s to %s", figure.Times(e.Low), figure.Times(e.High))
		}
		description += ". "
	}
	if Positive(floor) {
		values = append(values, floor)
		description += "The floor is " + figure.Times(floor) + "."
	} else {
		floor = 0
	}
	low, high := Range(values...)
	form := func(f frame) template.HTML {
		p := ladder{frame: f, scale: scale{kind: chart.Log, low: low, high: high}, floor: floor, drawn: drawn}
		return p.draw(id, name, description)
	}
	return Drawing{form(wide()), form(narrow())}, true
}

// ladder is a picture of estimates, one above the other.
type ladder struct {
	frame
	scale
	floor float64
	drawn []Estimate
}

func (l ladder) px(v float64) float64 {
	edge := 1.5 * l.font
	return edge + l.share(v)*(l.width-2*edge)
}

func (l ladder) draw(id, name, description string) template.HTML {
	var d drawing
	row := 2.6 * l.font
	top := 1.6 * l.font
	bottom := top + float64(len(l.drawn))*row + 0.4*l.font
	if l.floor > 0 {
		d.add(`<rect class="zone" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, l.px(l.floor), top, l.px(l.high)-l.px(l.floor), bottom-top)
		l.upright(&d, "floor", l.floor, "floor "+figure.Times(l.floor), top, bottom, l.floor >= 1)
	}
	label := "1x, no gain"
	if l.low == 1 {
		label = "" // the axis starts with it
	}
	l.upright(&d, "one", 1, label, top, bottom, l.floor > 0 && l.floor < 1)
	d.line("base", l.px(l.low), bottom, l.px(l.high), bottom)
	end := 0.0
	for _, t := range l.scale.ticks(l.frame.ticks) {
		x, half := l.px(t.value), l.textWidth(t.label+"x")/2
		d.line("base", x, bottom, x, bottom+0.3*l.font)
		if x-half > end {
			d.text("tick", "middle", x, bottom+1.4*l.font, t.label+"x")
			end = x + half + l.font/2
		}
	}
	for i, e := range l.drawn {
		l.estimate(&d, i, e, top+(float64(i)+0.72)*row)
	}
	l.height = bottom + 1.9*l.font
	return d.svg(l.frame, id, name, description)
}

// upright draws a line through all rows, with its name above, to the right of it or to the left.
func (l ladder) upright(d *drawing, class string, v float64, label string, top, bottom float64, rightwards bool) {
	x := l.px(v)
	d.line(class, x, top, x, bottom)
	anchor, width := "end", l.textWidth(label)
	if rightwards {
		anchor = "start"
	}
	if anchor == "start" && x+width > l.width {
		anchor = "end"
	} else if anchor == "end" && x-width < 0 {
		anchor = "start"
	}
	if label != "" {
		d.text(class+"-name", anchor, x, top-0.4*l.font, label)
	}
}

// estimate draws one estimate: whiskers, a dot, and its value above.
func (l ladder) estimate(d *drawing, i int, e Estimate, y float64) {
	low, at, high := l.px(e.Low), l.px(e.Value), l.px(e.High)
	class := seriesClass(i)
	if e.High > e.Low {
		const cap = 0.35
		d.add(`<path class="whisker %s" d="M%.1f %.1fV%.1fM%.1f %.1fH%.1fM%.1f %.1fV%.1f"/>`,
			class, low, y-cap*l.font, y+cap*l.font, low, y, high, high, y-cap*l.font, y+cap*l.font)
	}
	d.add("%s", marker(i, at, y, 0.42*l.font, ""))
	text := figure.Times(e.Value)
	if e.Name != "" {
		text = l.fit(e.Name, l.width-l.textWidth(text)-2*l.font) + " " + text
	}
	width := l.textWidth(text)
	middle := min(max(at, width/2), l.width-width/2)
	d.text("value", "middle", middle, y-0.65*l.font, text)
}
