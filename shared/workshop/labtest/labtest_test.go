package labtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
)

// envSubject names what TestSubject, in a process of its own, is to run.
const envSubject = "SPECTEST_SUBJECT"

// toy returns a lab whose one check ends with err, and which still marks work.
func toy(err error) lab.Lab {
	return lab.Lab{
		Name: "00-toy", Files: fstest.MapFS{"a.sql": {Data: []byte("-- TODO(lab 00): all")}},
		Checks: []lab.Check{{Name: "index", Kind: lab.Core, Step: 1, Run: func(context.Context, *lab.Run) error { return err }}},
	}
}

// TestSubject is a test that passes or fails; the others look at how.
func TestSubject(t *testing.T) {
	failure := &lab.Failure{Expected: "an index", Seen: "none"}
	wrong := func(name string, err error) lab.Wrong {
		return lab.Wrong{Name: name, Why: "it happens", Check: "index", Lab: toy(err)}
	}
	answers := func(wrongs ...lab.Wrong) lab.Answers {
		right := lab.Right{Name: "other", Why: "it is as good", Checks: []string{"index"}, Lab: toy(nil)}
		return lab.Answers{Wrong: wrongs, Right: []lab.Right{right}}
	}
	switch os.Getenv(envSubject) {
	case "passes":
		labtest.Run(t, toy(nil))
	case "fails":
		labtest.Run(t, toy(failure))
	case "with servers":
		l := toy(failure)
		l.Stages = []lab.Stage{{Name: "servers", Starts: "servers", Start: func(context.Context, *lab.Run) (func() error, error) { return nil, nil }}}
		l.Checks[0].Needs = []string{"servers"}
		labtest.Run(t, l)
	case "invalid":
		l := toy(nil)
		l.Starter = []string{"knee"}
		labtest.Run(t, l)
	case "step":
		l := toy(nil)
		l.Name, l.Checks[0].Step = "00-baseline", 9
		labtest.Run(t, l)
	case "long":
		labtest.Full(t, toy(nil))
	case "rejected":
		labtest.Answers(t, answers(wrong("one", failure), wrong("two", failure)))
	case "accepted":
		labtest.Answers(t, answers(wrong("one", nil), wrong("two", failure)))
	case "by another too":
		w := wrong("one", failure)
		w.Lab.Checks = append(w.Lab.Checks, lab.Check{Name: "tidy", Kind: lab.Core, Step: 2, Run: w.Lab.Checks[0].Run})
		labtest.Answers(t, answers(w))
	case "right and rejected":
		a := answers(wrong("one", failure))
		a.Right[0].Lab = toy(failure)
		labtest.Answers(t, a)
	case "by the machine":
		labtest.Answers(t, answers(wrong("one", errors.New("no engine"))))
	case "without a name":
		labtest.Answers(t, answers(wrong("", failure)))
	case "waits":
		labtest.Run(t, waiting(func(context.Context) error { return nil }))
	case "waits and works":
		labtest.Run(t, waiting(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
	case "waits and hangs":
		labtest.Run(t, waiting(func(context.Context) error { select {} }))
	case "an answer waits":
		w := wrong("one", failure)
		w.Lab = waiting(func(context.Context) error { return failure })
		labtest.Answers(t, answers(w))
	case "nothing wrong":
		labtest.Answers(t, lab.Answers{})
	default:
		t.Skip("run by the other tests")
	}
}

func TestModes(t *testing.T) {
	const skipped = "--- SKIP: TestSubject"
	tests := []struct {
		subject string
		mode    string
		passes  bool
		says    string
		results int // how many are left; 1 for a lab
	}{
		{"passes", "", true, skipped, 0}, // there is a TODO
		{"passes", "quick", true, skipped, 0},
		{"passes", "check", true, "check index", 1},
		{"passes", "verify", true, "check index", 1},
		{"passes", "full", true, "check index", 1},
		{"passes", "list", true, "PASS", 1},
		{"step", "list", false, "no step 9 in the course", 0},
		{"fails", "check", false, "saw none", 1},
		{"fails", "verify", false, "saw none", 1},
		{"passes", "chekc", false, `WORKSHOP_MODE="chekc"`, 0},
		{"invalid", "", false, `to fail "knee"`, 0},

		{"long", "", true, "go tool workshop verify --full 00-toy", 0},
		{"long", "check", true, skipped, 0},
		{"long", "full", true, "check index", 1},

		{"rejected", "", true, "go tool workshop verify 00-toy", 0},
		{"rejected", "check", true, skipped, 0},
		{"rejected", "verify", true, "wrong answer two: it happens", 3},
		{"rejected", "verify", true, "right answer other: it is as good", 3},
		{"accepted", "verify", false, `check "index" did not reject it`, 3},
		{"right and rejected", "verify", false, `check "index": not yet`, 2},
		{"by another too", "verify", true, "wrong answer one", 2},
		{"by another too", "proof", false, `check "tidy" rejected it too`, 2},
		{"by the machine", "verify", false, "environment: check \"index\"", 2},
		{"without a name", "", false, "kebab-case", 0}, // seen without a run
		{"nothing wrong", "", false, "no wrong answers", 0},
	}
	for _, tt := range tests {
		t.Run(tt.subject+" "+tt.mode, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "result.json")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSubject$", "-test.v", "-test.short=false")
			cmd.Env = append(os.Environ(), envSubject+"="+tt.subject, lab.EnvMode+"="+tt.mode, lab.EnvResult+"="+file)
			output, err := cmd.CombinedOutput()
			if (err == nil) != tt.passes || !strings.Contains(string(output), tt.says) {
				t.Errorf("ended with %v, want a pass: %t, and %q in\n%s", err, tt.passes, tt.says, output)
			}
			if got := count(t, file); got != tt.results {
				t.Errorf("left %d results, want %d", got, tt.results)
			}
		})
	}
}

