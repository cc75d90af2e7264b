package lab_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// meeting is a place where checks wait for one another.
type meeting struct {
	mu       sync.Mutex
	here     int
	most     int
	complete chan struct{} // closed when the expected number is here
}

// check returns a check that waits until so many checks are here at once, or a moment.
func (m *meeting) check(name string, expected int, needs ...string) lab.Check {
	return lab.Check{Name: name, Kind: lab.Core, Step: 1, Needs: needs, Run: func(context.Context, *lab.Run) error {
		m.mu.Lock()
		m.here++
		m.most = max(m.most, m.here)
		if m.here == expected {
			close(m.complete)
		}
		m.mu.Unlock()
		select {
		case <-m.complete:
		case <-time.After(50 * time.Millisecond):
		}
		m.mu.Lock()
		m.here--
		m.mu.Unlock()
		return nil
	}}
}

func TestChecksThatShareNothingRunSideBySide(t *testing.T) {
	stage := func(name string, separate bool) lab.Stage {
		return lab.Stage{Name: name, Separate: separate, Start: func(context.Context, *lab.Run) (func() error, error) { return nil, nil }}
	}
	tests := []struct {
		name   string
		needs  []string
		timed  bool
		series *lab.Series
		want   int // checks at a time
	}{
		{name: "without stages", want: 3},
		{name: "on a separate stage", needs: []string{"databases"}, want: 3},
		{name: "on a shared stage", needs: []string{"replicas"}, want: 1},
		{name: "on both", needs: []string{"databases", "replicas"}, want: 1},
		{name: "timed", timed: true, want: 1},
		{name: "in a series of runs", series: &lab.Series{}, want: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &meeting{complete: make(chan struct{})}
			toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Stages: []lab.Stage{stage("databases", true), stage("replicas", false)}}
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				c := m.check(name, tt.want+1, tt.needs...)
				c.Timed = tt.timed
				toy.Checks = append(toy.Checks, c)
			}
			result, err := toy.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck, Series: tt.series})
			if err != nil || result.Verdict != lab.Pass || len(result.Checks) != 5 {
				t.Fatalf("verdict %s of %d checks, error %v", result.Verdict, len(result.Checks), err)
			}
			if m.most != tt.want {
				t.Errorf("%d checks at a time, want %d", m.most, tt.want)
			}
		})
	}
}

// The slow first check ends last, and the third needs the second. A failed check blocks what needs it.
func TestSideBySideKeepsNeedsAndOrder(t *testing.T) {
	failure := &lab.Failure{Expected: "one order", Seen: "two", Look: lab.Look{File: "ledger.go"}}
	var slow sync.WaitGroup
	slow.Add(1)
	var begun []string
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{
		{Name: "slow", Kind: lab.Core, Step: 1, Run: func(context.Context, *lab.Run) error { slow.Wait(); return nil }},
		{Name: "second", Kind: lab.Core, Step: 1, Run: func(context.Context, *lab.Run) error { begun = append(begun, "second"); return nil }},
		{Name: "third", Kind: lab.Core, Step: 1, Needs: []string{"second"}, Run: func(context.Context, *lab.Run) error {
			begun = append(begun, "third")
			slow.Done()
			return failure
		}},
		{Name: "fourth", Kind: lab.Core, Step: 1, Needs: []string{"third"}, Run: func(context.Context, *lab.Run) error { begun = append(begun, "fourth"); return nil }},
	}}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(begun, []string{"second", "third"}) {
		t.Errorf("begun: %q", begun)
	}
	want := []string{"slow pass", "second pass", "third not yet", "fourth not reached"}
	var got []string
	for _, c := range result.Checks {
		got = append(got, c.Name+" "+string(c.Verdict))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if result.Checks[3].Blocked != "third" {
		t.Errorf("the fourth is blocked by %q", result.Checks[3].Blocked)
	}
}

// idleCores is a machine with that many idle cores until a time.
type idleCores struct {
	cores float64
	until time.Time // zero is for ever
}

