package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// The outcomes of a mutant, in the words of gremlins' report.
const (
	killed     = "KILLED"
	lived      = "LIVED"
	notCovered = "NOT COVERED"
	timedOut   = "TIMED OUT"
	notViable  = "NOT VIABLE" // it does not compile
)

// runner runs the checks of one solution that need no server.
type runner struct {
	folder  string // of the solution, from the module's root
	scratch string
	// timeout bounds one run of the checks. It is set from the run without a mutant.
	timeout time.Duration
}

// errNoChecks says that a lab has no check that runs without a server.
var errNoChecks = errors.New("no check without servers")

// baseline runs the checks on the unchanged solution. It returns the blocks that they reach.
func (r *runner) baseline(ctx context.Context) (map[string][]block, error) {
	binary, profile := filepath.Join(r.scratch, "base.test"), filepath.Join(r.scratch, "cover.out")
	if output, err := r.compile(ctx, binary, "-cover", "-coverpkg=./"+r.folder); err != nil {
		return nil, fmt.Errorf("compile %s: %w\n%s", r.folder, err, output)
	}
	began := time.Now()
	verdict, output, err := r.check(ctx, binary, 0, "-test.coverprofile="+profile)
	switch {
	case err != nil:
		return nil, err
	case ctx.Err() != nil: // it was stopped, so it has no verdict
		return nil, context.Cause(ctx)
	case verdict == "":
		return nil, errNoChecks
	case verdict != lab.Pass:
		return nil, fmt.Errorf("%s without a mutant: %s\n%s", r.folder, verdict, output)
	}
	r.timeout = timeoutFactor*time.Since(began) + leastTimeout
	return readCoverage(profile)
}

// trial is a mutant that is to be run.
type trial struct {
	file   string
	source []byte
	mutant
	// binary is the compiled test with the mutant, and empty if that does not compile. Number selects
	// the mutant in a program with several; it is 0 for one that has its program alone.
	binary string
	number int
}

// build compiles the mutants that can be selected when the program runs. They share one program, because to
// compile and link takes longer than most runs.
func (r *runner) build(ctx context.Context, trials []*trial) error {
	var shared []*trial
	for _, t := range trials {
		if t.selectable() {
			shared = append(shared, t)
			t.number = len(shared)
		}
	}
	return r.buildShared(ctx, shared)
}

// buildShared compiles mutants into one program. If that does not compile, it tries each half.
func (r *runner) buildShared(ctx context.Context, trials []*trial) error {
	if len(trials) == 0 {
		return nil
	}
	binary := filepath.Join(r.scratch, fmt.Sprintf("%d.test", trials[0].number))
	changed, err := r.sharedSources(trials)
	if err != nil {
		return err
	}
	if err := r.buildWith(ctx, binary, changed); err != nil {
		switch half := len(trials) / 2; {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case half == 0:
			return nil // it is not viable
		default:
			return errors.Join(r.buildShared(ctx, trials[:half]), r.buildShared(ctx, trials[half:]))
		}
	}
	verdict, output, err := r.check(ctx, binary, 0)
	if err == nil && verdict != lab.Pass {
		err = fmt.Errorf("%s with no mutant selected: %s\n%s", r.folder, verdict, output)
	}
	if err != nil {
		return err
	}
	for _, t := range trials {
		t.binary = binary
	}
	return nil
}

// envMutant is the variable that selects a mutant, by its number.
const envMutant = "MUTATE_NUMBER"

// sharedSources returns the changed files of a program with several mutants, and one that it gets besides.
func (r *runner) sharedSources(trials []*trial) (map[string][]byte, error) {
	changed := make(map[string][]byte)
	for from := 0; from < len(trials); {
		to := from
		var mutants []mutant
		var conditions []string
		for ; to < len(trials) && trials[to].file == trials[from].file; to++ {
			mutants = append(mutants, trials[to].mutant)
			conditions = append(conditions, fmt.Sprintf("mutantIs(%d)", trials[to].number))
		}
		changed[trials[from].file] = together(trials[from].source, mutants, conditions)
		from = to
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), trials[0].file, trials[0].source, parser.PackageClauseOnly)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", trials[0].file, err)
	}
	changed[filepath.Join(r.folder, "mutant_selected.go")] = fmt.Appendf(nil, `package %s

import (
	"os"
	"strconv"
)

var selectedMutant, _ = strconv.Atoi(os.Getenv(%q))

func mutantIs(number int) bool { return number == selectedMutant }
`, parsed.Name.Name, envMutant)
	return changed, nil
}

// buildWith compiles the test of the solution with changed files.
func (r *runner) buildWith(ctx context.Context, binary string, changed map[string][]byte) error {
	overlay, err := r.overlay(changed)
	if err != nil {
		return err
	}
	if output, err := r.compile(ctx, binary, "-overlay="+overlay); err != nil {
		return fmt.Errorf("compile: %w\n%s", err, output)
	}
	return nil
}

