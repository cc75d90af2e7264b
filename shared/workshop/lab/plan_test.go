package lab_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// diary notes what a run does, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) stage(name string, err error, needs ...string) lab.Stage {
	return lab.Stage{Name: name, Starts: name, Needs: needs, Start: func(context.Context, *lab.Run) (func() error, error) {
		d.note("start " + name)
		return func() error { d.note("end " + name); return nil }, err
	}}
}

func (d *diary) check(name string, step int, err error, needs ...string) lab.Check {
	return lab.Check{Name: name, Kind: lab.Core, Step: step, Needs: needs, Run: func(context.Context, *lab.Run) error {
		d.note(name)
		return err
	}}
}

// kitchen is a lab of two steps: "plan" needs no server, "move" and "even" build on each other.
func kitchen(d *diary, planErr, moveErr error) lab.Lab {
	return lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Claim: func(context.Context, *lab.Run) (func(), error) {
			d.note("claim")
			return func() { d.note("release") }, nil
		},
		Stages: []lab.Stage{d.stage("servers", nil), d.stage("replicas", nil, "servers")},
		Checks: []lab.Check{
			d.check("plan", 1, planErr),
			d.check("move", 2, moveErr, "replicas"),
			d.check("even", 2, nil, "move"),
			d.check("count", 3, nil, "even", "servers"),
		},
		Gains: []lab.Gain{{Name: "writes", Floor: 2, Needs: []string{"move"}, Measure: func(context.Context, *lab.Run) (lab.Measured, error) {
			d.note("writes")
			return lab.Measured{Ratio: 3}, nil
		}}},
	}
}

func TestSelection(t *testing.T) {
	const up, down = "claim, start servers, start replicas, ", ", end replicas, end servers, release"
	failure := &lab.Failure{Expected: "a", Seen: "b"}
	tests := []struct {
		name             string
		selection        lab.Selection
		planErr, moveErr error
		did              string
		want             lab.Verdict
		notReached       string
	}{
		{"all", lab.Selection{}, nil, nil, "plan, " + up + "move, even, count, writes" + down, lab.Pass, ""},
		{"no server", lab.Selection{Only: "plan"}, nil, nil, "plan", lab.Pass, ""},
		{"a step without servers", lab.Selection{Step: 1}, failure, nil, "plan", lab.NotYet, ""},
		{"all without servers", lab.Selection{Serverless: true}, nil, failure, "plan", lab.Pass, ""},
		{"of a step without servers", lab.Selection{Step: 1, Serverless: true}, failure, nil, "plan", lab.NotYet, ""},
		{"a step with nothing else", lab.Selection{Step: 2, Serverless: true}, failure, failure, "", lab.Pass, ""},
		{"a step", lab.Selection{Step: 2}, failure, nil, up + "move, even" + down, lab.Pass, ""},
		{"a check with its needs", lab.Selection{Only: "even"}, nil, nil, up + "move, even" + down, lab.Pass, ""},
		{"checks by name", lab.Selection{Names: []string{"plan", "even"}}, nil, nil, "plan, " + up + "move, even" + down, lab.Pass, ""},
		{"a check whose need fails", lab.Selection{Only: "even"}, nil, failure, up + "move" + down, lab.NotYet, "even by move"},
		{"needs of needs", lab.Selection{Step: 3}, nil, failure, up + "move" + down, lab.NotYet, "even by move, count by move"},
		{"a gain", lab.Selection{Only: "writes"}, failure, nil, up + "move, writes" + down, lab.Pass, ""},
		{"a gain whose need fails", lab.Selection{Only: "writes"}, nil, failure, up + "move" + down, lab.NotYet, "writes by move"},
		{"the environment", lab.Selection{}, nil, errors.New("no disk"), "plan, " + up + "move" + down, lab.Environment,
			"even by move, count by move, writes by move"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &diary{}
			result, err := kitchen(d, tt.planErr, tt.moveErr).Do(t.Context(), &lab.Run{Selection: tt.selection})
			if err != nil {
				t.Fatal(err)
			}
			if did := strings.Join(d.lines, ", "); did != tt.did {
				t.Errorf("did %s\nwant %s", did, tt.did)
			}
			var notReached []string
			for _, c := range result.Checks {
				if c.Verdict == lab.NotReached {
					notReached = append(notReached, c.Name+" by "+c.Blocked)
				}
				if tt.selection.Only == "even" && c.Needed != (c.Name == "move") {
					t.Errorf("check %s is needed: %t", c.Name, c.Needed)
				}
			}
			for _, g := range result.Gains {
				if g.Verdict == lab.NotReached {
					notReached = append(notReached, g.Name+" by "+g.Blocked)
				}
			}
			if got := strings.Join(notReached, ", "); got != tt.notReached || result.Verdict != tt.want {
				t.Errorf("verdict %q, not reached: %s; want %q, %s", result.Verdict, got, tt.want, tt.notReached)
			}
		})
	}
}

