package cli

import (
	"fmt"
	"slices"
	"strings"
)

// A profile is a part of docker-compose.yml that `up` starts.
type profile struct {
	name string
	lab  int // that it comes with
	what string
	// beside says that it has no storefront and is started beside one that has.
	beside bool
}

// profiles are all that the story has, in its order. Those of a lab that is not there yet
// are named, so that whoever read of them learns when they come.
func profiles() []profile {
	return []profile{
		{name: "baseline", lab: 0, what: "the slow monolith, PostgreSQL with the seeded data, a mail sink"},
		{name: "monitoring", lab: 0, what: "Prometheus, beside the baseline or what else is named", beside: true},
		{name: "horizontal", lab: 2, what: "three replicas behind nginx"},
		{name: "cache", lab: 3, what: "the replicas with Redis"},
		{name: shardingProfile, lab: 4, what: "the same with user data on four PostgreSQL shards, moved there as you watch"},
		{name: "queue", lab: 5, what: "RabbitMQ and workers"},
	}
}

// newestLab is the last lab whose profiles docker-compose.yml has.
const newestLab = 4

// choose returns the profiles to start: those named, with a storefront among them. Where
// none is named it is the one that shows best what the code of a lab does.
func choose(names []string, lab int) ([]profile, error) {
	var chosen []profile
	storefront := false
	for _, name := range names {
		p, err := findProfile(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(chosen, p) {
			continue
		}
		chosen = append(chosen, p)
		storefront = storefront || !p.beside
	}
	if !storefront {
		chosen = append([]profile{profileOf(lab)}, chosen...)
	}
	return chosen, nil
}

// profileOf returns the last profile with a storefront that has come with a lab.
func profileOf(lab int) profile {
	var last profile
	for _, p := range profiles() {
		if !p.beside && p.lab <= min(lab, newestLab) {
			last = p
		}
	}
	return last
}

// namesOf returns the names of profiles.
func namesOf(profiles []profile) []string {
	names := make([]string, 0, len(profiles))
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return names
}

func findProfile(name string) (profile, error) {
	var there []string
	for _, p := range profiles() {
		if p.name == name && p.lab > newestLab {
			return profile{}, usagef("profile %q comes with lab %02d, which is not there yet", name, p.lab)
		}
		if p.name == name {
			return p, nil
		}
		if p.lab <= newestLab {
			there = append(there, p.name)
		}
	}
	return profile{}, usagef("no profile %q; there are: %s", name, strings.Join(there, ", "))
}

// everyProfile names the profiles that docker-compose.yml has.
func everyProfile() []string {
	var names []string
	for _, p := range profiles() {
		if p.lab <= newestLab {
			names = append(names, p.name)
		}
	}
	return names
}

// describeProfiles lists them for a help text.
func describeProfiles() string {
	var b strings.Builder
	for _, p := range profiles() {
		when := ""
		if p.lab > newestLab {
			when = fmt.Sprintf(" (comes with lab %02d)", p.lab)
		}
		fmt.Fprintf(&b, "  %-11s %s%s\n", p.name, p.what, when)
	}
	return b.String()
}
