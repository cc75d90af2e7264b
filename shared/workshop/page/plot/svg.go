package plot

import (
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"
)

// Drawing is a picture in two forms. The page shows the one that fits the screen: in a wide picture
// on a telephone no text could be read.
type Drawing struct{ Wide, Narrow template.HTML }

// frame is the size of a picture, in units of the SVG. The page scales it to the screen.
type frame struct {
	class         string
	width, height float64
	font          float64
	labels        float64 // the width to the right for the names of series; 0 for none
	ticks         int     // of the x axis, about
}

// The two sizes. A wide picture fills a page of about 1,100 pixels, a narrow one 330.
func wide() frame {
	return frame{class: "wide", width: 900, height: 400, font: 16, labels: 190, ticks: 8}
}
func narrow() frame { return frame{class: "narrow", width: 340, height: 300, font: 13, ticks: 4} }

// glyphWidth is the mean width of a character, as a share of the font's size. System fonts are
// between 0.5 and 0.58.
const glyphWidth = 0.56

// boldWidth is how many times as wide bold text is.
const boldWidth = 1.12

func (f frame) textWidth(text string) float64 {
	return float64(utf8.RuneCountInString(text)) * f.font * glyphWidth
}

// fit shortens a text to a width.
func (f frame) fit(text string, width float64) string {
	most := max(int(width/(f.font*glyphWidth)), 2)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return strings.TrimSpace(string(runes[:most-1])) + "…"
}

// drawing collects the elements of an SVG. All text goes through escape.
type drawing struct {
	strings.Builder
}

func escape(text string) string { return template.HTMLEscapeString(text) }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(&d.Builder, format+"\n", args...) }

// text adds a text; anchor is start, middle or end.
func (d *drawing) text(class, anchor string, x, y float64, text string) {
	d.add(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, class, x, y, anchor, escape(text))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	d.add(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

// svg wraps elements in an SVG with a text alternative. The id is unique on the page.
func (d *drawing) svg(f frame, id, title, description string) template.HTML {
	id += "-" + f.class
	//nolint:gosec // every text of the drawing is escaped
	return template.HTML(fmt.Sprintf(
		`<svg class="%s" viewBox="0 0 %.0f %.0f" font-size="%.0f" role="img" aria-labelledby="%s-t %s-d">`+"\n"+
			`<title id="%s-t">%s</title><desc id="%s-d">%s</desc>`+"\n%s</svg>\n",
		f.class, f.width, f.height, f.font, id, id, id, escape(title), id, escape(description), d.String()))
}

// seriesKinds is how many colours, dashes and markers there are; see style.css.
const seriesKinds = 8

// seriesClass is the class of a series, which sets its colour and dash.
func seriesClass(i int) string { return fmt.Sprintf("s%d", i%seriesKinds) }

// marker returns the marker of a series: its form differs from series to series.
func marker(i int, x, y, r float64, title string) string {
	var shape string
	at := func(dx, dy float64) string { return fmt.Sprintf("%.1f,%.1f", x+dx*r, y+dy*r) }
	switch i % seriesKinds {
	case 0:
		shape = fmt.Sprintf(`circle cx="%.1f" cy="%.1f" r="%.1f"`, x, y, r)
	case 1:
		shape = fmt.Sprintf(`rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"`, x-r*0.9, y-r*0.9, 1.8*r, 1.8*r)
	case 2:
		shape = `polygon points="` + at(0, -1.2) + " " + at(1.1, 0.8) + " " + at(-1.1, 0.8) + `"`
	case 3:
		shape = `polygon points="` + at(0, -1.3) + " " + at(1.3, 0) + " " + at(0, 1.3) + " " + at(-1.3, 0) + `"`
	case 4:
		shape = `polygon points="` + at(0, 1.2) + " " + at(1.1, -0.8) + " " + at(-1.1, -0.8) + `"`
	case 5:
		shape = fmt.Sprintf(`rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"`, x-r*1.3, y-r*0.5, 2.6*r, r)
	case 6:
		shape = fmt.Sprintf(`rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"`, x-r*0.5, y-r*1.3, r, 2.6*r)
	default:
		shape = `polygon points="` + at(-1.1, -1.1) + " " + at(1.1, -1.1) + " " + at(-1.1, 1.1) + " " + at(1.1, 1.1) + `"`
	}
	name, _, _ := strings.Cut(shape, " ")
	if title == "" {
		return fmt.Sprintf(`<%s class="dot %s"/>`, shape, seriesClass(i))
	}
	return fmt.Sprintf(`<%s class="dot %s"><title>%s</title></%s>`, shape, seriesClass(i), escape(title), name)
}

// Swatch returns a small picture of a series' line. A legend shows it.
func Swatch(i int) template.HTML {
	//nolint:gosec // it holds no text
	return template.HTML(fmt.Sprintf(`<svg class="swatch" viewBox="0 0 44 16" aria-hidden="true"><path class="line %s" d="M2 8H42"/>%s</svg>`,
		seriesClass(i), marker(i, 22, 8, 4.5, "")))
}