// A check that takes long is left to a run of the whole lab, and to one that names it.
func TestStepLeavesOutWholeChecks(t *testing.T) {
	const up, down = "claim, start servers, start replicas, ", ", end replicas, end servers, release"
	for _, tt := range []struct {
		selection lab.Selection
		did       string
	}{
		{lab.Selection{Step: 2}, up + "move" + down},
		{lab.Selection{Step: 3}, up + "move, even, count" + down}, // needed
		{lab.Selection{Only: "even"}, up + "move, even" + down},
		{lab.Selection{}, "plan, " + up + "move, even, count, writes" + down},
	} {
		d := &diary{}
		l := kitchen(d, nil, nil)
		l.Checks[2].Whole = true
		if _, err := l.Do(t.Context(), &lab.Run{Selection: tt.selection}); err != nil {
			t.Fatal(err)
		}
		if did := strings.Join(d.lines, ", "); did != tt.did {
			t.Errorf("%+v: did %s\nwant %s", tt.selection, did, tt.did)
		}
	}
	l := kitchen(&diary{}, nil, nil)
	l.Checks[0].Whole = true
	if err := l.Validate(); err == nil || !strings.Contains(err.Error(), "step 1 has only checks") {
		t.Errorf("a step without a check of its own: %v", err)
	}
}

func TestSelectionThatNamesNothing(t *testing.T) {
	tests := []struct {
		selection lab.Selection
		problem   string
	}{
		{lab.Selection{Only: "plane"}, `no check "plane"; there are: plan, move, even, count, writes`},
		{lab.Selection{Step: 9, Serverless: true}, "no step 9; the steps with checks are: 1 2 3"},
		{lab.Selection{Step: 9}, "no step 9; the steps with checks are: 1 2 3"},
		{lab.Selection{Step: -1}, "no step -1"},
		{lab.Selection{Step: 1, Only: "plan"}, "not both"},
	}
	for _, tt := range tests {
		_, err := kitchen(&diary{}, nil, nil).Do(t.Context(), &lab.Run{Selection: tt.selection})
		var selection *lab.SelectionError
		if !errors.As(err, &selection) || !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%+v: got %v, want %q", tt.selection, err, tt.problem)
		}
	}
}

func TestList(t *testing.T) {
	var got []string
	for _, l := range kitchen(&diary{}, nil, nil).List() {
		if l.Servers {
			got = append(got, l.Name)
		}
	}
	if want := []string{"move", "even", "count", "writes"}; !slices.Equal(got, want) {
		t.Errorf("%q start servers, want %q", got, want)
	}
}

// Stages that do not need each other start side by side: each waits here for the other.
func TestStagesStartSideBySide(t *testing.T) {
	meet := make(chan struct{})
	start := func(ctx context.Context, _ *lab.Run) (func() error, error) {
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return nil, nil
	}
	toy := lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Stages: []lab.Stage{{Name: "one", Start: start, Timeout: 10 * time.Second}, {Name: "two", Start: start, Timeout: 10 * time.Second}},
		Checks: []lab.Check{{Name: "a", Kind: lab.Core, Step: 1, Needs: []string{"one", "two"}, Run: func(context.Context, *lab.Run) error { return nil }}},
	}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil || result.Verdict != lab.Pass || len(result.Stages) != 2 {
		t.Errorf("got %+v, %v; want a pass with two stages", result, err)
	}
}

// A stage that does not start is told once, and what needs it is not reached.
func TestAStageThatTheCodeFails(t *testing.T) {
	d := &diary{}
	toy := kitchen(d, nil, nil)
	toy.Stages[1] = d.stage("replicas", &lab.Failure{Expected: "a service that starts", Seen: "a panic"}, "servers")
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, c := range result.Checks {
		told = append(told, c.Name+": "+string(c.Verdict))
	}
	want := "plan: pass, replicas: not yet, move: not reached, even: not reached, count: not reached"
	if got := strings.Join(told, ", "); got != want || result.Verdict != lab.NotYet {
		t.Errorf("verdict %q: %s\nwant %s", result.Verdict, got, want)
	}
	if result.Checks[1].Failure == nil || result.Checks[1].Failure.Seen != "a panic" {
		t.Errorf("the failure does not travel: %+v", result.Checks[1])
	}
}

