package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/workshop/course"
)

// Each lab of the course has a part in the tour.
func TestEachLabIsTold(t *testing.T) {
	var told []string
	for _, a := range acts() {
		told = append(told, a.lab)
	}
	for _, l := range course.Labs() {
		if !slices.Contains(told, l.ID()) {
			t.Errorf("lab %s has no part in the tour: add one to acts", l.Name)
		}
	}
}

func TestChoose(t *testing.T) {
	for only, want := range map[string]string{
		"":                "peak,vertical,replicas,cache,queue,shards,policy,dinner",
		"cache":           "cache",
		"policy,vertical": "vertical,policy", // in the order of the tour
	} {
		chosen, err := choose(acts(), only)
		var got []string
		for _, a := range chosen {
			got = append(got, a.name)
		}
		if err != nil || strings.Join(got, ",") != want {
			t.Errorf("--only %q: %q, %v; want %q", only, got, err, want)
		}
	}
	for _, only := range []string{"nothing", "cache,", "Cache"} {
		if _, err := choose(acts(), only); err == nil || !strings.Contains(err.Error(), "choose of peak, vertical") {
			t.Errorf("--only %q: %v, want an error that names the parts", only, err)
		}
	}
}

func TestPace(t *testing.T) {
	chosen := []act{
		{lab: "00", title: "the peak", setup: 8 * time.Second, load: 20 * time.Second},
		{lab: "01", title: "a bigger machine", setup: 10 * time.Second, load: 30 * time.Second},
	}
	declared := newPace(chosen, declaredSlowness)
	if got, want := declared.line(), "Step 1 of 3, about 80 s left: the servers that all share"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// A machine that is three times slower needs three times as long for the setups, and as long for the
	// loads.
	slow := newPace(chosen, 3*declaredSlowness)
	if got, want := slow.line(), "Step 1 of 3, about 2 min left: the servers that all share"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// What has been seen counts more than the measured speed.
	slow.end(openSetup)
	if got, want := slow.line(), "Step 2 of 3, about 70 s left: lab 00, the peak"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	slow.spoiled = 15 * time.Second
	slow.end(51 * time.Second) // 15 s of a load that was sent again, 20 s of load, and a setup of 16 s where 8 s were declared
	if got, want := slow.left(), 30*time.Second+14*time.Second; got != want {
		t.Errorf("%v left, want %v", got, want)
	}
}

// The goal of the tour on the machine of the declared durations.
func TestDeclaredLength(t *testing.T) {
	if got := newPace(acts(), declaredSlowness).left(); got > 260*time.Second {
		t.Errorf("the parts are declared to take %v, want 260 s at most", got)
	}
}
