package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"bytebites.example/workshop/shared/modroot"
)

// waitPhase is the phase in which nothing is done.
const waitPhase = "wait for another run on this machine"

// stopWithin is how long a check that is interrupted may take to remove its servers.
const stopWithin = 30 * time.Second

// phase is a part of the time from `check` to the first check.
type phase struct {
	name string
	took time.Duration
}

// checked is the run whose phases are measured: a check of lab 03 that needs every kind of stage.
func checked() []string {
	return []string{"tool", "workshop", "check", "03", "--solution", "--only", "few queries", "--json"}
}

// phaseNames are the names of the phases, in their order.
func phaseNames() []string {
	return []string{
		"compile the checks", "find the engine and the images", waitPhase,
		"PostgreSQL, Redis and the build of the service", "replicas of the service", "people signed in",
	}
}

// said is a line of a run's progress, and when it came.
type said struct {
	at   time.Time
	line string
}

// phases runs a check of lab 03 and takes the time of each phase from the lines of its progress. It
// runs before this command claims the machine, because the check claims the machine itself.
func phases(ctx context.Context, s stand, b *block) error {
	root, err := modroot.Root()
	if err != nil {
		return err
	}
	step := s.report.Step("go %s", strings.Join(checked(), " "))
	began := time.Now()
	lines, err := progressOf(ctx, root)
	step.End(err)
	if err != nil {
		return err
	}
	b.phases, err = phasesOf(began, lines)
	return err
}

// progressOf runs the check and returns the lines of its progress.
func progressOf(ctx context.Context, root string) ([]said, error) {
	cmd := exec.CommandContext(ctx, "go", checked()...)
	cmd.Dir = root
	// The check removes its servers when it is interrupted.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopWithin
	progress, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("run check: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run check: %w", err)
	}
	var lines []said
	var last string
	for scanner := bufio.NewScanner(progress); scanner.Scan(); {
		last = scanner.Text()
		lines = append(lines, said{time.Now(), last})
	}
	_, _ = io.Copy(io.Discard, progress) // after a line that is too long
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("run check: %w: %s", err, last)
	}
	return lines, nil
}

// phasesOf finds the phases in the lines of a run that began then. Waiting for another run on the
// machine is a phase of its own, which is 0 on a machine without one.
func phasesOf(began time.Time, lines []said) ([]phase, error) {
	at := func(part string) time.Time {
		for _, l := range lines {
			if strings.Contains(l.line, part) {
				return l.at
			}
		}
		return time.Time{}
	}
	compiled, network := at(": done in"), at("start a private network")
	waiting := at("waiting for the machine")
	if waiting.IsZero() {
		waiting = network
	}
	ends := []time.Time{compiled, waiting, network, at("start two replicas"), at("start the sessions"), at("check few queries")}
	var all []phase
	for i, name := range phaseNames() {
		if ends[i].IsZero() || ends[i].Before(began) {
			return nil, errors.New("progress of check lacks the end of phase: " + name)
		}
		all = append(all, phase{name, ends[i].Sub(began)})
		began = ends[i]
	}
	return all, nil
}

// waited returns how long the check waited for another run on this machine.
func (b block) waited() (sum time.Duration) {
	for _, p := range b.phases {
		if p.name == waitPhase {
			sum += p.took
		}
	}
	return sum
}
