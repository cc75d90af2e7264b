package stack

import (
	"fmt"
	"slices"
	"strings"
)

// The profiles of docker-compose.yml.
const (
	baselineProfile   = "baseline"
	monitoringProfile = "monitoring"
	horizontalProfile = "horizontal"
	cacheProfile      = "cache"
	shardingProfile   = "sharding"
	queueProfile      = "queue"
)

// profile is a part of docker-compose.yml that Up starts.
type profile struct {
	name string
	lab  int    // the number of the lab that brings it
	text string // for a help text
	// addOn marks a profile without a storefront, which is started beside one that has it.
	addOn bool
}

// profiles are those of docker-compose.yml, in the order of the labs.
func profiles() []profile {
	return []profile{
		{name: baselineProfile, lab: 0, text: "the slow monolith, PostgreSQL with the seeded data, a mail sink"},
		{name: monitoringProfile, lab: 0, text: "Prometheus, beside the other profiles named or the baseline", addOn: true},
		{name: horizontalProfile, lab: replicasLab, text: "three replicas behind nginx"},
		{name: cacheProfile, lab: cacheLab, text: "the replicas with Redis"},
		{name: shardingProfile, lab: shardingLab, text: "the same, with user data moved to four PostgreSQL shards while you watch"},
		{name: queueProfile, lab: queueLab, text: "the replicas with Redis, and RabbitMQ with a relay and a worker"},
	}
}

// replicaProfiles are the profiles with replicas behind nginx.
func replicaProfiles() []string { return append([]string{horizontalProfile}, cacheProfiles()...) }

// cacheProfiles are the profiles with Redis.
func cacheProfiles() []string { return []string{cacheProfile, shardingProfile, queueProfile} }

// choose returns the profiles to start, each once. If no profile with a storefront is named, the
// last one that has come with that lab is the first of them.
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
		storefront = storefront || !p.addOn
	}
	if !storefront {
		chosen = append([]profile{profileOf(lab)}, chosen...)
	}
	return chosen, nil
}

// profileOf returns the last profile with a storefront that has come with that lab.
func profileOf(lab int) profile {
	var last profile
	for _, p := range profiles() {
		if !p.addOn && p.lab <= lab {
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
	for _, p := range profiles() {
		if p.name == name {
			return p, nil
		}
	}
	return profile{}, usagef("no profile %q; there are: %s", name, strings.Join(everyProfile(), ", "))
}

// everyProfile names all profiles.
func everyProfile() []string { return namesOf(profiles()) }

// DescribeProfiles lists the profiles for a help text, a line each.
func DescribeProfiles() string {
	var b strings.Builder
	for _, p := range profiles() {
		fmt.Fprintf(&b, "  %-11s %s\n", p.name, p.text)
	}
	return b.String()
}
