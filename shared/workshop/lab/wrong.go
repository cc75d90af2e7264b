package lab

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Wrong is a plausible wrong answer to a lab. It proves that a check can fail.
type Wrong struct {
	Name  string // short, in kebab-case; also the service's --variant where it has one
	Why   string // one sentence: why a reasonable person would write this
	Check string // the core check that must reject it, by correctness or a count
	// Also names further checks that may reject it too, because the same mistake shows
	// in them. Only a run of all checks, ModeProof, looks at these.
	Also []string
	Lab  Lab // the lab's spec, on this wrong subject
}

var kebabCase = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// ValidateWrongs returns the faults of a lab's list of wrong answers. It runs none of them.
func ValidateWrongs(wrongs ...Wrong) error {
	var errs []error
	names := make(map[string]bool)
	for _, w := range wrongs {
		if err := w.validate(); err != nil {
			errs = append(errs, err)
		}
		if names[w.Name] {
			errs = append(errs, fmt.Errorf("wrong answer %q: there are two of that name", w.Name))
		}
		names[w.Name] = true
	}
	return errors.Join(errs...)
}

func (w Wrong) validate() error {
	var errs []error
	problemf := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("wrong answer %q: "+format, append([]any{w.Name}, args...)...))
	}
	if !kebabCase.MatchString(w.Name) {
		problemf("want a name in kebab-case")
	}
	if w.Why == "" {
		problemf("want the reason why somebody would write it")
	}
	if err := w.Lab.Validate(); err != nil {
		errs = append(errs, err)
	}
	switch i := w.Lab.index(w.Check); {
	case i < 0:
		problemf("there is no check %q", w.Check)
	case w.Lab.Checks[i].Kind != Core:
		problemf("check %q is not a core check, so it decides nothing", w.Check)
	case w.Lab.Checks[i].Timed:
		problemf("check %q is timed, and a clock proves nothing", w.Check)
	}
	for _, name := range w.Also {
		if w.Lab.index(name) < 0 {
			problemf("there is no check %q", name)
		}
	}
	return errors.Join(errs...)
}

// index returns the place of a check in the lab's list, or -1.
func (l Lab) index(check string) int {
	return slices.IndexFunc(l.Checks, func(c Check) bool { return c.Name == check })
}

// WrongResult is the outcome of a wrong answer.
type WrongResult struct {
	Name   string   `json:"name"`
	Check  string   `json:"check"`
	Also   []string `json:"also"`
	Result Result   `json:"result"`
}

// Verdict is Pass when the named check rejected the answer and no check beside those
// allowed did. It is Environment or Inconclusive when a check was. Else it is NotYet: the
// checks do not tell this answer from a right one. The
// reason says which, and is empty for a pass.
func (w WrongResult) Verdict() (verdict Verdict, reason string) {
	verdict = Pass
	var reasons []string
	worsen := func(v Verdict, format string, args ...any) {
		if v.severity() > verdict.severity() {
			verdict = v
		}
		reasons = append(reasons, fmt.Sprintf(format, args...))
	}
	rejected := false
	for _, check := range w.Result.Checks {
		named := check.Name == w.Check
		rejected = rejected || named && check.Verdict != Pass && check.Verdict != NotReached
		switch check.Verdict {
		case Environment, Inconclusive:
			worsen(check.Verdict, "check %q: %s: %s", check.Name, check.Verdict, check.Detail)
		case NotYet:
			if !named && !slices.Contains(w.Also, check.Name) {
				worsen(NotYet, "check %q rejected it too: %s", check.Name, check.Detail)
			}
		}
	}
	if !rejected && (verdict == Pass || verdict == NotYet || w.passed()) {
		worsen(NotYet, "check %q did not reject it", w.Check)
	}
	return verdict, strings.Join(reasons, "; ")
}

// passed reports whether the named check accepted the answer.
func (w WrongResult) passed() bool {
	return slices.ContainsFunc(w.Result.Checks, func(c CheckResult) bool { return c.Name == w.Check && c.Verdict == Pass })
}

// WrongResults are the outcomes of a lab's wrong answers, as they travel from its test to
// the command line.
type WrongResults []WrongResult

// WriteFile writes the results as JSON, in one step, as Result.WriteFile does.
func (r WrongResults) WriteFile(path string) error { return writeFile(path, r) }
