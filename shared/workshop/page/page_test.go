package page_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/page"
	"bytebites.example/workshop/shared/workshop/page/plot"
)

var update = flag.Bool("update", false, "write testdata anew")

func render(t *testing.T, p page.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Render(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// nodes returns the elements of a page in order.
func nodes(t *testing.T, text string) (all []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// outline is the structure of a page: headings, landmarks, tables and pictures with their names.
func outline(t *testing.T, text string) string {
	var b strings.Builder
	for _, n := range nodes(t, text) {
		switch n.Data {
		case "h1", "h2", "h3":
			fmt.Fprintf(&b, "%s %s\n", n.Data, textOf(n))
		case "html":
			fmt.Fprintf(&b, "html lang=%s\n", attribute(n, "lang"))
		case "header", "nav", "main", "footer", "section", "article", "figure", "table", "details":
			fmt.Fprintf(&b, "%s\n", n.Data)
		case "th":
			fmt.Fprintf(&b, "  %s: %s\n", attribute(n, "scope"), textOf(n))
		case "desc":
			fmt.Fprintf(&b, "  picture: %s\n", textOf(n))
		}
	}
	return b.String()
}

func TestOutline(t *testing.T) {
	got := outline(t, render(t, sample()))
	path := filepath.Join("testdata", "outline.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update writes it anew); got:\n%s", path, got)
	}
}

// voidElements have no end tag.
var voidElements = map[string]bool{"meta": true}

// wellFormed checks that every element is closed in order. html.Parse mends what a template got
// wrong, so it cannot tell.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				t.Fatal(z.Err())
			}
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return
		case html.StartTagToken:
			if name := z.Token().Data; !voidElements[name] {
				open = append(open, name)
			}
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes none of %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

// TestSelfContained: a page loads nothing and runs nothing.
func TestSelfContained(t *testing.T) {
	text := render(t, sample())
	wellFormed(t, text)
	for _, banned := range []string{"http://", "https://", "//", "url(", "@import", "<script", "<link", "<img", "<iframe", "javascript:", "onclick"} {
		if at := strings.Index(strings.ToLower(text), banned); at >= 0 {
			t.Errorf("%q is in the page: %.60q", banned, text[at:])
		}
	}
	if !strings.Contains(text, `content="default-src 'none'; style-src 'unsafe-inline'"`) {
		t.Error("the page does not forbid to load anything")
	}
	for _, n := range nodes(t, text) {
		for _, name := range []string{"src", "srcset", "action", "style"} {
			if v := attribute(n, name); v != "" {
				t.Errorf("<%s %s=%q>", n.Data, name, v)
			}
		}
		if v := attribute(n, "href"); v != "" && !strings.HasPrefix(v, "#") {
			t.Errorf("<%s href=%q>", n.Data, v)
		}
	}
}

// TestAccessible: headings go down one level at a time, ids are unique, names refer to elements,
// each picture has a text, and each header cell a scope.
func TestAccessible(t *testing.T) {
	all := nodes(t, render(t, sample()))
	ids, level, counts := map[string]bool{}, 0, map[string]int{}
	for _, n := range all {
		if id := attribute(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("the id %s is there twice", id)
			}
			ids[id] = true
		}
	}
	for _, n := range all {
		counts[n.Data]++
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			now := int(n.Data[1] - '0')
			if now > level+1 {
				t.Errorf("the heading %q is h%d after h%d", textOf(n), now, level)
			}
			level = now
		}
		for _, id := range strings.Fields(attribute(n, "aria-labelledby")) {
			if !ids[id] {
				t.Errorf("<%s> is named by %s, which is not there", n.Data, id)
			}
		}
		if v := attribute(n, "href"); v != "" && !ids[strings.TrimPrefix(v, "#")] {
			t.Errorf("a link leads to %s, which is not there", v)
		}
		if n.Data == "svg" && attribute(n, "aria-hidden") == "" && (attribute(n, "role") != "img" || attribute(n, "aria-labelledby") == "") {
			t.Error("a picture has no text")
		}
		if n.Data == "th" && attribute(n, "scope") == "" {
			t.Errorf("the header cell %q has no scope", textOf(n))
		}
	}
	for _, name := range []string{"h1", "main", "header", "nav", "footer"} {
		if counts[name] != 1 {
			t.Errorf("%d of <%s>, want 1", counts[name], name)
		}
	}
}

