package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bytebites.example/workshop/shared/measure/chart"
)

// The environment variables through which the command line and a lab's test talk.
const (
	// EnvResult names the file that a test writes its Result to.
	EnvResult = "WORKSHOP_RESULT"
	// EnvMode says how much of a lab to run; see Mode.
	EnvMode = "WORKSHOP_MODE"
	// EnvStep and EnvOnly carry the Selection: a number, and a name.
	EnvStep = "WORKSHOP_STEP"
	EnvOnly = "WORKSHOP_ONLY"
	// EnvServerless is "true" when the Selection is Serverless.
	EnvServerless = "WORKSHOP_SERVERLESS"
	// EnvMine holds the numbers of the labs below that are the learner's own, such as "00,03".
	EnvMine = "WORKSHOP_MINE"
	// EnvTimeout is the time limit of a run, such as "30m0s". Waiting for the machine does not
	// count.
	EnvTimeout = "WORKSHOP_TIMEOUT"
)

// Verdict is what a run says of a lab, a check or a gain.
type Verdict string

// The four verdicts. They are never confused: a machine that cannot tell, or cannot
// run the lab at all, says nothing about the learner's code.
const (
	Pass         Verdict = "pass"
	NotYet       Verdict = "not yet"
	Inconclusive Verdict = "inconclusive"
	Environment  Verdict = "environment"
	// NotReached marks a check that cannot be judged yet: a check or a stage that it needs
	// has not passed. It is never the verdict of a lab.
	NotReached Verdict = "not reached"
)

// ExitCode returns the exit code of a program that ends with the verdict.
func (v Verdict) ExitCode() int {
	switch v {
	case Pass:
		return 0
	case NotYet:
		return 1
	case Inconclusive:
		return 2
	default:
		return 3
	}
}

// severity orders verdicts: the gravest of a run's parts is the run's.
func (v Verdict) severity() int {
	switch v {
	case Environment:
		return 3
	case NotYet:
		return 2
	case Inconclusive:
		return 1
	default:
		return 0
	}
}

