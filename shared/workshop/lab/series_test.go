package lab_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/workshop/lab"
)

func TestSeries(t *testing.T) {
	var s lab.Series
	if got := s.Take("bed"); got != nil {
		t.Errorf("an empty series has %v", got)
	}
	closed := 0
	failure := errors.New("engine gone")
	end := func() error { closed++; return failure }
	s.Keep("bed", "first", end)
	if got := s.Take("bed"); got != "first" {
		t.Errorf("took %v, want the first", got)
	}
	if got := s.Take("bed"); got != nil {
		t.Errorf("took %v twice", got)
	}
	if err := s.Close(); err != nil || closed != 0 {
		t.Errorf("closed what was taken: %v, %d calls", err, closed)
	}
	s.Keep("bed", "second", end)
	s.Keep("bed", "third", end)
	if got := s.Take("bed"); got != "third" {
		t.Errorf("took %v of two, want the last one kept", got)
	}
	if err := s.Close(); !errors.Is(err, failure) || closed != 1 {
		t.Errorf("close: %v, %d calls; want the error and one call", err, closed)
	}
	if err := s.Close(); err != nil || closed != 1 {
		t.Errorf("second close: %v, %d calls; want neither", err, closed)
	}
}

// TestSeriesClaimsOnce: runs side by side share one claim of the machine, which lasts until
// the series is closed.
func TestSeriesClaimsOnce(t *testing.T) {
	var series lab.Series
	var claims, releases atomic.Int32
	index := check("index", nil)
	index.Needs = []string{"service"}
	toy := lab.Lab{
		Name:   "00-toy",
		Files:  fstest.MapFS{},
		Checks: []lab.Check{index},
		Stages: []lab.Stage{{Name: "service", Starts: "a service", Start: func(context.Context, *lab.Run) (func() error, error) {
			if claims.Load() != 1 || releases.Load() != 0 {
				return nil, errors.New("the machine is not claimed")
			}
			return func() error { return nil }, nil
		}}},
		Claim: func(context.Context, *lab.Run) (func(), error) {
			claims.Add(1)
			return func() { releases.Add(1) }, nil
		},
	}
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			result, err := toy.Do(t.Context(), &lab.Run{Mode: lab.ModeVerify, Series: &series})
			if err != nil || result.Verdict != lab.Pass {
				t.Errorf("%v: %+v", err, result)
			}
		})
	}
	running.Wait()
	if claims.Load() != 1 || releases.Load() != 0 {
		t.Errorf("%d claims, %d releases; want one claim that lasts", claims.Load(), releases.Load())
	}
	if err := series.Close(); err != nil || releases.Load() != 1 {
		t.Errorf("close: %v, %d releases; want one", err, releases.Load())
	}
}

// TestAnswersRunNoGuards: only a run of an answer leaves out the checks that guard a message.
func TestAnswersRunNoGuards(t *testing.T) {
	move := check("move", nil)
	move.Guards = []string{"copies"}
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{check("copies", errors.New("wrong")), move}}
	for _, tt := range []struct {
		series *lab.Series
		mode   lab.Mode
		want   lab.Verdict
	}{
		{nil, lab.ModeCheck, lab.NotReached}, {nil, lab.ModeVerify, lab.NotReached},
		{&lab.Series{}, lab.ModeProof, lab.NotReached}, {&lab.Series{}, lab.ModeVerify, lab.Pass},
	} {
		result, err := toy.Do(t.Context(), &lab.Run{Mode: tt.mode, Series: tt.series, Selection: lab.Selection{Names: []string{"move"}}})
		if err != nil {
			t.Fatal(err)
		}
		last := result.Checks[len(result.Checks)-1]
		if last.Name != "move" || last.Verdict != tt.want {
			t.Errorf("mode %q, an answer: %t: %s is %q, want %q", tt.mode, tt.series != nil, last.Name, last.Verdict, tt.want)
		}
	}
}
