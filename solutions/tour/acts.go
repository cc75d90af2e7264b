package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/solutions/tour/claims"
)

// act is a part of the tour. Its rows share servers.
type act struct {
	name  string // for --only
	lab   string // number of the lab whose claims it shows
	title string // what it does, for the line of progress
	// setup and load are how long it takes on the machine of declaredSlowness. Starting servers takes
	// longer on a slower machine. Loads have fixed lengths.
	setup, load time.Duration
	play        func(*show, context.Context) ([]claims.Row, error)
}

// acts returns all parts, in the order in which they are played. The index of lab 00 comes first, so
// that it does not swallow the gains of the others. Lab 05 comes before lab 04: the move to shards
// leaves a map in the catalogue, and it names servers that the service of lab 05 is not given here.
func acts() []act {
	return []act{
		{name: "peak", lab: "00", title: "the monolith at the dinner peak, and one index", setup: 7 * time.Second, load: 19 * time.Second, play: (*show).peak},
		{name: "vertical", lab: "01", title: "a bigger machine, not tuned and tuned", setup: 6 * time.Second, load: 18 * time.Second, play: (*show).vertical},
		{name: "replicas", lab: "02", title: "three replicas, and one dies", setup: 8 * time.Second, load: 24 * time.Second, play: (*show).replicas},
		{name: "cache", lab: "03", title: "the menu in Redis", setup: 7 * time.Second, load: 8 * time.Second, play: (*show).cache},
		{name: "queue", lab: "05", title: "orders by way of RabbitMQ, which dies", setup: 18 * time.Second, load: 10 * time.Second, play: (*show).queue},
		{name: "shards", lab: "04", title: "user data on four servers", setup: 18 * time.Second, load: 18 * time.Second, play: (*show).shards},
		{name: "policy", lab: "06", title: "replicas that follow the load", setup: 12 * time.Second, load: 15 * time.Second, play: (*show).policy},
		{name: "dinner", lab: "07", title: "everything together, 4 to 7 PM, with faults", setup: 20 * time.Second, load: 34 * time.Second, play: (*show).evening},
	}
}

// choose returns the acts with the names in only, which commas separate; all acts when it is empty.
func choose(all []act, only string) ([]act, error) {
	if only == "" {
		return all, nil
	}
	var names []string
	for _, a := range all {
		names = append(names, a.name)
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--only %s: choose of %s", only, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(a act) bool { return !slices.Contains(wanted, a.name) }), nil
}
