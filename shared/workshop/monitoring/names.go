package monitoring

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// notNames are the parts of a query without names of metrics: texts, label matchers, ranges, lists of labels.
	notNames = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`[^`]*`|\\{[^}]*\\}|\\[[^\\]]*\\]|" +
		`\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	identifier = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*(\s*\()?`)
	number     = regexp.MustCompile(`\b\d[\d.]*(?:e[+-]?\d+|ms|[smhdwy])?\b`) // or a duration
)

// operators are the words of PromQL that are neither functions nor metrics.
var operators = []string{"and", "or", "unless", "bool", "offset", "inf", "nan", "by", "without", "on", "ignoring", "group_left", "group_right"}

// MetricNames returns the names of the metrics in a PromQL query, sorted, each once. It does not
// check the query: promtool does.
func MetricNames(query string) []string {
	// Texts and matchers may hold a parenthesis or a brace, so they go first.
	rest := notNames.ReplaceAllString(query, " ")
	rest = number.ReplaceAllString(rest, " ")
	var names []string
	for _, match := range identifier.FindAllStringSubmatch(rest, -1) {
		if match[1] == "" && !slices.Contains(operators, match[0]) {
			names = append(names, match[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// homes are the services of docker-compose.yml that export metrics, or whose numbers an exporter exports, by the start of
// the metrics' names. Of several starts that fit, the longest counts.
var homes = map[string][]string{
	"http_":                {"service", "replica-1"},
	"go_sql_":              {"service", "replica-1"},
	"bytebites_order_":     {"service", "replica-1"},
	"bytebites_copies_":    {"shard-1"}, // from the replicas, once there are shards
	"bytebites_partial_":   {"shard-1"},
	"bytebites_outbox_":    {"relay"},
	"bytebites_events_":    {"relay"},
	"bytebites_broker_":    {"relay"},
	"bytebites_message":    {"worker"},
	"bytebites_core_price": {"engine-stats"},
	"container_":           {"engine-stats"},
	"pg_":                  {"postgres"},
	"redis_":               {"redis"},
	"nginx_":               {"nginx"},
	"rabbitmq_":            {"rabbitmq"},
}

// Home returns the services without which a metric does not exist; one of them is enough. It returns nothing for metrics
// of Prometheus itself, among which are those of recording rules.
func Home(metric string) []string {
	longest := ""
	for start := range homes {
		if strings.HasPrefix(metric, start) && len(start) > len(longest) {
			longest = start
		}
	}
	return homes[longest]
}

// Exists reports whether a metric of one of these services exists while those others run.
func Exists(homes, running []string) bool {
	return len(homes) == 0 || slices.ContainsFunc(homes, func(home string) bool { return slices.Contains(running, home) })
}