// A check that exceeds its time blames no code: a slow machine looks the same.
func TestTimeout(t *testing.T) {
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{{
		Name: "a", Kind: lab.Core, Step: 1, Timeout: time.Millisecond,
		Run: func(ctx context.Context, _ *lab.Run) error {
			<-ctx.Done()
			return &lab.Failure{Expected: "an answer", Seen: "none"}
		},
	}}}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	c := result.Checks[0]
	if c.Verdict != lab.Inconclusive || c.Doubt == nil || !strings.Contains(c.Detail, "did not end within 1ms") || !strings.Contains(c.Detail, "saw none") {
		t.Errorf("got %+v, want inconclusive, with the time and what was seen", c)
	}
}

// The servers of a stage live as long as its context does: to the end of the run.
func TestAStageOutlivesItsStart(t *testing.T) {
	var ended <-chan struct{}
	toy := lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Stages: []lab.Stage{{Name: "one", Start: func(ctx context.Context, _ *lab.Run) (func() error, error) {
			ended = ctx.Done()
			return nil, nil
		}}},
		Checks: []lab.Check{{Name: "a", Kind: lab.Core, Step: 1, Needs: []string{"one"}, Run: func(context.Context, *lab.Run) error {
			select {
			case <-ended:
				return errors.New("the stage's context has ended")
			default:
				return nil
			}
		}}},
	}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil || result.Verdict != lab.Pass {
		t.Errorf("got %+v, %v; want a pass", result, err)
	}
}

// A stage that exceeds its time blames no code, and what it started ends.
func TestTimeoutOfAStage(t *testing.T) {
	toy := lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{},
		Stages: []lab.Stage{{Name: "one", Timeout: time.Millisecond, Start: func(ctx context.Context, _ *lab.Run) (func() error, error) {
			<-ctx.Done()
			return nil, &lab.Failure{Expected: "a start", Seen: "none"}
		}}},
		Checks: []lab.Check{{Name: "a", Kind: lab.Core, Step: 1, Needs: []string{"one"}}},
	}
	result, err := toy.Do(t.Context(), &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	stage := result.Checks[0]
	if stage.Verdict != lab.Inconclusive || !strings.Contains(stage.Detail, "did not end within 1ms") {
		t.Errorf("got %+v, want inconclusive, with the time", stage)
	}
}

func TestLookInOneLine(t *testing.T) {
	for want, look := range map[string]lab.Look{
		"":                                     {},
		"router.go":                            {File: "router.go"},
		"router.go, Plan":                      {File: "router.go", Func: "Plan"},
		"router.go, Plan: who has too much?":   {File: "router.go", Func: "Plan", Hint: "who has too much?"},
		"nginx.conf: what is sent on?":         {File: "nginx.conf", Hint: "what is sent on?"},
		"the log of the service that is above": {Hint: "the log of the service that is above"},
	} {
		if got := look.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The time in which others have the machine is no time of the run.
func TestWaitForTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait, work = 5 * time.Minute, 3 * time.Second
		toy := kitchen(new(diary), nil, nil)
		toy.Claim = func(context.Context, *lab.Run) (func(), error) {
			time.Sleep(wait)
			return func() {}, nil
		}
		toy.Checks[1].Run = func(context.Context, *lab.Run) error { time.Sleep(work); return nil }
		result, err := toy.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck})
		if err != nil || result.Verdict != lab.Pass {
			t.Fatalf("%s, error %v", result.Verdict, err)
		}
		if result.WaitedSeconds != wait.Seconds() || result.Seconds != work.Seconds() {
			t.Errorf("took %v s and waited %v s, want %v and %v", result.Seconds, result.WaitedSeconds, work, wait)
		}
	})
}

func TestDirectNeeds(t *testing.T) {
	nothing := func(context.Context, *lab.Run) error { return nil }
	check := func(name string, needs ...string) lab.Check {
		return lab.Check{Name: name, Kind: lab.Core, Step: 1, Needs: needs, Run: nothing}
	}
	toy := lab.Lab{
		Name:   "00-toy",
		Stages: []lab.Stage{{Name: "servers", Start: func(context.Context, *lab.Run) (func() error, error) { return nil, nil }}},
		Checks: []lab.Check{check("ids"), check("places", "ids"), check("reads", "places", "servers"), check("all", "ids", "places", "servers"), check("last", "ids", "reads", "all")},
	}
	listing := toy.List()
	for name, want := range map[string][]string{"ids": nil, "places": {"ids"}, "reads": {"places"}, "all": {"places"}, "last": {"reads", "all"}} {
		i := slices.IndexFunc(listing, func(l lab.Listed) bool { return l.Name == name })
		if got := listing.DirectNeeds(listing[i]); !slices.Equal(got, want) {
			t.Errorf("%s needs %q, want %q", name, got, want)
		}
	}
}
