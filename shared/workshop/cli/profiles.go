package cli

import (
	"fmt"
	"slices"
	"strings"
)

// A profile is a part of docker-compose.yml that `up` starts.
type profile struct {
	name   string
	folder int // that it comes with
	what   string
	// beside says that it has no storefront and is started beside one that has.
	beside bool
}

// profiles are those of docker-compose.yml, in the story's order.
func profiles() []profile {
	return []profile{
		{name: "baseline", folder: 0, what: "the slow monolith, PostgreSQL with the seeded data, a mail sink"},
		{name: "monitoring", folder: 0, what: "Prometheus, beside the baseline or what else is named", beside: true},
		{name: "horizontal", folder: replicasLab, what: "three replicas behind nginx"},
		{name: "cache", folder: cacheLab, what: "the replicas with Redis"},
		{name: shardingProfile, folder: shardingLab, what: "the same with user data on four PostgreSQL shards, moved there as you watch"},
		{name: queueProfile, folder: queueLab, what: "the replicas with Redis, and RabbitMQ with a relay and a worker behind them"},
	}
}

// queueProfile is the profile with a broker.
const queueProfile = "queue"

// replicaProfiles are those with replicas behind nginx.
func replicaProfiles() []string { return append([]string{"horizontal"}, cacheProfiles()...) }

// cacheProfiles are those of them with Redis.
func cacheProfiles() []string { return []string{"cache", shardingProfile, queueProfile} }

// choose returns the profiles to start: those named, with a storefront among them. Where
// none is named it is the one that shows best what the code of a lab does.
func choose(names []string, folder int) ([]profile, error) {
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
		chosen = append([]profile{profileOf(folder)}, chosen...)
	}
	return chosen, nil
}

// profileOf returns the last profile with a storefront that has come with a lab.
func profileOf(folder int) profile {
	var last profile
	for _, p := range profiles() {
		if !p.beside && p.folder <= folder {
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

// describeProfiles lists them for a help text.
func describeProfiles() string {
	var b strings.Builder
	for _, p := range profiles() {
		fmt.Fprintf(&b, "  %-11s %s\n", p.name, p.what)
	}
	return b.String()
}
