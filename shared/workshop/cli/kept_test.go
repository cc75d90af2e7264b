package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 119 * time.Minute: "1 hour ago",
		2 * time.Hour: "2 hours ago", 50 * time.Hour: "2 days ago",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestKeptReadsBack(t *testing.T) {
	k, ok, err := readKept(filepath.Join("report", "testdata", "pass.json"))
	if err != nil || !ok {
		t.Fatalf("read pass.json: there: %t, %v", ok, err)
	}
	path := filepath.Join(t.TempDir(), "00-baseline", "result.json")
	for range 2 { // the second takes the first one's place
		if err := writeJSON(path, k); err != nil {
			t.Fatal(err)
		}
	}
	again, ok, err := readKept(path)
	if err != nil || !ok {
		t.Fatalf("there: %t, %v", ok, err)
	}
	before, _ := json.Marshal(k)
	after, _ := json.Marshal(again)
	if string(before) != string(after) || again.Made.IsZero() || again.Commit == "" {
		t.Errorf("read back %s, wrote %s", after, before)
	}
	// A program that knows only lab.Result can read the file too.
	if r, err := lab.ReadResult(path); err != nil || r.Lab != k.Lab {
		t.Errorf("as a result it is %+v, %v", r, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readKept(path); err == nil {
		t.Error("a broken file is read without an error")
	}
}

func TestOriginInWords(t *testing.T) {
	made := time.Date(2026, 3, 1, 18, 30, 0, 0, time.UTC)
	for want, o := range map[string]origin{
		"":                          {},
		"made 2026-03-01 18:30 UTC": {Made: made},
		"made 2026-03-01 18:30 UTC on commit 0123abc":              {Made: made, Commit: "0123abc"},
		"made 2026-03-01 18:30 UTC on commit 0123abc with changes": {Made: made, Commit: "0123abc-dirty"},
		"on commit 0123abc":                   {Commit: "0123abc"},
		"on solutions":                        {On: &ground{Solutions: []string{"00"}}},
		"on your own labs; on commit 0123abc": {Commit: "0123abc", On: &ground{Yours: []string{"00", "01"}}},
		"on your labs 00, 03 and solutions 01, 02; made 2026-03-01 18:30 UTC": {
			Made: made, On: &ground{Yours: []string{"00", "03"}, Solutions: []string{"01", "02"}},
		},
	} {
		if got := o.words(); got != want {
			t.Errorf("%+v in words is %q, want %q", o, got, want)
		}
	}
}

func TestStepsPassed(t *testing.T) {
	made := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	check := func(step int, v lab.Verdict) lab.CheckResult {
		return lab.CheckResult{Step: step, Kind: lab.Core, Verdict: v}
	}
	open := lab.CheckResult{Step: 3, Kind: lab.Stretch, Verdict: lab.NotYet}
	for name, tt := range map[string]struct {
		before []int
		result lab.Result
		want   []int
	}{
		"a step passes":         {[]int{1, 3}, lab.Result{Step: 2, Verdict: lab.Pass}, []int{1, 2, 3}},
		"a step fails":          {[]int{1, 2}, lab.Result{Step: 1, Verdict: lab.NotYet}, []int{2}},
		"a step cannot be told": {[]int{1, 2}, lab.Result{Step: 1, Verdict: lab.Inconclusive}, []int{1, 2}},
		"the whole lab": {[]int{2, 4}, lab.Result{Verdict: lab.NotYet, Checks: []lab.CheckResult{
			check(1, lab.Pass), check(1, lab.Pass), check(2, lab.Pass), check(2, lab.NotYet), check(2, lab.Pass), check(3, lab.Pass), open, check(4, lab.Inconclusive),
		}}, []int{1, 3, 4}},
		"not reached": {[]int{1}, lab.Result{Verdict: lab.NotYet, Checks: []lab.CheckResult{check(1, lab.Pass), check(1, lab.NotReached)}}, nil},
	} {
		got := stepsPassed{Passed: tt.before}.after(tt.result, made)
		if !slices.Equal(got.Passed, tt.want) || got.Made != made {
			t.Errorf("%s: %v at %v, want %v", name, got.Passed, got.Made, tt.want)
		}
	}
}
