package stack

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/workshop/course"
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

// The code names profiles, servers and files for which Up does more than the course says.
func TestNamesAreTheCourses(t *testing.T) {
	labs := course.Labs()
	for _, name := range []string{baselineProfile, monitoringProfile, horizontalProfile, cacheProfile, shardingProfile, queueProfile} {
		if _, err := findProfile(labs, name); err != nil {
			t.Error(err)
		}
	}
	if got, want := replicaProfiles(labs), []string{horizontalProfile, cacheProfile, shardingProfile, queueProfile}; !slices.Equal(got, want) {
		t.Errorf("profiles with replicas are %v, want %v", got, want)
	}
	if got, want := cacheProfiles(labs), []string{cacheProfile, shardingProfile, queueProfile}; !slices.Equal(got, want) {
		t.Errorf("profiles with Redis are %v, want %v", got, want)
	}
	for file, want := range map[string]string{
		"nginx.conf": "./solutions/02-horizontal/nginx.conf", "redis.conf": "./solutions/03-cache/redis.conf", "none.conf": "",
	} {
		if got := solutionOf(labs, file); got != want {
			t.Errorf("the solution of %s is %q, want %q", file, got, want)
		}
	}
	for service, want := range map[string]bool{"nginx": true, "redis": true, "rabbitmq": false, "postgres": false} {
		for _, server := range labs.Servers() {
			if server.Service == service && server.Renew != want {
				t.Errorf("%s is started anew: %t, want %t", service, server.Renew, want)
			}
		}
	}
}

// A lab that is added brings its profile by its entry alone.
func TestProfileOfAnotherLab(t *testing.T) {
	labs := append(course.Labs(), course.Lab{Number: 90, Name: "90-toy", Profiles: []course.Profile{{
		Name: "toy", Text: "a toy", Use: "the toy", Instead: "queue", Secrets: []string{"TOY_TOKEN"},
		Servers: []course.Server{{
			Service: "toy", Image: "toy", ImageVariable: "TOY_IMAGE",
			Ports: []course.Port{{Variable: "TOY_PORT", Standard: "9999", Storefront: "toy shop"}},
		}},
	}}})
	if chosen, err := choose(labs, nil, 90); err != nil || !slices.Equal(namesOf(chosen), []string{"toy"}) {
		t.Errorf("for lab 90 up starts %v, %v; want toy", chosen, err)
	}
	chosen, err := choose(labs, []string{"toy"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := (Lab{Number: 5}).uses(chosen); err == nil || err.Error() != "lab 05 does not use the toy yet; use profile queue" {
		t.Errorf("with lab 05's code: %v", err)
	}
	if err := (Lab{Number: 90}).uses(chosen); err != nil {
		t.Errorf("with lab 90's code: %v", err)
	}
	if help := DescribeProfiles(labs); !strings.Contains(help, "\n  toy         a toy\n") {
		t.Errorf("the help lacks the profile:\n%s", help)
	}
	if ports := publishedPorts(labs); ports[len(ports)-1].variable != "TOY_PORT" || ports[len(ports)-1].standard != "9999" {
		t.Errorf("published are %+v", ports)
	}
	if doors := frontDoors(labs); doors[len(doors)-1].fact != "toy shop" {
		t.Errorf("storefronts are %+v", doors)
	}
	if !slices.Contains(labs.Secrets(), "TOY_TOKEN") || !slices.Contains(labs.ImageVariables(), "TOY_IMAGE") {
		t.Errorf("secrets are %v, image variables %v", labs.Secrets(), labs.ImageVariables())
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
		chosen, err := choose(course.Labs(), tt.names, tt.folder)
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
		chosen, err := choose(course.Labs(), tt.chosen, tt.lab)
		if err != nil {
			t.Fatal(err)
		}
		err = Lab{Number: tt.lab}.uses(chosen)
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
