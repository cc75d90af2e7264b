package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/cli/subprocess"
	"bytebites.example/workshop/shared/workshop/lab"
)

// kept is a lab's result as `check` leaves it for `report`.
type kept struct {
	lab.Result
	origin
}

// origin says where a result comes from.
type origin struct {
	Made time.Time `json:"made"` // when the run began
	// Commit is the code's, with "-dirty" behind it when the code differed from it;
	// empty when git cannot tell.
	Commit string `json:"commit,omitempty"`
	// On says whose code the labs below were, of a run of `check --mine`; nil of every other run.
	On *ground `json:"on,omitempty"`
}

// ground is whose code the labs below were, by their numbers.
type ground struct {
	Yours     []string `json:"yours"`
	Solutions []string `json:"solutions"`
}

// words says whose code the labs below were.
func (g ground) words() string {
	switch {
	case len(g.Yours) == 0:
		return "solutions"
	case len(g.Solutions) == 0:
		return "your own labs"
	default:
		return "your labs " + strings.Join(g.Yours, ", ") + " and solutions " + strings.Join(g.Solutions, ", ")
	}
}

// below says whose code the labs below were. Every run but `check --mine` is on solutions.
func (o origin) below() string {
	if o.On == nil {
		return ground{}.words()
	}
	return o.On.words()
}

// source says whose code a kept result is of.
type source int

// The sources. Each has a file of its own in a lab's folder.
const (
	yours source = iota
	mine         // the learner's code on the learner's own labs: check --mine
	solution
)

// sources returns all sources, in the order in which `report` shows them.
func sources() []source { return []source{yours, mine, solution} }

// file returns the name of the file of the result.
func (s source) file() string {
	return [...]string{yours: "result.json", mine: "mine-result.json", solution: "last-solution-result.json"}[s]
}

// options returns the flags of `check` that make such a result.
func (s source) options() checkOptions {
	return checkOptions{solution: s == solution, mine: s == mine}
}

// stepsPassed says which steps of a lab the learner's code has passed, as `check` leaves it for
// `list`.
type stepsPassed struct {
	Made   time.Time `json:"made"`   // when the last run of a step or of the whole lab began
	Passed []int     `json:"passed"` // numbers of steps, ascending
}

// after returns the progress after a run of a step or of the whole lab. A run of the whole lab
// decides on each step by the core checks of that step. A step whose checks could not tell
// stays unchanged.
func (p stepsPassed) after(r lab.Result, made time.Time) stepsPassed {
	verdicts := make(map[int]lab.Verdict)
	if r.Step != 0 {
		verdicts[r.Step] = r.Verdict
	}
	for _, c := range r.Checks {
		if r.Step != 0 || c.Step == 0 || c.Kind != lab.Core {
			continue
		}
		if known, ok := verdicts[c.Step]; !ok || known == lab.Pass || c.Verdict == lab.NotYet {
			verdicts[c.Step] = c.Verdict
		}
	}
	next := stepsPassed{Made: made, Passed: slices.Clone(p.Passed)}
	for step, verdict := range verdicts {
		switch at, passed := slices.BinarySearch(next.Passed, step); {
		case verdict == lab.Pass && !passed:
			next.Passed = slices.Insert(next.Passed, at, step)
		case (verdict == lab.NotYet || verdict == lab.NotReached) && passed:
			next.Passed = slices.Delete(next.Passed, at, at+1)
		}
	}
	return next
}

// stepsFile is where the progress in a lab is kept.
func (w workshop) stepsFile(l folder) string { return w.path(stateDir, l.Name, "steps.json") }

// keepSteps keeps the progress that a run of the learner's code made.
func (a *app) keepSteps(w workshop, l folder, r lab.Result, made time.Time) {
	before, err := readJSON[stepsPassed](w.stepsFile(l))
	if err != nil {
		before = stepsPassed{} // a damaged file is written anew
	}
	if err := writeJSON(w.stepsFile(l), before.after(r, made)); err != nil {
		a.notef("The progress is not kept for `list`: %v\n", err)
	}
}

// gitPatience bounds the question for the commit, which is worth no waiting.
const gitPatience = 3 * time.Second

