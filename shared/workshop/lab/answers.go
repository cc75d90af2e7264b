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
	Check string // the check that must reject it, by correctness or a count; a stretch check for a deep dive
	// Also names further checks, or stages, that may reject it too, because the same mistake
	// shows in them. Only a run of all checks, ModeProof, looks at these.
	Also []string
	// Flaw is the number of the step whose flaw this is: the solution with the starter's code
	// of that step. The checks of all other steps accept it. 0 means that it is no step's flaw.
	Flaw int
	Lab  Lab // the lab's spec, on this wrong subject
}

// Right is an answer to a lab that differs from the solution in its construction and keeps
// every rule. It proves that the checks judge what a user can see, and not how it is written.
type Right struct {
	Name string // short, in kebab-case; also the service's --variant where it has one
	Why  string // one sentence: what differs, and why it is as right
	// Checks are those that might judge it wrongly, none of them timed. Only a run of all
	// checks, ModeProof, runs the others.
	Checks []string
	Lab    Lab // the lab's spec, on this subject
}

// Answers are a lab's proof that its checks reject wrong answers and accept right ones.
type Answers struct {
	Wrong []Wrong
	Right []Right
}

var kebabCase = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Validate returns the faults of the lists. It runs none of the answers.
func (a Answers) Validate() error {
	var errs []error
	names := make(map[string]bool)
	add := func(name string, problems []string) {
		if !kebabCase.MatchString(name) {
			problems = append(problems, "want a name in kebab-case")
		}
		if names[name] {
			problems = append(problems, "there are two of that name")
		}
		names[name] = true
		for _, problem := range problems {
			errs = append(errs, fmt.Errorf("answer %q: %s", name, problem))
		}
	}
	for _, w := range a.Wrong {
		add(w.Name, w.problems())
	}
	for _, r := range a.Right {
		add(r.Name, r.problems())
	}
	return errors.Join(errs...)
}

func (w Wrong) problems() []string {
	problems := w.Lab.answerProblems(w.Why)
	switch i := w.Lab.index(w.Check); {
	case i < 0:
		problems = append(problems, fmt.Sprintf("there is no check %q", w.Check))
	case w.Lab.Checks[i].Timed:
		problems = append(problems, fmt.Sprintf("check %q is timed, and a clock proves nothing", w.Check))
	}
	if i := w.Lab.index(w.Check); w.Flaw != 0 && i >= 0 && w.Lab.Checks[i].Step != w.Flaw {
		problems = append(problems, fmt.Sprintf("it is the flaw of step %d, and check %q belongs to step %d", w.Flaw, w.Check, w.Lab.Checks[i].Step))
	}
	for _, name := range w.Also {
		if i := w.Lab.index(name); w.Flaw != 0 && i >= 0 && w.Lab.Checks[i].Kind == Core && w.Lab.Checks[i].Step != w.Flaw {
			problems = append(problems, fmt.Sprintf("it is the flaw of step %d, and check %q of step %d may not reject it", w.Flaw, name, w.Lab.Checks[i].Step))
		}
		stage := slices.ContainsFunc(w.Lab.Stages, func(s Stage) bool { return s.Name == name })
		if w.Lab.index(name) < 0 && !stage {
			problems = append(problems, fmt.Sprintf("there is no check or stage %q", name))
		}
	}
	return problems
}

func (r Right) problems() []string {
	problems := r.Lab.answerProblems(r.Why)
	if len(r.Checks) == 0 {
		problems = append(problems, "want the checks that might judge it wrongly")
	}
	for _, name := range r.Checks {
		switch i := r.Lab.index(name); {
		case i < 0:
			problems = append(problems, fmt.Sprintf("there is no check %q", name))
		case r.Lab.Checks[i].Timed:
			problems = append(problems, fmt.Sprintf("check %q is timed, and a clock proves nothing", name))
		}
	}
	return problems
}

// answerProblems returns the mistakes that a right and a wrong answer can share.
func (l Lab) answerProblems(why string) []string {
	var problems []string
	if why == "" {
		problems = append(problems, "want the reason why somebody would write it")
	}
	if err := l.Validate(); err != nil {
		problems = append(problems, err.Error())
	}
	return problems
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

// RightResult is the outcome of a right answer.
type RightResult struct {
	Name   string `json:"name"`
	Result Result `json:"result"`
}

// Verdict is Pass when every core check that ran, and every check that the answer names,
// passed. Else it is the gravest verdict of a check, and the reason names the checks.
func (r RightResult) Verdict() (verdict Verdict, reason string) {
	verdict = Pass
	var reasons []string
	for _, check := range r.Result.Checks {
		if check.Verdict == Pass || check.Kind == Stretch && check.Verdict != Environment && !slices.Contains(r.Result.Names, check.Name) {
			continue
		}
		v := check.Verdict
		if v == NotReached {
			v = NotYet
		}
		if v.severity() > verdict.severity() {
			verdict = v
		}
		reasons = append(reasons, fmt.Sprintf("check %q: %s: %s", check.Name, check.Verdict, check.Detail))
	}
	if len(r.Result.Checks) == 0 {
		return NotYet, "no check ran"
	}
	return verdict, strings.Join(reasons, "; ")
}

// AnswerResults are the outcomes of a lab's answers, as they travel from its test to the
// command line.
type AnswerResults struct {
	Wrong []WrongResult `json:"wrong"`
	Right []RightResult `json:"right"`
}

// WriteFile writes the results as JSON, in one step, as Result.WriteFile does.
func (r AnswerResults) WriteFile(path string) error { return writeFile(path, r) }
