package monitoring_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/monitoring"
)

var update = flag.Bool("update", false, "write the files that are made from the table of panels")

// Files that are made from the table of panels, or that use the same metrics.
const (
	deploy     = "shared/deploy"
	alertsFile = deploy + "/alerts.yml"
	scrapeFile = deploy + "/prometheus.yml"
	unitTests  = "testdata/alerts_test.yml"
	docsPage   = "docs/monitoring.md"
)

func fromRoot(t *testing.T, name string) string {
	t.Helper()
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, filepath.FromSlash(name))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestPagesAreMade compares the made files with the table, or makes them with -update.
func TestPagesAreMade(t *testing.T) {
	console, err := monitoring.Console()
	if err != nil {
		t.Fatal(err)
	}
	dashboard, err := monitoring.Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, fromRoot(t, docsPage))
	before, rest, found := strings.Cut(page, "| panel | Prometheus |")
	_, after, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatalf("%s has no table of panels", docsPage)
	}
	for name, want := range map[string]string{
		deploy + "/consoles/bytebites.html":           string(console),
		deploy + "/grafana/dashboards/bytebites.json": string(dashboard),
		docsPage: before + monitoring.DocsTable() + "\n" + after,
	} {
		path := fromRoot(t, name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(t, path); got != want {
			t.Errorf("%s is not made from the table of panels; run: go test ./shared/workshop/monitoring -update", name)
		}
	}
	if !strings.Contains(read(t, fromRoot(t, deploy+"/grafana/provisioning/datasources/prometheus.yml")), "uid: "+monitoring.DatasourceUID+"\n") {
		t.Errorf("Grafana's data source is not %s", monitoring.DatasourceUID)
	}
}

func TestPanels(t *testing.T) {
	compose := read(t, fromRoot(t, "docker-compose.yml"))
	titles := make(map[string]bool)
	for _, p := range monitoring.Panels() {
		if p.Title == "" || p.Legend == "" || !strings.HasSuffix(p.Reading, ".") || len(p.Servers) == 0 {
			t.Errorf("panel %+v: title, legend, reading or servers are missing", p)
		}
		if titles[p.Title] {
			t.Errorf("two panels are called %s", p.Title)
		}
		titles[p.Title] = true
		for _, server := range p.Servers {
			if !strings.Contains(compose, "\n  "+server+":") {
				t.Errorf("panel %s needs %s, which docker-compose.yml does not have", p.Title, server)
			}
		}
		if len(monitoring.MetricNames(p.Query)) == 0 {
			t.Errorf("panel %s has no metric", p.Title)
		}
		// A label of the legend must be in the result. An aggregation keeps only the labels that it names.
		for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(p.Legend, -1) {
			if strings.Contains(p.Query, " by (") && !regexp.MustCompile(`by \([^)]*\b`+label[1]+`\b`).MatchString(p.Query) {
				t.Errorf("panel %s: the query does not keep label %s of the legend", p.Title, label[1])
			}
		}
		if strings.ContainsAny(p.Query, "`\n") || strings.Contains(p.Query, "{{") {
			t.Errorf("panel %s: a console template cannot hold the query %s", p.Title, p.Query)
		}
	}
	console := read(t, fromRoot(t, deploy+"/consoles/bytebites.html"))
	if got, want := strings.Count(console, `<div class="panel"`), len(titles); got != want {
		t.Errorf("the console has %d panels, the table %d", got, want)
	}
}

// Every server that monitoring watches is in the course, or no profile starts it.
func TestScrapedServersAreInTheStack(t *testing.T) {
	compose, config := read(t, fromRoot(t, "docker-compose.yml")), read(t, fromRoot(t, scrapeFile))
	names := 0
	for _, list := range regexp.MustCompile(`names: \[(.*)\]`).FindAllStringSubmatch(config, -1) {
		for name := range strings.SplitSeq(list[1], ", ") {
			names++
			if !strings.Contains(compose, "\n  "+name+":") && !strings.Contains(compose, "aliases: [\""+name+"\"]") {
				t.Errorf("%s looks for %s, which docker-compose.yml does not have", scrapeFile, name)
			}
		}
	}
	if names < 10 {
		t.Errorf("found only %d names in %s", names, scrapeFile)
	}
	for _, exporter := range course.Labs().Servers() {
		if slices.Equal(exporter.Profiles, []string{"monitoring"}) && !strings.Contains(config, exporter.Service+":") && exporter.Service != "prometheus" {
			t.Errorf("%s never asks %s", scrapeFile, exporter.Service)
		}
	}
}

// The page says how much CPU and memory the profile may use.
func TestDocsHaveTheQuotas(t *testing.T) {
	cores, memory := 0.0, 0
	for name, service := range readCompose(t) {
		if !slices.Equal(service.Profiles, []string{"monitoring"}) {
			continue
		}
		mebibytes, err := strconv.Atoi(strings.TrimSuffix(service.Memory, "m"))
		if err != nil || service.CPUs == 0 {
			t.Errorf("service %s has %v CPUs and memory %q", name, service.CPUs, service.Memory)
		}
		cores, memory = cores+service.CPUs, memory+mebibytes
	}
	if want := fmt.Sprintf("add up to %.2f of a core and %d MiB", cores, memory); !strings.Contains(read(t, fromRoot(t, docsPage)), want) {
		t.Errorf("%s does not say %q", docsPage, want)
	}
}