// TestEscaping: text of any origin stays text.
func TestEscaping(t *testing.T) {
	const evil = `"><script>alert('x')</script>&<b>`
	c := chart.Chart{
		Name: evil, Says: evil, X: chart.Axis{Name: evil, Unit: evil}, Y: chart.Axis{Name: evil, Unit: evil}, Limit: new(float64),
		Series: []chart.Series{{Name: evil, Points: []chart.Point{{X: 1, Y: 1}, {X: 2, Y: 2}}}, {Name: evil, Points: []chart.Point{{X: 1, Y: 1}}}},
		Marks:  []chart.Mark{{Name: evil, From: 1, To: 2}},
	}
	badge := page.Badge{Text: evil, Tone: page.Tone(evil)}
	text := render(t, page.Page{Title: evil, Note: evil, Verdict: badge, Meaning: evil, Foot: evil, Sections: []page.Section{{
		Title: evil, Text: []string{evil}, Warnings: []string{evil},
		Problems: []page.Problem{{Name: evil, Verdict: badge, Parts: []page.Part{{Label: evil, Text: evil}}, Raw: evil}},
		Gains:    []page.Gain{{Name: evil, Verdict: badge, Text: []string{evil}, Floor: 2, Estimates: []plot.Estimate{{Name: evil, Low: 1, Value: 2, High: 3}}}},
		Tables:   []page.Table{{Caption: evil, Columns: []page.Column{{Name: evil}}, Rows: [][]page.Cell{{{Text: evil, Note: evil, Tone: page.Tone(evil)}}}}},
		Charts:   []chart.Chart{c, {Name: evil}},
	}}})
	wellFormed(t, text)
	for _, n := range nodes(t, text) {
		if n.Data == "script" || n.Data == "b" {
			t.Fatalf("a text became the element <%s>", n.Data)
		}
	}
	if !strings.Contains(text, "&lt;script&gt;") {
		t.Error("the text is not shown")
	}
}

// TestUnusual renders pages with little or strange content: all are well formed and hold no number
// that is none.
func TestUnusual(t *testing.T) {
	axis := chart.Axis{Name: "x"}
	drawn := func(x, y chart.Scale, points ...chart.Point) chart.Chart {
		return chart.Chart{Name: "c", X: chart.Axis{Name: "x", Scale: x}, Y: chart.Axis{Name: "y", Scale: y}, Series: []chart.Series{{Name: "s", Points: points}}}
	}
	nan, inf := math.NaN(), math.Inf(1)
	long := strings.Repeat("a very long name ", 20)
	manyMarks := drawn("", "", chart.Point{X: 0, Y: 1}, chart.Point{X: 10, Y: 2})
	for i := range 40 {
		manyMarks.Marks = append(manyMarks.Marks, chart.Mark{Name: long, From: float64(i) / 4, To: float64(i) / 2})
	}
	manySeries := drawn("", "")
	manySeries.Series = nil
	for i := range 30 {
		manySeries.Series = append(manySeries.Series, chart.Series{Name: long + strconv.Itoa(i), Points: []chart.Point{{X: 0, Y: float64(i)}, {X: 1, Y: 3}}})
	}
	points := make([]chart.Point, 5000)
	for i := range points {
		points[i] = chart.Point{X: float64(i), Y: float64(i % 7)}
	}
	limit := inf
	limited := drawn("", "", chart.Point{X: 1, Y: 1})
	limited.Limit = &limit
	for name, test := range map[string]struct {
		section page.Section
		want    string
	}{
		"empty":              {page.Section{Title: "t"}, ""},
		"no points":          {page.Section{Charts: []chart.Chart{drawn("", "")}}, "no values"},
		"one point":          {page.Section{Charts: []chart.Chart{drawn("", "", chart.Point{X: 3, Y: 7})}}, "one value, 7"},
		"one point, log":     {page.Section{Charts: []chart.Chart{drawn(chart.Log, chart.Log, chart.Point{X: 1, Y: 1})}}, "<circle"},
		"one point, nines":   {page.Section{Charts: []chart.Chart{drawn(chart.Nines, "", chart.Point{X: 100, Y: 1})}}, "<circle"},
		"only NaN":           {page.Section{Charts: []chart.Chart{drawn("", "", chart.Point{X: 1, Y: nan}, chart.Point{X: 2, Y: inf})}}, "no values"},
		"NaN and Inf":        {page.Section{Charts: []chart.Chart{drawn("", "", chart.Point{X: nan, Y: 1}, chart.Point{X: 1, Y: nan}, chart.Point{X: 2, Y: 5}, chart.Point{X: inf, Y: 5})}}, "one value|3 values"},
		"zero on log":        {page.Section{Charts: []chart.Chart{drawn("", chart.Log, chart.Point{X: 1, Y: 0}, chart.Point{X: 2, Y: 5})}}, "<circle"},
		"beyond 100 %":       {page.Section{Charts: []chart.Chart{drawn(chart.Nines, "", chart.Point{X: -1, Y: 0}, chart.Point{X: 101, Y: 5})}}, "no values"},
		"huge and tiny":      {page.Section{Charts: []chart.Chart{drawn("", chart.Log, chart.Point{X: 1, Y: 1e-300}, chart.Point{X: 2, Y: 1e300})}}, "<path"},
		"equal values":       {page.Section{Charts: []chart.Chart{drawn("", "", chart.Point{X: 1, Y: 5}, chart.Point{X: 1, Y: 5})}}, "<path"},
		"below zero":         {page.Section{Charts: []chart.Chart{drawn("", "", chart.Point{X: -5, Y: -5}, chart.Point{X: 5, Y: 5})}}, ">-4<"},
		"infinite limit":     {page.Section{Charts: []chart.Chart{limited}}, "<circle"},
		"many marks":         {page.Section{Charts: []chart.Chart{manyMarks}}, "class=\"band\""},
		"many series":        {page.Section{Charts: []chart.Chart{manySeries}}, "class=\"swatch\""},
		"many points":        {page.Section{Charts: []chart.Chart{drawn("", "", points...)}}, "250 of 5000 rows"},
		"not valid":          {page.Section{Charts: []chart.Chart{{X: axis, Y: axis}}}, "cannot be drawn"},
		"long names":         {page.Section{Title: long, Gains: []page.Gain{{Name: long, Estimates: []plot.Estimate{{Name: long, Low: 1, Value: 2, High: 3}}}}}, "…"},
		"gain of NaN":        {page.Section{Gains: []page.Gain{{Name: "g", Floor: nan, Estimates: []plot.Estimate{{Low: nan, Value: inf, High: 1}}}}}, "<h3>g"},
		"gain and bad floor": {page.Section{Gains: []page.Gain{{Name: "g", Floor: nan, Estimates: []plot.Estimate{{Low: 1, Value: 1, High: 1}}}}}, "<circle"},
		"ragged table":       {page.Section{Tables: []page.Table{{Columns: []page.Column{{Name: "a"}, {Name: "b"}}, Rows: [][]page.Cell{{{Text: "short"}}, {{Text: "1"}, {Text: "2"}, {Text: "3"}}}}}}, "short"},
	} {
		t.Run(name, func(t *testing.T) {
			text := render(t, page.Page{Title: "T", Sections: []page.Section{test.section}})
			wellFormed(t, text)
			if !regexp.MustCompile(test.want).MatchString(text) {
				t.Errorf("the page lacks %q", test.want)
			}
			for _, n := range nodes(t, text) {
				for _, a := range n.Attr {
					if strings.Contains(a.Val, "NaN") || strings.Contains(a.Val, "Inf") {
						t.Fatalf("<%s %s=%q>", n.Data, a.Key, a.Val)
					}
				}
			}
		})
	}
}

