package labtest

import (
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

func TestRules(t *testing.T) {
	toy := lab.Lab{Name: "00-toy", Checks: []lab.Check{
		{Name: "index", Kind: lab.Core}, {Name: "pages", Kind: lab.Core}, {Name: "tidy", Kind: lab.Stretch}, {Name: "rate", Kind: lab.Core, Timed: true},
	}}
	answers := lab.Answers{Wrong: []lab.Wrong{
		{Name: "no-index", Check: "index", Lab: toy}, {Name: "all-pages", Check: "pages", Lab: toy},
	}}
	const head = "Text.\n\n| rule | stated in | check | wrong answer |\n| --- | --- | --- | --- |\n"
	const index = "| There is an index. | README | `index` | `no-index` |\n"
	const pages = "| A read takes few pages. | README, hint 2 | `index`, `pages` | `all-pages` |\n"
	tests := []struct {
		name, section, problem string
	}{
		{"good", head + index + pages, ""},
		{"with a sentence between tables", head + index + "\nAnd:\n\n" + head + pages, ""},
		{"a column too few", head + index + pages + "| x | README | `index` |\n", "3 columns"},
		{"no check", head + index + pages + "| x | README | none | `no-index` |\n", "want a check and a wrong answer"},
		{"no answer", head + index + pages + "| x | README | `index` | none |\n", "want a check and a wrong answer"},
		{"an unknown check", head + index + pages + "| x | README | `index`, `indexes` | `no-index` |\n", `no check "indexes"`},
		{"an unknown answer", head + index + pages + "| x | README | `index` | `noindex` |\n", `no wrong answer "noindex"`},
		{"another check's answer", head + index + pages + "| x | README | `pages` | `no-index` |\n", `rejected by "index"`},
		{"a check without a rule", head + index + strings.Replace(pages, "`index`, `pages`", "`index`", 1), `check "pages" has no rule`},
		{"an answer without a rule", head + index + strings.Replace(pages, "`all-pages`", "`no-index`", 1), `wrong answer "all-pages" breaks no rule`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules, err := rulesOf(tt.section)
			if err == nil {
				err = holdAgainst(rules, answers)
			}
			if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("got %v, want an error with %q", err, tt.problem)
			}
		})
	}
}

func TestFlaws(t *testing.T) {
	labs := course.Course{{Number: 0, Name: "00-toy", Steps: []course.Step{
		{Number: 1, Name: "write the index", Minutes: 5, Places: []string{"index.sql"}}, {Number: 2, Name: "read fewer pages", Minutes: 5, Places: []string{"pages.go"}},
	}}}
	toy := lab.Lab{Name: "00-toy", Checks: []lab.Check{
		{Name: "index", Kind: lab.Core, Step: 1}, {Name: "pages", Kind: lab.Core, Step: 2}, {Name: "order", Kind: lab.Core, Step: 2, Needs: []string{"service"}},
		{Name: "tidy", Kind: lab.Stretch, Step: 2}, {Name: "rate", Kind: lab.Core, Step: 2, Timed: true},
	}, Stages: []lab.Stage{{Name: "service"}}}
	first, second := lab.Wrong{Name: "no-index", Check: "index", Flaw: 1, Lab: toy}, lab.Wrong{Name: "all-pages", Check: "pages", Flaw: 2, Lab: toy}
	if err := flawsOf(labs, lab.Answers{Wrong: []lab.Wrong{first, second}}); err != nil {
		t.Error(err)
	}
	if err := flawsOf(labs, lab.Answers{Wrong: []lab.Wrong{first}}); err == nil || !strings.Contains(err.Error(), "step 2") {
		t.Errorf("without the flaw of step 2: %v", err)
	}
	if got, want := checksOf(first), []string{"index", "pages"}; !slices.Equal(got, want) {
		t.Errorf("the flaw of step 1 is judged by %v, want %v", got, want)
	}
	first.Flaw = 0
	if got, want := checksOf(first), []string{"index"}; !slices.Equal(got, want) {
		t.Errorf("an answer that is no flaw is judged by %v, want %v", got, want)
	}
}
