package monitoring

import (
	"fmt"
	"strings"
)

// DocsTable returns the table of quantities in docs/monitoring.md, a row for each panel.
func DocsTable() string {
	var b strings.Builder
	b.WriteString("| panel | Prometheus | CloudWatch | Datadog |\n| --- | --- | --- | --- |\n")
	for _, s := range Sections() {
		for _, p := range s.Panels {
			var names []string
			for _, name := range MetricNames(p.Query) {
				names = append(names, "`"+name+"`")
			}
			fmt.Fprintf(&b, "| %s: %s | %s | %s | %s |\n", s.Title, p.Title, strings.Join(names, ", "), code(p.CloudWatch), code(p.Datadog))
		}
	}
	return b.String()
}

// code shows a name as code, and a missing one as a dash.
func code(name string) string {
	if name == "" {
		return "–"
	}
	return "`" + name + "`"
}

// RuleFile returns a file of recording rules with the query of each panel, so that promtool can check them.
func RuleFile() string {
	var b strings.Builder
	b.WriteString("groups:\n  - name: panels\n    rules:\n")
	for i, p := range Panels() {
		fmt.Fprintf(&b, "      - record: panel:%d\n        expr: %q\n", i+1, p.Query)
	}
	return b.String()
}
