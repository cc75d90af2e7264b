// Package lab is the frame of a lab's checks. A lab is a list of named checks and gains,
// and of the stages that they stand on. The Go tests, the command line and the reports
// read the same list, so the demands of a lab exist once.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Kind says what a check counts for.
type Kind string

// A lab is passed when its core checks pass. Stretch checks are for learners who want more.
const (
	Core    Kind = "core"
	Stretch Kind = "stretch"
)

// Mode says how much of a lab a run does.
type Mode string

// The modes of a run, as EnvMode carries them.
const (
	// ModeTest is plain `go test`: all core checks and counts, no timed gain, and no deep dive that
	// needs servers: `check` and `verify` run those. A lab whose files still carry a TODO skips its
	// goals.
	ModeTest Mode = ""
	// ModeQuick is `go test` right before `verify`, which runs all of it: of ModeTest, only the checks
	// that need no server.
	ModeQuick Mode = "quick"
	// ModeList writes the List of the lab and runs nothing.
	ModeList Mode = "list"
	// ModeCheck is `check NN`: everything, TODO or not.
	ModeCheck Mode = "check"
	// ModeVerify is `verify` on a starter or on wrong answers: everything that is not
	// timed, TODO or not. A wrong answer runs its named check and the needs of that check.
	ModeVerify Mode = "verify"
	// ModeProof is `verify --full` on wrong answers: as ModeVerify, with all checks, which
	// proves that no other check rejects the answer.
	ModeProof Mode = "proof"
	// ModeFull is `verify --full` on a solution: the long runs, everything, TODO or not.
	ModeFull Mode = "full"
)

// Modes returns all modes.
func Modes() []Mode {
	return []Mode{ModeTest, ModeQuick, ModeList, ModeCheck, ModeVerify, ModeProof, ModeFull}
}

// timed reports whether measured times and rates are judged.
func (m Mode) timed() bool { return m == ModeCheck || m == ModeFull }

// The time limits of checks and stages that declare none.
const (
	defaultCheckTimeout = 3 * time.Minute
	defaultStageTimeout = 4 * time.Minute
)

// Check is one demand of a lab.
type Check struct {
	Name   string // short, in lower case, unique in the lab
	Proves string // one sentence that a learner reads
	Kind   Kind
	// Step is the number of the lesson's step that the check belongs to, from 1.
	Step int
	// Whole says that a run of the step leaves the check out, because its servers or its work take too
	// long for the learner's loop. A run of the whole lab has it, and so has one of the check alone.
	Whole bool
	// Needs names the stages that must be up, and the checks that must pass, before this
	// check can be judged. Without that it is NotReached. A check that names no stage,
	// directly or through its needs, starts no server.
	Needs []string
	// Guards are further checks that must pass first, so that the learner reads their message. This
	// check would fail for the same reason, with a message that explains less. An answer has one known
	// mistake, so in ModeVerify the runs of a Series leave the guards out.
	Guards []string
	// Timeout bounds Run; 0 stands for 3 minutes. A check that exceeds it is Inconclusive.
	Timeout time.Duration
	// Timed checks judge a measured time or rate; plain tests leave them out.
	Timed bool
	// Run returns nil when the demand is met, *Failure when it is not, *Doubt when the
	// run could not tell. Any other error blames the environment, not the learner.
	Run func(ctx context.Context, run *Run) error
}

// Stage is something that checks share: servers, replicas, a load that has been sent. It
// is started when the first check that needs it is about to run, and ended with the run.
type Stage struct {
	Name string // unique among the names of stages, checks and gains
	// Starts names the things that are started, as a phrase: "two replicas of your service".
	Starts string
	// Needs names the stages that must be up first. Stages that do not need one another
	// start side by side.
	Needs []string
	// Timeout bounds Start; 0 stands for 4 minutes.
	Timeout time.Duration
	// Alone says that these servers load the whole machine: of the runs of a Series, those with
	// this stage go one after another.
	Alone bool
	// Separate says that each check makes what it needs on these servers for itself, such as databases of its
	// own. Checks that stand on Separate stages alone, or on none, share nothing that changes: a run of the lab
	// runs a few of them side by side, unless they are Timed.
	Separate bool
	// Start starts the stage and returns what ends it, which may be nil. End is called
	// also when err is not nil. Errors are classed as those of a check are.
	Start func(ctx context.Context, run *Run) (end func() error, err error)
}

