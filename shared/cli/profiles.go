package cli

import (
	"fmt"
	"strings"
)

// A profile is a part of docker-compose.yml that `up` starts.
type profile struct {
	name string
	lab  int // that it comes with
	what string
	base string // the profile that it needs beside it
}

// profiles are all that the story has. Those of a lab that is not there yet are named,
// so that whoever read of them learns when they come.
func profiles() []profile {
	return []profile{
		{name: "baseline", lab: 0, what: "the slow monolith, PostgreSQL with the seeded data, a mail sink"},
		{name: "monitoring", lab: 0, what: "Prometheus, beside the baseline", base: "baseline"},
		{name: "horizontal", lab: 2, what: "three replicas behind nginx"},
		{name: "cache", lab: 3, what: "the replicas with Redis"},
		{name: "sharding", lab: 4, what: "user data on four PostgreSQL shards"},
		{name: "queue", lab: 5, what: "RabbitMQ and workers"},
	}
}

// newestLab is the last lab whose profiles docker-compose.yml has.
const newestLab = 2

// choose returns the profiles to start, with those that they need.
func choose(names []string) ([]string, error) {
	if len(names) == 0 {
		names = []string{"baseline"}
	}
	var chosen []string
	add := func(name string) {
		for _, c := range chosen {
			if c == name {
				return
			}
		}
		chosen = append(chosen, name)
	}
	for _, name := range names {
		p, err := findProfile(name)
		if err != nil {
			return nil, err
		}
		if p.base != "" {
			add(p.base)
		}
		add(p.name)
	}
	return chosen, nil
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