// try returns the outcome of a mutant.
func (r *runner) try(ctx context.Context, t *trial) (string, error) {
	if !t.selectable() {
		binary := filepath.Join(r.scratch, "mutant.test")
		if err := r.buildWith(ctx, binary, map[string][]byte{t.file: t.apply(t.source)}); err != nil {
			return notViable, context.Cause(ctx)
		}
		t.binary = binary
	}
	if t.binary == "" {
		return notViable, nil
	}
	run, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	verdict, _, err := r.check(run, t.binary, t.number)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case run.Err() != nil:
		return timedOut, nil
	case err != nil:
		return "", err
	case verdict == lab.NotYet || verdict == "": // without a verdict the mutant ended the process
		return killed, nil
	default: // also a verdict that blames the machine
		return lived, nil
	}
}

// overlay writes the files for the flag -overlay of go and returns its value.
func (r *runner) overlay(changed map[string][]byte) (string, error) {
	replace := make(map[string]string)
	for file, text := range changed {
		original, err := filepath.Abs(file)
		if err != nil {
			return "", fmt.Errorf("find %s: %w", file, err)
		}
		replace[original] = filepath.Join(r.scratch, filepath.Base(file))
		if err := os.WriteFile(replace[original], text, 0o600); err != nil {
			return "", fmt.Errorf("write mutant: %w", err)
		}
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("encode overlay: %w", err)
	}
	path := filepath.Join(r.scratch, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return path, nil
}

func (r *runner) compile(ctx context.Context, binary string, flags ...string) ([]byte, error) {
	arguments := append([]string{"test", "-c", "-ldflags=-w", "-o", binary}, flags...)
	return exec.CommandContext(ctx, "go", append(arguments, "./"+r.folder)...).CombinedOutput()
}

// check runs a compiled test with the mutant of that number, if it has several. The verdict is empty if the process wrote none. A run ends as soon as one
// check, core or stretch, is NotYet: the others cannot change that the mutant was noticed.
func (r *runner) check(ctx context.Context, binary string, number int, flags ...string) (lab.Verdict, []byte, error) {
	result := filepath.Join(r.scratch, "result.json")
	for _, old := range []string{result, result + lab.PartSuffix} {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", nil, fmt.Errorf("remove result: %w", err)
		}
	}
	bounded, end := context.WithCancel(ctx)
	defer end()
	var watching sync.WaitGroup
	rejected := false
	watching.Go(func() {
		if rejected = awaitRejection(bounded, result+lab.PartSuffix); rejected {
			end()
		}
	})
	command := exec.CommandContext(bounded, binary, append([]string{"-test.run=^TestLab$", "-test.short"}, flags...)...)
	command.Dir = r.folder
	command.Env = append(os.Environ(), lab.EnvResult+"="+result, lab.EnvMode+"=", lab.EnvStep+"=", lab.EnvOnly+"=", envMutant+"="+strconv.Itoa(number))
	command.WaitDelay = time.Second
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	end()
	watching.Wait()
	var exit *exec.ExitError
	switch {
	case rejected:
		return lab.NotYet, output.Bytes(), nil
	case err != nil && !errors.As(err, &exit) && ctx.Err() == nil:
		return "", nil, fmt.Errorf("run checks: %w", err)
	}
	whole, err := readVerdicts(result)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", output.Bytes(), nil
	case err != nil:
		return "", nil, err
	case whole.rejects():
		return lab.NotYet, output.Bytes(), nil
	}
	return whole.Verdict, output.Bytes(), nil
}

// verdicts is the part of a result that is read here.
type verdicts struct {
	Verdict lab.Verdict `json:"verdict"`
	Checks  []struct {
		Verdict lab.Verdict `json:"verdict"`
	} `json:"checks"`
}

// rejects reports whether some check is NotYet. The verdict of the lab leaves out stretch checks, and it
// is another one if a further check blames the machine.
func (v verdicts) rejects() bool {
	for _, check := range v.Checks {
		if check.Verdict == lab.NotYet {
			return true
		}
	}
	return false
}

func readVerdicts(path string) (verdicts, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return verdicts{}, fmt.Errorf("read result: %w", err)
	}
	var v verdicts
	if err := json.Unmarshal(text, &v); err != nil {
		return verdicts{}, fmt.Errorf("decode result: %w", err)
	}
	return v, nil
}

// rejectionPoll is the pause between two looks at the checks that have ended.
const rejectionPoll = 50 * time.Millisecond

// awaitRejection reports whether the file of the checks that have ended comes to have one that is NotYet,
// before the context ends.
func awaitRejection(ctx context.Context, path string) bool {
	ticker := time.NewTicker(rejectionPoll)
	defer ticker.Stop()
	for {
		// A file that is not there yet says nothing.
		if part, err := readVerdicts(path); err == nil && part.rejects() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}