// TestSVG: each picture is XML, so that it can be taken out of the page.
func TestSVG(t *testing.T) {
	for _, c := range sample().Sections[len(sample().Sections)-1].Charts {
		d := plot.Chart("c", c)
		for _, text := range []string{string(d.Wide), string(d.Narrow)} {
			decoder := xml.NewDecoder(strings.NewReader(text))
			for {
				if _, err := decoder.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", c.Name, err)
				}
			}
		}
	}
}

// TestWriterFails: an error of the writer comes back.
func TestWriterFails(t *testing.T) {
	if err := page.Render(brokenWriter{}, sample()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v, want that of the writer", err)
	}
}

// TestSave: a page takes the place of the old one, and a failure leaves nothing behind.
func TestSave(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(folder, "page.html")
	for _, title := range []string{"old", "new"} {
		if err := page.Save(path, page.Page{Title: title}); err != nil {
			t.Fatal(err)
		}
	}
	if err := page.Save(folder, page.Page{Title: "a folder"}); err == nil {
		t.Error("a page took the place of a folder")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("in the folder: %v, %v; want only the page", left, err)
	}
	above, err := os.ReadDir(filepath.Dir(folder))
	if err != nil || len(above) != 1 {
		t.Errorf("above the folder: %v, %v; want only the folder", above, err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "<h1>new</h1>") {
		t.Errorf("the page is %.80q, %v", text, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestContrast: text has the contrast of WCAG 2.2 AA, 4.5 to 1, against each ground that it stands
// on, and lines have 3 to 1. https://www.w3.org/TR/WCAG22/#contrast-minimum
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("style.css")
	if err != nil {
		t.Fatal(err)
	}
	themes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	if len(themes) != 3 {
		t.Fatalf("%d themes, want light, dark and print", len(themes))
	}
	for i, theme := range themes {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--(\w+): (#[0-9a-f]{6})`).FindAllStringSubmatch(theme[1], -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		check := func(a, b string, least float64) {
			la, okA := colours[a]
			lb, okB := colours[b]
			if ratio := (max(la, lb) + 0.05) / (min(la, lb) + 0.05); !okA || !okB || ratio < least {
				t.Errorf("theme %d: %s on %s has contrast %.2f, want %.1f", i, a, b, ratio, least)
			}
		}
		for _, text := range []string{"text", "muted", "link", "good", "bad", "doubt", "alarm", "quiet"} {
			check(text, "ground", 4.5)
			check(text, "raised", 4.5)
		}
		for s := range 8 {
			check(fmt.Sprintf("s%d", s), "ground", 4.5) // the name of a series
			check(fmt.Sprintf("s%d", s), "zone", 3)
			check(fmt.Sprintf("s%d", s), "band", 3)
		}
		check("text", "zone", 4.5)
		check("text", "band", 4.5)
	}
}

// luminance is the relative luminance of WCAG 2.2, from 0 to 1.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	part := func(from int) float64 {
		n, err := strconv.ParseUint(colour[from:from+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(1) + 0.7152*part(3) + 0.0722*part(5)
}