func TestMetricNames(t *testing.T) {
	for query, want := range map[string][]string{
		"up": {"up"},
		`sum by (job) (rate(a_total{b=~"c(d|e)", f!='g{'}[5m])) / on (job, h) group_left (i) max_over_time(j:k:l[1m:5s])`: {"a_total", "j:k:l"},
		`histogram_quantile(0.95, sum by (le) (rate(m_bucket[1m]))) > 1e6`:                                                {"m_bucket"},
		`(x or y) == bool 0 and z unless x offset 5m * 2.5`:                                                               {"x", "y", "z"},
		`vector(0)`: nil,
	} {
		if got := monitoring.MetricNames(query); !slices.Equal(got, want) {
			t.Errorf("%s has metrics %v, want %v", query, got, want)
		}
	}
}

func TestHome(t *testing.T) {
	compose := read(t, fromRoot(t, "docker-compose.yml"))
	queries := make([]string, 0, len(monitoring.Panels()))
	for _, p := range monitoring.Panels() {
		queries = append(queries, p.Query)
	}
	recorded := []string{"up", "ALERTS"}
	for _, group := range readRules(t).Groups {
		for _, rule := range group.Rules {
			queries = append(queries, rule.Expr)
			if rule.Record != "" {
				recorded = append(recorded, rule.Record)
			}
		}
	}
	for _, query := range queries {
		for _, metric := range monitoring.MetricNames(query) {
			home := monitoring.Home(metric)
			if known := slices.Contains(recorded, metric); known != (len(home) == 0) {
				t.Errorf("%s in %s: exported by %v, recorded by a rule: %t", metric, query, home, known)
			}
			for _, service := range home {
				if !strings.Contains(compose, "\n  "+service+":") {
					t.Errorf("%s: docker-compose.yml has no service %s", metric, service)
				}
			}
		}
	}
	if got := monitoring.Home("bytebites_copies_failed_total"); !slices.Equal(got, []string{"shard-1"}) {
		t.Errorf("the home of copies is %v", got)
	}
	for want, running := range map[bool][]string{true: {"redis", "nginx"}, false: {"nginx"}} {
		if monitoring.Exists(monitoring.Home("redis_up"), running) != want {
			t.Errorf("redis_up exists while %v run: %t", running, !want)
		}
	}
}

// rules is a file of rules.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Record, Expr, For string
			Labels, Annotations      map[string]string
		}
	}
}

func readRules(t *testing.T) rules {
	t.Helper()
	var r rules
	if err := yaml.Unmarshal([]byte(read(t, fromRoot(t, alertsFile))), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAlertsAreComplete(t *testing.T) {
	docs := read(t, fromRoot(t, docsPage))
	alerts := 0
	for _, group := range readRules(t).Groups {
		for _, rule := range group.Rules {
			if rule.Record != "" {
				continue
			}
			alerts++
			if !slices.Contains([]string{"critical", "warning", "info"}, rule.Labels["severity"]) {
				t.Errorf("alert %s has severity %q", rule.Alert, rule.Labels["severity"])
			}
			for _, name := range []string{"summary", "runbook", "fault"} {
				if rule.Annotations[name] == "" {
					t.Errorf("alert %s has no %s", rule.Alert, name)
				}
			}
			if _, err := os.Stat(fromRoot(t, rule.Annotations["runbook"])); err != nil {
				t.Errorf("alert %s: runbook: %v", rule.Alert, err)
			}
			row := "| `" + rule.Alert + "` | " + rule.Labels["severity"] + " | "
			if !strings.Contains(docs, row) {
				t.Errorf("%s does not have the row %s", docsPage, row)
			}
			if lab := regexp.MustCompile(`^lab (\d+): `).FindStringSubmatch(rule.Annotations["fault"]); lab != nil &&
				!slices.ContainsFunc(course.Labs(), func(l course.Lab) bool { return l.Is(lab[1]) }) {
				t.Errorf("alert %s: there is no lab %s", rule.Alert, lab[1])
			}
		}
	}
	if alerts < 15 {
		t.Errorf("found only %d alerts", alerts)
	}
}

// Each alert has a case in which it fires, and one in which it is silent. TestRules runs them.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Name    string
			Queries []struct {
				Expr string
				Want []any `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, unitTests)), &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := make(map[string]bool), make(map[string]bool)
	for _, test := range file.Tests {
		for _, q := range test.Queries {
			name := regexp.MustCompile(`^ALERTS\{alertname="(\w+)", alertstate="firing"\}$`).FindStringSubmatch(q.Expr)
			switch {
			case name == nil:
				t.Errorf("case %s asks %s", test.Name, q.Expr)
			case len(q.Want) > 0:
				fires[name[1]] = true
			default:
				silent[name[1]] = true
			}
		}
	}
	for _, group := range readRules(t).Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" && (!fires[rule.Alert] || !silent[rule.Alert]) {
				t.Errorf("alert %s: fires in a case: %t, is silent in one: %t", rule.Alert, fires[rule.Alert], silent[rule.Alert])
			}
		}
	}
}