// origin returns the origin of a run that begins now.
func (a *app) origin(ctx context.Context, w workshop) origin {
	o := origin{Made: time.Now().UTC().Truncate(time.Second)}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	var out bytes.Buffer
	// A repository that the clone lies in says nothing about the clone.
	env := append(slices.Clone(a.env), "GIT_CEILING_DIRECTORIES="+filepath.Dir(w.root))
	git := subprocess.Command{Dir: w.root, Env: env, Stdout: &out}
	if git.Run(ctx, "git", "describe", "--always", "--dirty", "--exclude=*") == nil {
		o.Commit = strings.TrimSpace(out.String())
	}
	return o
}

// keptFile is where the last result of a lab is kept.
func (w workshop) keptFile(l folder, from source) string {
	return w.path(stateDir, l.Name, from.file())
}

// keep keeps a result and its page, and returns the page's path. A disk that does not take them
// costs the learner a repetition, not the verdict, so it is only said, and the path is empty.
func (a *app) keep(w workshop, r reported) (page string) {
	if err := writeJSON(w.keptFile(r.folder, r.source), r.kept); err != nil {
		a.notef("The result is not kept for `report`: %v\n", err)
		return ""
	}
	page, err := w.writePage(r)
	if err != nil {
		a.notef("The result has no page: %v\n", err)
		return ""
	}
	return page
}

// writeJSON replaces the file in one step: a reader sees the old file or the new one.
func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".result-*")
	if err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	_, err = draft.Write(append(text, '\n'))
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep result: %w", errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}

// readJSON reads what writeJSON wrote. A file that does not exist is the zero value.
func readJSON[T any](path string) (value T, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return value, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		return value, fmt.Errorf("read %s: %w", path, err)
	}
	return value, nil
}

// readKept reads the kept result of a lab; ok is false when nothing is kept.
func (w workshop) readKept(l folder, from source) (k kept, ok bool, problem *engine.Unavailable) {
	path := w.keptFile(l, from)
	k, ok, err := readKept(path)
	if ok && k.Lab != l.Name {
		err = fmt.Errorf("it is a result of lab %s", k.Lab)
	}
	if err != nil {
		return kept{}, false, &engine.Unavailable{
			Problem: "the kept result " + w.short(path) + " cannot be read", Err: err,
			Remedy: "go tool workshop check " + l.ID() + from.options().words() + "   (it writes the file anew)",
		}
	}
	return k, ok, nil
}

// readKept reads what keep wrote; ok is false when there is no file. The error has one line.
func readKept(path string) (k kept, ok bool, err error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kept{}, false, nil
	case err != nil:
		return kept{}, false, fmt.Errorf("read result: %w", err)
	}
	if k, err = parseKept(text); err != nil {
		return kept{}, false, err
	}
	return k, true, nil
}

// parseKept reads the JSON of a result. Files of older versions lack fields, which are then zero. The error
// has one line.
func parseKept(text []byte) (kept, error) {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return kept{}, errors.New(oneLine(err))
	}
	verdicts := []lab.Verdict{lab.Pass, lab.NotYet, lab.Inconclusive, lab.Environment}
	switch {
	case k.Lab == "" || k.Verdict == "":
		return kept{}, errors.New("it names no lab or no verdict")
	case !slices.Contains(verdicts, k.Verdict):
		return kept{}, fmt.Errorf("its verdict %q is unknown to this version of the workshop", k.Verdict)
	}
	return k, nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

// words says where a result comes from, in words.
func (o origin) words() string {
	var parts []string
	if o.On != nil {
		parts = append(parts, "on "+o.below())
	}
	if made := o.made(); made != "" {
		parts = append(parts, made)
	}
	return strings.Join(parts, "; ")
}

// made says when a result was made, and of which commit.
func (o origin) made() string {
	var parts []string
	if !o.Made.IsZero() {
		parts = append(parts, "made "+o.Made.UTC().Format("2006-01-02 15:04 UTC"))
	}
	if commit, dirty := strings.CutSuffix(o.Commit, "-dirty"); dirty {
		parts = append(parts, "on commit "+commit+" with changes")
	} else if commit != "" {
		parts = append(parts, "on commit "+commit)
	}
	return strings.Join(parts, " ")
}
