package monitoring

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"regexp"
	"strings"
)

// page is the console page without its panels. Prometheus fills it in as a template too, so its own
// actions are between << and >>.
//
//go:embed console.html
var page string

// Console returns the console template of Prometheus with all panels. The page needs nothing but
// Prometheus: it draws the charts itself.
func Console() ([]byte, error) {
	t, err := template.New("console").Delims("<<", ">>").Parse(page)
	if err != nil {
		return nil, fmt.Errorf("read console.html: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, Sections()); err != nil {
		return nil, fmt.Errorf("fill in console.html: %w", err)
	}
	return b.Bytes(), nil
}

// legendLabel finds the labels in a legend.
var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

// ConsoleLegend returns the legend with [label] for {{label}}, which Prometheus would take for its own.
func (p Panel) ConsoleLegend() string { return legendLabel.ReplaceAllString(p.Legend, "[$1]") }

// Literal returns the query as a text of Go's templates.
func (p Panel) Literal() template.HTML {
	return template.HTML("`" + p.Query + "`") // a constant of this package
}

// Lacks says which server is missing when the panel is empty.
func (p Panel) Lacks() string {
	return strings.Join(p.Servers, " or ") + " is not in the stack, or has no load"
}