// CheckResult is the outcome of one check.
type CheckResult struct {
	Name    string  `json:"name"`
	Proves  string  `json:"proves"`
	Kind    Kind    `json:"kind"`
	Step    int     `json:"step,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Needed is set on a check that the selection did not ask for, and that ran because
	// another check needs it.
	Needed bool `json:"needed,omitempty"`
	// Failure says what a check that is NotYet expected and saw, and where to look next;
	// Doubt why a check is Inconclusive. Each is nil for every other verdict.
	Failure *Failure `json:"failure,omitempty"`
	Doubt   *Doubt   `json:"doubt,omitempty"`
	// Blocked names the stage or check that did not pass, of a check that was NotReached.
	Blocked string `json:"blocked_by,omitempty"`
	// Detail is the whole reason in one text, whatever the verdict; empty for a pass.
	Detail  string  `json:"detail,omitempty"`
	Seconds float64 `json:"seconds"`
}

// StageResult is how long a stage took to start.
type StageResult struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// GainResult is what a step bought.
type GainResult struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"` // of Before and After
	Verdict Verdict `json:"verdict"`
	// Failure, Doubt, Blocked and Detail are as those of a CheckResult.
	Failure *Failure `json:"failure,omitempty"`
	Doubt   *Doubt   `json:"doubt,omitempty"`
	Blocked string   `json:"blocked_by,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Ratio   float64  `json:"ratio"` // how many times better
	// Low and High bound the ratio. Of a count, which has no noise, both are the ratio.
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Floor  float64 `json:"floor"`
	Pairs  int     `json:"pairs"` // of rounds; 0 for a count
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// BeforeCost and AfterCost are missing from a gain that has no rate of answers.
	BeforeCost *Cost `json:"before_cost,omitempty"`
	AfterCost  *Cost `json:"after_cost,omitempty"`
}

// Number is a figure that a run reports and does not judge.
type Number struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Quota is what a container was given, as the engine reported it back.
type Quota struct {
	Container string  `json:"container"`
	Type      string  `json:"type"`
	CPU       float64 `json:"cpu"` // cores; 0 is no limit
	// ThrottledShare is the share of quota periods in which the container was stopped
	// for having used up its CPU.
	ThrottledShare float64 `json:"throttled_share"`
}

// Host is what a run saw of the machine it ran on.
type Host struct {
	CPUs int `json:"cpus"`
	// Slowness is how many times longer CPU work takes on the machine than on the reference
	// machine (hostspeed.Hardware); 0 if it was not measured.
	Slowness float64 `json:"slowness,omitempty"`
	// Platform is the operating system and the processor, such as "linux/amd64", and Go the
	// version of Go. Files of older runs lack both.
	Platform string  `json:"platform,omitempty"`
	Go       string  `json:"go,omitempty"`
	Quotas   []Quota `json:"quotas,omitempty"`
	// GeneratorLatenessP99Seconds is how late the load generator was against its own
	// schedule, at the 99th percentile of the worst round.
	GeneratorLatenessP99Seconds float64 `json:"generator_lateness_p99_seconds"`
	// IdleShare is the least share of the machine's CPU that was idle in any round.
	IdleShare float64 `json:"idle_share"`
}

// Result is the outcome of a run, as it travels from a lab's test to the command line.
type Result struct {
	Lab     string  `json:"lab"`
	Verdict Verdict `json:"verdict"`
	// Step, Only, Names and Serverless are the run's Selection, where it did not run all of the lab.
	Step       int      `json:"step,omitempty"`
	Only       string   `json:"only,omitempty"`
	Names      []string `json:"names,omitempty"`
	Serverless bool     `json:"serverless,omitempty"`

	Checks   []CheckResult `json:"checks"`
	Gains    []GainResult  `json:"gains"`
	Stages   []StageResult `json:"stages,omitempty"` // those that were started
	Reported []Number      `json:"reported,omitempty"`
	Charts   []chart.Chart `json:"charts,omitempty"`
	// Evidence is the folder with files for the learner, relative to the module's root, or
	// empty without such files.
	Evidence string `json:"evidence,omitempty"`
	// Todos lists the places in the lab's files where work is still marked.
	Todos []string `json:"todos,omitempty"`
	// Starter is the lab's, in ModeVerify.
	Starter []string `json:"starter,omitempty"`
	Next    string   `json:"next,omitempty"`
	Host    Host     `json:"host"`
	// Seconds is the time of the run without WaitedSeconds, the time until other runs left the machine.
	Seconds       float64 `json:"seconds"`
	WaitedSeconds float64 `json:"waited_seconds,omitempty"`
}

// PartSuffix follows the name of the file of the result. The file of that name has the checks that
// have ended, so that a crash in one check keeps the verdicts of those before it.
const PartSuffix = ".part"

// WriteFile writes the result as JSON, in one step: a reader sees all of it or nothing.
func (r Result) WriteFile(path string) error { return writeFile(path, r) }

// Meaning explains the verdict to a new learner, as a phrase. It names the step or the check when the
// run was of one.
func (r Result) Meaning() string {
	part, asks := "the lab", " asks"
	switch {
	case r.Only != "":
		part = "this check"
	case r.Step != 0:
		part = fmt.Sprintf("step %d", r.Step)
	}
	if r.Serverless {
		part, asks = "the checks of "+part+" that need no server", " ask"
	}
	switch r.Verdict {
	case Pass:
		return "the code does what " + part + asks
	case NotYet:
		return "the code does not do what " + part + asks + " yet"
	case Inconclusive:
		return "the measurement is not precise enough to judge the code"
	default:
		return "the machine could not run the lab, so the code was not judged"
	}
}

func writeFile(path string, result any) error {
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".result-*")
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	_, err = draft.Write(append(text, '\n'))
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("result: %w", errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}

// ReadResult reads a file that WriteFile wrote.
func ReadResult(path string) (Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Result{}, fmt.Errorf("result: %w", err)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return Result{}, fmt.Errorf("result %s: %w", path, err)
	}
	return r, nil
}