// Gain is what a lab's step buys, measured.
type Gain struct {
	Name   string
	Proves string
	Unit   string
	Floor  float64 // the least ratio, better over worse, that passes
	// Needs is as that of a check. In a run of the whole lab all core checks must pass too:
	// a wrong answer that is fast gains nothing. Of the timed ones, a gain that is a count
	// demands only that none is NotYet.
	Needs []string
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
	// AtLeast says that the variant after was not at its limit, so the true ratio is no lower and perhaps higher.
	// Then a gain under the floor is Inconclusive.
	AtLeast bool
	// BeforeCost and AfterCost are nil for a gain that has no rate of answers.
	BeforeCost, AfterCost *Cost
}

// Lab is what a lab demands, in the order in which it is run.
type Lab struct {
	Name string // such as "00-baseline"
	// Files are the starter's, where TODO marks are looked for.
	Files fs.FS
	// Claim waits for the share of the machine that a run with stages needs, and returns
	// what gives it back. It is called before the first stage starts; waiting counts
	// against no timeout of a check or stage. Nil claims nothing.
	Claim  func(ctx context.Context, run *Run) (release func(), err error)
	Stages []Stage
	Checks []Check
	Gains  []Gain
	// Starter names the checks and gains that the starter must fail, each for the reason
	// that the lab teaches. `verify` demands that of those that it runs (the ones that are
	// not timed) exactly these are NotYet; all others pass or are NotReached. At least one
	// must be among them.
	Starter []string
	// Next is what a learner does after a pass.
	Next string
}

// Validate returns the faults of the list itself: a missing or repeated name, a need or a
// Starter without a match, a step under 1.
func (l Lab) Validate() error {
	var errs []error
	problemf := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("lab %s: "+format, append([]any{l.Name}, args...)...))
	}
	if l.Name == "" {
		errs = append(errs, errors.New("a lab without a name"))
	}
	nodes := l.nodes()
	names := make([]string, 0, len(nodes))
	for _, n := range nodes {
		if n.name == "" || slices.Contains(names, n.name) {
			problemf("%s %q: want a name that no other has", n.what(), n.name)
		}
		names = append(names, n.name)
	}
	for i, n := range nodes {
		for _, need := range n.needs {
			at := slices.IndexFunc(nodes, func(other node) bool { return other.name == need })
			switch {
			case at < 0:
				problemf("%s %q needs %q, which is no stage and no check", n.what(), n.name, need)
			case at >= i || nodes[at].gain != nil:
				problemf("%s %q needs %q, which does not come before it", n.what(), n.name, need)
			case n.stage != nil && nodes[at].stage == nil:
				problemf("stage %q needs the check %q; a stage needs stages only", n.name, need)
			case nodes[at].timed() && !n.timed():
				problemf("%s %q needs %q, which is timed and left out by plain tests", n.what(), n.name, need)
			}
		}
		if n.check != nil && n.check.Step < 1 {
			problemf("check %q: want the step of the lesson that it belongs to", n.name)
		}
		if n.check != nil && n.check.Whole && !l.List().hasStep(n.check.Step) {
			problemf("check %q: step %d has only checks that are left to a run of the whole lab", n.name, n.check.Step)
		}
	}
	for _, name := range l.Starter {
		at := slices.IndexFunc(nodes, func(n node) bool { return n.name == name })
		if at < 0 || nodes[at].stage != nil {
			problemf("the starter is to fail %q, which is no check or gain", name)
		}
	}
	return errors.Join(errs...)
}
