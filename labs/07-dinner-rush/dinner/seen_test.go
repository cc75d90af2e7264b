package dinner_test

import (
	"math"
	"testing"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/shared/measure/load"
)

func TestAnnouncedWindowsDoNotTouch(t *testing.T) {
	for _, length := range []time.Duration{30 * time.Second, 90 * time.Second} {
		faults := dinner.Announced(length)
		if len(faults) != 7 {
			t.Errorf("%v: %d faults, want 7", length, len(faults))
		}
		for i, f := range faults {
			end := f.At + max(f.Kind.Window(), time.Second)
			if i+1 < len(faults) && end >= faults[i+1].At {
				t.Errorf("%v: %s from %v to %v touches %s at %v", length, f.Kind, f.At, end, faults[i+1].Kind, faults[i+1].At)
			}
			if end >= length {
				t.Errorf("%v: %s ends at %v, after the dinner", length, f.Kind, end)
			}
		}
	}
}

func TestExcuses(t *testing.T) {
	killed := dinner.Event{Kind: dinner.ReplicaKilled, From: 10 * time.Second, To: 11 * time.Second}
	for _, test := range []struct {
		name              string
		event             dinner.Event
		intended, latency time.Duration
		want              bool
	}{
		{"ended before", killed, 9 * time.Second, 900 * time.Millisecond, false},
		{"under way at the kill", killed, 9 * time.Second, 1100 * time.Millisecond, true},
		{"in the window", killed, 12 * time.Second, time.Millisecond, true},
		{"after the window", killed, 13100 * time.Millisecond, time.Second, false},
		{"a fault that the labs hide", dinner.Event{Kind: dinner.BrokerRestarted, From: 10 * time.Second, To: 20 * time.Second}, 11 * time.Second, time.Second, false},
	} {
		if got := test.event.Excuses(load.RequestResult{Intended: test.intended, Latency: test.latency}); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

func TestReplicaHours(t *testing.T) {
	// 5 for 30 s, 8 for 40 s and 3 for 20 s of 90 s, which stand for three hours.
	seen := dinner.Seen{Length: 90 * time.Second, Running: []dinner.Running{{0, 5}, {30 * time.Second, 8}, {70 * time.Second, 3}, {95 * time.Second, 9}}}
	for until, want := range map[time.Duration]float64{
		0: 0, 30 * time.Second: 5, 45 * time.Second: 9, 90 * time.Second: 5 + 8*4.0/3 + 2,
	} {
		if got := seen.HoursUntil(until); math.Abs(got-want) > 1e-9 {
			t.Errorf("until %v: %v instance-hours, want %v", until, got, want)
		}
	}
	if got, want := seen.ReplicaHours(), 5+8*4.0/3+2; math.Abs(got-want) > 1e-9 {
		t.Errorf("%v instance-hours, want %v", got, want)
	}
}

func TestCurveIsTheStory(t *testing.T) {
	// Half of the 100,000 subscribers order once. Of the requests 17 % are orders.
	const length = 90 * time.Second
	mean := float64(dinner.Curve(length).Count(length)) / length.Seconds()
	if want := 50_000.0 / dinner.Evening.Seconds() / 0.17; math.Abs(mean-want) > 1 {
		t.Errorf("%.1f requests/s on average, want %.1f", mean, want)
	}
}
