package stack

import (
	"fmt"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/course"
)

// The profiles of docker-compose.yml for which Up does more than to start their servers.
const (
	baselineProfile   = "baseline"
	monitoringProfile = "monitoring"
	horizontalProfile = "horizontal"
	cacheProfile      = "cache"
	shardingProfile   = "sharding"
	queueProfile      = "queue"
)

// replicaProfiles are the profiles with replicas behind nginx.
func replicaProfiles(labs course.Course) []string { return labs.ProfilesWith("nginx") }

// cacheProfiles are the profiles with Redis.
func cacheProfiles(labs course.Course) []string { return labs.ProfilesWith("redis") }

// choose returns the profiles to start, each once. If no profile with a storefront is named, the
// last one that has come with that lab is the first of them.
func choose(labs course.Course, names []string, lab int) ([]course.LabProfile, error) {
	var chosen []course.LabProfile
	storefront := false
	for _, name := range names {
		p, err := findProfile(labs, name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(namesOf(chosen), name) {
			continue
		}
		chosen = append(chosen, p)
		storefront = storefront || !p.AddOn
	}
	if !storefront {
		chosen = append([]course.LabProfile{profileOf(labs, lab)}, chosen...)
	}
	return chosen, nil
}

// profileOf returns the last profile with a storefront that has come with that lab.
func profileOf(labs course.Course, lab int) course.LabProfile {
	var last course.LabProfile
	for _, p := range labs.Profiles() {
		if !p.AddOn && p.Lab <= lab {
			last = p
		}
	}
	return last
}

// namesOf returns the names of profiles.
func namesOf(profiles []course.LabProfile) []string {
	names := make([]string, 0, len(profiles))
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	return names
}

func findProfile(labs course.Course, name string) (course.LabProfile, error) {
	for _, p := range labs.Profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return course.LabProfile{}, usagef("no profile %q; there are: %s", name, strings.Join(everyProfile(labs), ", "))
}

// everyProfile names all profiles.
func everyProfile(labs course.Course) []string { return namesOf(labs.Profiles()) }

// DescribeProfiles lists the profiles of the labs for a help text, a line each.
func DescribeProfiles(labs course.Course) string {
	var b strings.Builder
	for _, p := range labs.Profiles() {
		fmt.Fprintf(&b, "  %-11s %s\n", p.Name, p.Text)
	}
	return b.String()
}