// count returns how many results a file holds.
func count(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	var list lab.Listing
	if json.Unmarshal(text, &list) == nil {
		return len(list)
	}
	var answers lab.AnswerResults
	if err := json.Unmarshal(text, &answers); err == nil && len(answers.Wrong) > 0 {
		return len(answers.Wrong) + len(answers.Right)
	}
	if _, err := lab.ReadResult(file); err != nil {
		t.Fatal(err)
	}
	return 1
}

// The selection travels in the environment.
func TestSelection(t *testing.T) {
	for selection, want := range map[string]struct {
		passes bool
		says   string
	}{
		lab.EnvServerless + "=true": {true, "check index"},
		lab.EnvOnly + "=index":      {true, "check index"},
		lab.EnvStep + "=1":          {true, "check index"},
		lab.EnvOnly + "=knee":       {false, `no check "knee"; there are: index`},
		lab.EnvStep + "=2":          {false, "no step 2"},
		lab.EnvStep + "=two":        {false, "want a number"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSubject$", "-test.v", "-test.short=false")
		cmd.Env = append(os.Environ(), envSubject+"=passes", lab.EnvMode+"="+string(lab.ModeCheck), selection)
		output, err := cmd.CombinedOutput()
		if (err == nil) != want.passes || !strings.Contains(string(output), want.says) {
			t.Errorf("%s: ended with %v, want a pass: %t, and %q in\n%s", selection, err, want.passes, want.says, output)
		}
	}
}

// Short tests start no servers, in whatever mode. They run the checks that need none.
func TestShort(t *testing.T) {
	for subject, want := range map[string]struct {
		passes bool
		says   string
	}{
		"with servers": {true, "--- SKIP"},
		"long":         {true, "--- SKIP"},
		"accepted":     {true, "--- SKIP"},
		"fails":        {false, "saw none"},
		"passes":       {true, "check index"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSubject$", "-test.v", "-test.short")
		cmd.Env = append(os.Environ(), envSubject+"="+subject, lab.EnvMode+"="+string(lab.ModeVerify))
		output, err := cmd.CombinedOutput()
		if (err == nil) != want.passes || !strings.Contains(string(output), want.says) {
			t.Errorf("%s: ended with %v, want a pass: %t, and %q in\n%s", subject, err, want.passes, want.says, output)
		}
	}
}
