package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	verdict, output, err := r.check(ctx, binary, "-test.coverprofile="+profile)
	switch {
	case err != nil:
		return nil, err
	case verdict == "":
		return nil, errNoChecks
	case verdict != lab.Pass:
		return nil, fmt.Errorf("%s without a mutant: %s\n%s", r.folder, verdict, output)
	}
	r.timeout = timeoutFactor*time.Since(began) + leastTimeout
	return readCoverage(profile)
}

// try returns the outcome of a mutant of a file.
func (r *runner) try(ctx context.Context, file string, changed []byte) (string, error) {
	overlay, err := r.overlay(file, changed)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(r.scratch, "mutant.test")
	if _, err := r.compile(ctx, binary, "-overlay="+overlay); err != nil {
		return notViable, context.Cause(ctx)
	}
	run, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	verdict, _, err := r.check(run, binary)
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
func (r *runner) overlay(file string, changed []byte) (string, error) {
	original, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", file, err)
	}
	mutated := filepath.Join(r.scratch, "mutant.go")
	if err := os.WriteFile(mutated, changed, 0o600); err != nil {
		return "", fmt.Errorf("write mutant: %w", err)
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
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

// check runs a compiled test. The verdict is empty if the process wrote none. A run ends as soon as one
// check, core or stretch, is NotYet: the others cannot change that the mutant was noticed.
func (r *runner) check(ctx context.Context, binary string, flags ...string) (lab.Verdict, []byte, error) {
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
	command.Env = append(os.Environ(), lab.EnvResult+"="+result, lab.EnvMode+"=", lab.EnvStep+"=", lab.EnvOnly+"=")
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
