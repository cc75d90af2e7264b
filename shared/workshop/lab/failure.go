package lab

import (
	"errors"
	"fmt"
	"strings"
)

// Look is the place in the lab's files where a learner mends a failure.
type Look struct {
	// File is one that the learner edits, as a path in the lab's folder: "router.go".
	File string `json:"file"`
	// Func is the function or method in it: "NewRouter", "router.Plan". It is empty for a
	// file without functions, such as nginx.conf.
	Func string `json:"func,omitempty"`
	// Hint is a question or an advice, as a phrase.
	Hint string `json:"hint,omitempty"`
}

// String returns the place in one line: "router.go, router.Plan: which server has more
// than its share?". It is empty for the zero Look.
func (l Look) String() string {
	place := l.File
	if l.Func != "" {
		place += ", " + l.Func
	}
	switch {
	case place == "":
		return l.Hint
	case l.Hint == "":
		return place
	default:
		return place + ": " + l.Hint
	}
}

// Failure says that a demand is not met: the learner's to mend.
type Failure struct {
	// Where is the circumstance, such as "order 3": what wraps the failure says it. Checks
	// leave it empty and wrap the failure instead.
	Where    string `json:"where,omitempty"`
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	Look     Look   `json:"look,omitzero"` // where to look next
	// Waited says that the failure rests on time: on an answer, or a state, that did not come
	// within a limit. On a machine without idle time in that wait it is a Doubt. It is zero
	// for what rests on counts, answers and state: they are the same on every machine.
	Waited Waited `json:"-"`
}

// Error tells all three in one line.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "expected %s; saw %s", f.Expected, f.Seen)
	if f.Look != (Look{}) {
		fmt.Fprintf(&b, "; look at %s", f.Look)
	}
	return b.String()
}

// Doubt says that a run cannot tell: the machine was too noisy, or the load generator
// or the host was the bottleneck.
type Doubt struct {
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

func (d *Doubt) Error() string {
	if d.Remedy == "" {
		return d.Reason
	}
	return d.Reason + "; " + d.Remedy
}

// Classify returns the verdict that an error of a check stands for.
func Classify(err error) Verdict {
	verdict, _, _ := bench{}.classify(err)
	return verdict
}

// classify also returns the failure or the doubt that the error carries. Of joined errors
// the gravest decides: a failure beside an error of the environment may be its consequence.
func (b bench) classify(err error) (Verdict, *Failure, *Doubt) {
	if err == nil {
		return Pass, nil, nil
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		switch e := inner.(type) { //nolint:errorlint // the loop unwraps
		case *Failure:
			told := *e
			if before, ok := strings.CutSuffix(err.Error(), e.Error()); ok {
				told.Where = strings.TrimSuffix(before, ": ")
			}
			if doubt := b.busy(e.Waited, err.Error()); doubt != nil {
				return Inconclusive, nil, doubt
			}
			return NotYet, &told, nil
		case *Doubt:
			return Inconclusive, nil, e
		case interface{ Unwrap() []error }:
			return b.gravest(e.Unwrap())
		}
	}
	if doubt := b.busy(Late(err), err.Error()); doubt != nil {
		return Inconclusive, nil, doubt
	}
	return Environment, nil, nil
}

// gravest classifies each error and returns the first of the gravest verdicts.
func (b bench) gravest(errs []error) (verdict Verdict, failure *Failure, doubt *Doubt) {
	verdict = Pass
	for _, err := range errs {
		if v, f, d := b.classify(err); v.severity() > verdict.severity() {
			verdict, failure, doubt = v, f, d
		}
	}
	return verdict, failure, doubt
}
