package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/spec"
)

// told returns a story with two acts and every kind of remark.
func told() *story {
	quotas := []spec.Quota{{Container: "service0", Type: "b1.small", CPU: 0.5, ThrottledShare: 0.25}}
	return &story{CPUs: 2, Seconds: 12.3, Acts: []act{
		{
			Title: "Before", Fix: "nothing yet", Quotas: quotas,
			Levels: []level{
				{Rate: 10, Goodput: 10, MeanMS: 20, P95MS: 100, MetSLO: true},
				{Rate: 20, Goodput: 12, MeanMS: 900, P95MS: 2000, FailureShare: 0.4},
			},
			SLOCapacity: 10, SaturationGoodput: 12, Saturated: true,
			Rush: rush{Rate: 18, Seconds: 8, MeanMS: 1234, P99MS: 2100, FailureShare: 0.5},
		},
		{
			Title: "After", Fix: "an index", Quotas: quotas,
			Levels:      []level{{Rate: 10, Goodput: 10.4, MeanMS: 2, P95MS: 10, MetSLO: true}},
			SLOCapacity: 10, SaturationGoodput: 10.4,
			Rush:   rush{Rate: 18, Seconds: 8, MeanMS: 3, P99MS: 9},
			Doubts: []string{"host saturated"},
		},
	}}
}

func TestPrint(t *testing.T) {
	var out strings.Builder
	if err := told().print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"service0 runs on b1.small: 0.5 CPU, held back in 25 % of the quota periods",
		"10.0        10.0   20 ms   100 ms     0 %  ############### ok\n",
		"20.0        12.0  900 ms  2000 ms    40 %  ##################............\n",
		"holds 10.0/s; saturates at 12.0/s",
		"saturates at more than 10.4/s",
		"in the rush, 18.0 requests/s for 8 s: mean 1234 ms, p99 2100 ms, 50 % failed",
		"take with care: host saturated",
		"After   10.0/s  more than 10.4/s  3 ms",
		"a mean of 800 ms or more: here 1234 ms",
		"go tool workshop check 00",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tour.json")
	if err := told().writeFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var again story
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if len(again.Acts) != 2 || again.Acts[0].Rush != told().Acts[0].Rush || again.Acts[1].Doubts[0] != "host saturated" {
		t.Errorf("read back %+v", again)
	}
}

func TestStepsAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range steps() {
		key := strings.Join(s.service, " ")
		if seen[key] || s.title == "" || s.fix == "" {
			t.Errorf("step %+v: twice the same service, or no words for it", s)
		}
		seen[key] = true
	}
}
