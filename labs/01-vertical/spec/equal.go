package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// equalRuns is how often two equal variants are compared, and equalFloor what they must
	// never clear.
	equalRuns  = 20
	equalFloor = 1.2
	// minEqualRuns is how many of them must have been valid for the rest to say anything.
	minEqualRuns = 15
)

// Full returns the long run: two services that differ in nothing are compared again and
// again, as a gain is, and must never seem to differ.
func Full(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:  Name,
		Files: subject.Files,
		Claim: rig.Claim,
		Stages: []lab.Stage{
			{Name: stageServers, Starts: "PostgreSQL and a mail server", Start: l.startServers},
			{Name: stageService, Needs: []string{stageServers}, Starts: "your service, twice", Start: l.startEqual},
		},
		Checks: []lab.Check{{
			Name: "equal variants", Kind: lab.Core, Step: 1, Timed: true, Timeout: 2 * time.Hour, Needs: []string{stageService}, Run: l.equalVariants,
			Proves: fmt.Sprintf("in %d comparisons two equal services never clear a floor of %g", equalRuns, equalFloor),
		}},
	}
}

// startEqual starts the subject's service twice, on the small type.
func (l *trial) startEqual(ctx context.Context, _ *lab.Run) (end func() error, err error) {
	return nil, l.servers.AtFullSpeed(ctx, func() (err error) {
		if l.tuned, err = l.start(ctx, "one", small(), l.subject.Package, l.subject.Args...); err != nil {
			return err
		}
		l.untuned, err = l.start(ctx, "other", small(), l.subject.Package, l.subject.Args...)
		return err
	})
}

// equalVariants compares the two.
func (l *trial) equalVariants(ctx context.Context, run *lab.Run) error {
	watch, err := rig.NewWatch(ctx, l.servers.DB.Server, l.untuned.Service.Server, l.tuned.Service.Server)
	if err != nil {
		return err
	}
	s := &scale{run: run, watch: watch, untuned: l.untuned, tuned: l.tuned}
	saturation, err := s.saturation(ctx, s.tuned, untunedStart)
	if err != nil {
		return err
	}
	valid := 0
	for i := range equalRuns {
		result, err := measure.Paired(ctx, measure.PairedConfig{Pairs: pairs, Pause: pause},
			s.arm(s.untuned, overload*saturation), s.arm(s.tuned, overload*saturation))
		if err != nil {
			return err
		}
		run.Progress(fmt.Sprintf("comparison %2d: %.3f times (%.3f to %.3f), valid: %t", i+1, result.Ratio, result.Low, result.High, result.Validity.OK))
		run.Report(fmt.Sprintf("comparison %d of two equal services", i+1), result.Ratio, "times")
		if !result.Validity.OK {
			continue
		}
		valid++
		if result.Low >= equalFloor {
			return fmt.Errorf("shared/measure: two equal services cleared %g: %.3f to %.3f in comparison %d",
				equalFloor, result.Low, result.High, i+1)
		}
	}
	if valid < minEqualRuns {
		return &lab.Doubt{
			Reason: fmt.Sprintf("%d of %d comparisons were valid, %d are wanted", valid, equalRuns, minEqualRuns),
			Remedy: "close what else runs on this machine, and verify again",
		}
	}
	return nil
}
