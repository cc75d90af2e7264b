package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"bytebites.example/workshop/shared/modroot"
)

// phase is a part of the time from `check` to the first check.
type phase struct {
	name string
	took time.Duration
}

// checked is the run whose phases are measured: a check of lab 03 that needs every kind of stage.
func checked() []string {
	return []string{"tool", "workshop", "check", "03", "--solution", "--only", "few queries", "--json"}
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
	ends := []struct {
		name string
		at   time.Time
	}{
		{"compile the checks", compiled},
		{"find the engine and the images", waiting},
		{"wait for another run on this machine", network},
		{"PostgreSQL, Redis and the build of the service", at("start two replicas")},
		{"replicas of the service", at("start the sessions")},
		{"people signed in", at("check few queries")},
	}
	var all []phase
	for _, end := range ends {
		if end.at.IsZero() || end.at.Before(began) {
			return nil, errors.New("progress of check lacks the end of phase: " + end.name)
		}
		all = append(all, phase{end.name, end.at.Sub(began)})
		began = end.at
	}
	return all, nil
}
