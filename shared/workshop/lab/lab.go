// Package lab is the frame of a lab's checks: a list of named checks and gains that
// the lab's own test, the command line and the reports all read, so that there is one
// copy of what a lab demands, whoever asks.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Kind says what a check counts for.
type Kind string

// A lab is passed when its core checks are; stretch checks are for those who want more.
const (
	Core    Kind = "core"
	Stretch Kind = "stretch"
)

// Mode says how much of a lab a run does.
type Mode string

// The modes of a run, as EnvMode carries them.
const (
	// ModeTest is plain `go test`: checks, counts included, but no timed gain; a lab
	// whose files still carry a TODO skips its goals.
	ModeTest Mode = ""
	// ModeCheck is `check NN`: everything, TODO or not.
	ModeCheck Mode = "check"
	// ModeVerify is `verify` on a starter or on wrong answers: everything that is not
	// timed, TODO or not.
	ModeVerify Mode = "verify"
	// ModeFull is `verify --full`: the long runs, everything, TODO or not.
	ModeFull Mode = "full"
)

// timed reports whether measured times and rates are judged.
func (m Mode) timed() bool { return m == ModeCheck || m == ModeFull }

// Check is one demand of a lab.
type Check struct {
	Name   string // short, in lower case, unique in the lab
	Proves string // one sentence that a learner reads
	Kind   Kind
	// Timed checks judge a measured time or rate; plain tests leave them out.
	Timed bool
	// Run returns nil when the demand is met, *Failure when it is not, *Doubt when the
	// run could not tell. Any other error blames the environment, not the learner.
	Run func(ctx context.Context, run *Run) error
}

// Gain is what a lab's step buys, measured.
type Gain struct {
	Name   string
	Proves string
	Unit   string
	Floor  float64 // the least ratio, better over worse, that passes
	// Timed gains are left out by plain tests; counted ones never are.
	Timed bool
	// Measure returns the gain, or an error as Check.Run does.
	Measure func(ctx context.Context, run *Run) (Measured, error)
}

// Measured is what Gain.Measure saw.
type Measured struct {
	Before, After float64
	Ratio         float64
	Low, High     float64 // the interval of the ratio; both zero for a count
	Pairs         int
}

// Lab is what a lab demands, in the order in which it is run.
type Lab struct {
	Name string // such as "00-baseline"
	// Files are the starter's, where TODO marks are looked for.
	Files fs.FS
	// Prepare starts what the checks share, and returns what ends it. Its errors are
	// classed as a check's are.
	Prepare func(ctx context.Context, run *Run) (end func() error, err error)
	Checks  []Check
	Gains   []Gain
	// Starter names the checks and gains that the starter must fail, each for the reason
	// that the lab teaches. `verify` demands that of those that it runs (the ones that are
	// not timed) exactly these fail, so at least one must be among them.
	Starter []string
	// Next is what a learner does after a pass.
	Next string
}

// Validate returns what is wrong with the list itself: a name that is missing or given
// twice, a Starter that names nothing.
func (l Lab) Validate() error {
	var names []string
	for _, check := range l.Checks {
		names = append(names, check.Name)
	}
	for _, gain := range l.Gains {
		names = append(names, gain.Name)
	}
	var errs []error
	if l.Name == "" {
		errs = append(errs, errors.New("a lab without a name"))
	}
	for i, name := range names {
		if name == "" || slices.Contains(names[:i], name) {
			errs = append(errs, fmt.Errorf("lab %s: check or gain %q: want a name that no other has", l.Name, name))
		}
	}
	for _, name := range l.Starter {
		if !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("lab %s: the starter is to fail %q, which is no check or gain", l.Name, name))
		}
	}
	return errors.Join(errs...)
}

// Failure says that a demand is not met: the learner's to mend.
type Failure struct {
	Expected string
	Seen     string
	Look     string // where to look next
}

// Error tells all three in one line.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "expected %s; saw %s", f.Expected, f.Seen)
	if f.Look != "" {
		fmt.Fprintf(&b, "; look at %s", f.Look)
	}
	return b.String()
}

// Doubt says that a run cannot tell: the machine was too noisy, or the load generator
// or the host was the bottleneck.
type Doubt struct {
	Reason string
	Remedy string
}

func (d *Doubt) Error() string {
	if d.Remedy == "" {
		return d.Reason
	}
	return d.Reason + "; " + d.Remedy
}

// Classify returns the verdict that an error of a check stands for.
func Classify(err error) Verdict {
	var failure *Failure
	var doubt *Doubt
	switch {
	case err == nil:
		return Pass
	case errors.As(err, &failure):
		return NotYet
	case errors.As(err, &doubt):
		return Inconclusive
	default:
		return Environment
	}
}

// Mark returns what marks work for the learner of a lab such as "00-baseline":
// "TODO(lab 00)".
func Mark(lab string) string {
	number, _, _ := strings.Cut(lab, "-")
	return "TODO(lab " + number + ")"
}

// Todos returns the places, as "file:line: text", where files still carry the mark of
// the lab.
func Todos(files fs.FS, lab string) ([]string, error) {
	mark := Mark(lab)
	var todos []string
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if at := strings.Index(line, mark); at >= 0 {
				todos = append(todos, fmt.Sprintf("%s:%d: %s", path, i+1, strings.TrimSpace(line[at:])))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("starter files: %w", err)
	}
	return todos, nil
}