func (m idleCores) Busiest(_, to time.Time, _ time.Duration) (float64, bool) {
	if m.until.IsZero() || to.Before(m.until) {
		return m.cores, false
	}
	return 0, true
}

func TestMoreChecksWhileTheMachineIsIdle(t *testing.T) {
	tests := []struct {
		name    string
		machine func() lab.Machine
		want    int // checks at a time
	}{
		{"an idle machine", func() lab.Machine { return idleCores{cores: 1.5} }, 5},
		{"a machine with little idle time", func() lab.Machine { return idleCores{cores: 0.9} }, 3},
		{"a machine that gets busy", func() lab.Machine { return idleCores{1.5, time.Now().Add(2 * time.Second)} }, 4},
		{"no machine that tells", func() lab.Machine { return nil }, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				running, most, begun := 0, 0, []time.Time{}
				toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}}
				for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
					toy.Checks = append(toy.Checks, lab.Check{Name: name, Kind: lab.Core, Step: 1, Run: func(context.Context, *lab.Run) error {
						mu.Lock()
						running++
						most, begun = max(most, running), append(begun, time.Now())
						mu.Unlock()
						time.Sleep(time.Minute)
						mu.Lock()
						running--
						mu.Unlock()
						return nil
					}})
				}
				result, err := toy.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck, Machine: tt.machine()})
				if err != nil || result.Verdict != lab.Pass || len(result.Checks) != len(toy.Checks) {
					t.Fatalf("verdict %s of %d checks, error %v", result.Verdict, len(result.Checks), err)
				}
				if most != tt.want {
					t.Errorf("%d checks at a time, want %d", most, tt.want)
				}
				// The load of the one before must be seen first.
				if tt.want > 3 && begun[3].Sub(begun[2]) < time.Second {
					t.Errorf("the fourth began %s after the third", begun[3].Sub(begun[2]))
				}
			})
		})
	}
}

// A check that another one needs begins with the first, though it is listed last.
func TestNeededChecksBeginFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		minute := func(context.Context, *lab.Run) error { time.Sleep(time.Minute); return nil }
		toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}}
		for _, name := range []string{"a", "b", "c", "needed"} {
			toy.Checks = append(toy.Checks, lab.Check{Name: name, Kind: lab.Core, Step: 1, Run: minute})
		}
		toy.Checks = append(toy.Checks, lab.Check{Name: "last", Kind: lab.Core, Step: 1, Needs: []string{"needed"}, Run: minute})
		if _, err := toy.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck}); err != nil {
			t.Fatal(err)
		}
		// In the order of the list, last would begin after two minutes.
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("took %s, want two minutes", took)
		}
	})
}

// Where no server starts, all checks without one are judged. Others need the check on the server, and it is listed first.
func TestChecksWithoutServersBeginFirst(t *testing.T) {
	pass := func(context.Context, *lab.Run) error { return nil }
	toy := lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Stages: []lab.Stage{{Name: "databases", Separate: true, Start: func(context.Context, *lab.Run) (func() error, error) {
			return nil, errors.New("no engine")
		}}},
		Checks: []lab.Check{
			{Name: "on a server", Kind: lab.Core, Step: 1, Needs: []string{"databases"}, Run: pass},
			{Name: "after it", Kind: lab.Core, Step: 1, Needs: []string{"on a server"}, Run: pass},
		},
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		toy.Checks = append(toy.Checks, lab.Check{Name: name, Kind: lab.Core, Step: 1, Run: pass})
	}
	result, err := toy.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck})
	if err != nil || result.Verdict != lab.Environment {
		t.Fatalf("verdict %s, error %v", result.Verdict, err)
	}
	passed := 0
	for _, c := range result.Checks {
		if c.Verdict == lab.Pass {
			passed++
		}
	}
	if passed != 5 {
		t.Errorf("%d checks without a server were judged, want 5: %v", passed, result.Checks)
	}
}
