package spec

import (
	"testing"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/answer"
	"bytebites.example/workshop/labs/06-autoscale/simulate"
)

// The questions of step 1 have one answer each, which the trace shows.
func TestEvening(t *testing.T) {
	played := evening()
	before, mostBefore := 0, 0
	for i, row := range played.Rows {
		if row.At.Sub(five()) >= 20*time.Minute {
			break
		}
		if i > 0 && row.Load != played.Rows[0].Load {
			t.Errorf("at %v the load is %.0f, want %.0f until 17:20", row.At, row.Load, played.Rows[0].Load)
		}
		if row.Decision != row.Running {
			before++
			// The change is no answer to a replica that is starting: all of them serve.
			if row.Ready != row.Running {
				t.Errorf("at %v %d of %d replicas are ready, and the number changes", row.At, row.Ready, row.Running)
			}
		}
		mostBefore = max(mostBefore, row.Decision)
	}
	if before < 2 {
		t.Errorf("%d changes while the load is the same, want two or more", before)
	}
	right := traced(played)
	if right.Cause != answer.Noise || right.Most <= most || right.Most <= mostBefore {
		t.Errorf("answers %+v, want noise, and more replicas than %d", right, most)
	}
	at, needed := marked(played)
	if at < 0 {
		t.Fatal("no reading is marked")
	}
	row := played.Rows[at]
	if row.Decision == right.Needed || needed <= float64(right.Needed-1) {
		t.Errorf("the marked reading %+v has the answer %d, which the row shows", row, right.Needed)
	}
}

// Ten replicas can take the days of the checks.
func TestDays(t *testing.T) {
	for name, day := range map[string]struct{ peak, least float64 }{"dinner": {560, 80}, "rush": {560, 80}} {
		s := simulate.DinnerDay()
		if name == "rush" {
			s = rush()
		}
		peak, least := 0.0, 1e9
		for since := time.Duration(0); since < s.Length; since += time.Minute {
			peak, least = max(peak, s.Load(since)), min(least, s.Load(since))
		}
		if peak != day.peak || least != day.least {
			t.Errorf("%s: from %.0f to %.0f requests/s, want %.0f to %.0f", name, least, peak, day.least, day.peak)
		}
		if peak >= most*capacity*breachUtilisation {
			t.Errorf("%s: ten replicas are above the target", name)
		}
	}
}
