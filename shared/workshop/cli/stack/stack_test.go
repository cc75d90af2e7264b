package stack

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestComposeVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"1.27.4": false, "1.28.0": true, "1.29.2": true, "2.24.5-desktop.1": true, "5.0.0": true, "": false, "dev": false, "1.9.0": false,
	} {
		if got := profilesKnown(version); got != want {
			t.Errorf("profilesKnown(%q) = %t, want %t", version, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	tests := []struct {
		names   []string
		folder  int
		want    []string
		problem string
	}{
		{nil, 0, []string{"baseline"}, ""},
		{nil, 1, []string{"baseline"}, ""},
		{nil, 2, []string{"horizontal"}, ""},
		{nil, 3, []string{"cache"}, ""},
		{nil, 4, []string{"sharding"}, ""},
		{nil, 5, []string{"queue"}, ""},
		{nil, 6, []string{"queue"}, ""}, // lab 06 brings none
		{[]string{"baseline"}, 3, []string{"baseline"}, ""},
		{[]string{"monitoring"}, 0, []string{"baseline", "monitoring"}, ""},
		{[]string{"monitoring"}, 2, []string{"horizontal", "monitoring"}, ""},
		{[]string{"monitoring", "baseline", "monitoring"}, 0, []string{"monitoring", "baseline"}, ""},
		{[]string{"horizontal", "monitoring"}, 0, []string{"horizontal", "monitoring"}, ""},
		{[]string{"lunch"}, 0, nil, "there are: baseline, monitoring, horizontal, cache, sharding, queue"},
		{[]string{"cache"}, 0, []string{"cache"}, ""},
		{[]string{"queue", "sharding"}, 0, []string{"queue", "sharding"}, ""},
	}
	for _, tt := range tests {
		chosen, err := choose(tt.names, tt.folder)
		got := namesOf(chosen)
		if !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 || (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("choose(%v, %d) = %v, %v; want %v, %q", tt.names, tt.folder, got, err, tt.want, tt.problem)
		}
	}
}

// A lab's code can run in a profile from the lab that brings the profile.
func TestProfilesThatALabUses(t *testing.T) {
	for _, tt := range []struct {
		lab     int
		chosen  []string
		problem string
	}{
		{0, []string{"baseline", "monitoring", "horizontal"}, ""},
		{2, []string{"horizontal", "cache"}, "lab 02 does not use the cache yet; use profile horizontal"},
		{3, []string{"cache"}, ""},
		{3, []string{"sharding"}, "lab 03 does not use the shards yet; use profile cache"},
		{4, []string{"cache", "sharding"}, ""},
		{4, []string{"sharding", "queue"}, "lab 04 does not use the queue yet; use profile sharding"},
		{5, []string{"cache", "sharding", "queue"}, ""},
	} {
		err := Lab{Number: tt.lab}.uses(tt.chosen)
		if problem := errorText(err); problem != tt.problem {
			t.Errorf("lab %d in %v: %q, want %q", tt.lab, tt.chosen, problem, tt.problem)
		}
		var usage *UsageError
		if err != nil && !errors.As(err, &usage) {
			t.Errorf("lab %d in %v: %T is no *UsageError", tt.lab, tt.chosen, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
