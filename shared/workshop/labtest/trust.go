package labtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/markdown"
)

// trustPage is the page with the rules of every lab, from the module's root.
const trustPage = "docs/trust.md"

// rule is a row of the page: a rule, the checks that reject its violation, and the wrong
// answers that prove it.
type rule struct {
	text           string
	checks, wrongs []string
}

var quoted = regexp.MustCompile("`([^`]+)`")

// rulesOf returns the rules of a section's tables. Their columns are: rule, stated in, check,
// wrong answer. Names of checks and of answers are in backticks.
func rulesOf(section string) ([]rule, error) {
	var rules []rule
	var errs []error
	names := func(cell string) []string {
		var all []string
		for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
			all = append(all, match[1])
		}
		return all
	}
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| rule |") || strings.HasPrefix(line, "| ---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 4 {
			errs = append(errs, fmt.Errorf("%.60s: %d columns, want rule, stated in, check, wrong answer", line, len(cells)))
			continue
		}
		rules = append(rules, rule{text: strings.TrimSpace(cells[0]), checks: names(cells[2]), wrongs: names(cells[3])})
	}
	return rules, errors.Join(errs...)
}

// holdAgainst returns the differences between the rules of the page and a lab's checks and
// wrong answers: every rule has a check and a wrong answer that this check rejects, every core
// check and every wrong answer has a rule.
func holdAgainst(rules []rule, answers lab.Answers) error {
	var errs []error
	problemf := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	checks := answers.Wrong[0].Lab.Checks
	ruled := make(map[string]bool) // checks and answers with a rule
	for _, r := range rules {
		if len(r.checks) == 0 || len(r.wrongs) == 0 {
			problemf("rule %q: want a check and a wrong answer", r.text)
		}
		for _, name := range r.checks {
			ruled["check "+name] = true
			if !slices.ContainsFunc(checks, func(c lab.Check) bool { return c.Name == name }) {
				problemf("rule %q: no check %q", r.text, name)
			}
		}
		for _, name := range r.wrongs {
			ruled["answer "+name] = true
			at := slices.IndexFunc(answers.Wrong, func(w lab.Wrong) bool { return w.Name == name })
			switch {
			case at < 0:
				problemf("rule %q: no wrong answer %q", r.text, name)
			case !slices.Contains(r.checks, answers.Wrong[at].Check):
				problemf("rule %q: wrong answer %q is rejected by %q, which the row does not name", r.text, name, answers.Wrong[at].Check)
			}
		}
	}
	for _, c := range checks {
		if c.Kind == lab.Core && !c.Timed && !ruled["check "+c.Name] {
			problemf("check %q has no rule", c.Name)
		}
	}
	for _, w := range answers.Wrong {
		if !ruled["answer "+w.Name] {
			problemf("wrong answer %q breaks no rule", w.Name)
		}
	}
	return errors.Join(errs...)
}

// trusted holds the page's section of a lab against the lab. A lab without a section, such as
// one of a test, has nothing to hold, and so has a test that runs outside the module.
func trusted(answers lab.Answers) error {
	root, err := modroot.Root()
	if err != nil {
		return nil //nolint:nilerr // outside the module there is no page
	}
	page, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(trustPage)))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	name := answers.Wrong[0].Lab.Name
	for _, section := range markdown.Sections(string(page)) {
		if section.Title != name {
			continue
		}
		rules, err := rulesOf(section.Text)
		if err := errors.Join(err, holdAgainst(rules, answers)); err != nil {
			return fmt.Errorf("%s, section %s:\n%w", trustPage, name, err)
		}
	}
	return nil
}
