package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/userenv"
)

// TestEnvironment compares the table of variables with the rules.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("environment.md")
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		names             []string
		reader, treatment string
	}
	var got, want []row
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| `") {
			continue
		}
		r := row{reader: cells[1], treatment: strings.TrimSuffix(cells[2], " |")}
		for _, match := range code.FindAllStringSubmatch(cells[0], -1) {
			r.names = append(r.names, match[1])
		}
		got = append(got, r)
	}
	for _, rule := range userenv.Rules() {
		want = append(want, row{rule.Names, rule.Reader, string(rule.Treatment)})
	}
	if !slices.EqualFunc(got, want, func(a, b row) bool {
		return slices.Equal(a.names, b.names) && a.reader == b.reader && a.treatment == b.treatment
	}) {
		t.Errorf("environment.md says\n%v\nthe rules are\n%v", got, want)
	}
}
