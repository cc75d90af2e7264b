package main

import (
	"context"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/solutions/06-autoscale/day"
	"bytebites.example/workshop/solutions/tour/claims"
)

// policy plays the day of lab 06 by a fake clock: a real day takes a day.
func (s *show) policy(context.Context) ([]claims.Row, error) {
	always, byPolicy := day.Always(), day.ByPolicy()
	row := claims.Bill(
		claims.Day{InstanceHours: always.InstanceHours, Overloaded: always.Overloaded, Least: 10, Most: 10},
		claims.Day{InstanceHours: byPolicy.InstanceHours, Overloaded: byPolicy.Overloaded, Least: least(byPolicy.Changes), Most: most(byPolicy.Changes)},
	)
	running, ready := chart.Series{Name: "running", Steps: true}, chart.Series{Name: "load, in replicas at 60 % CPU"}
	begin := byPolicy.Rows[0].At
	for i, r := range byPolicy.Rows {
		hour := r.At.Sub(begin).Hours()
		if i == 0 || r.Decision != r.Running {
			running.Points = append(running.Points, chart.Point{X: hour, Y: float64(r.Decision)})
		}
		if i%readingsBetweenPoints == 0 {
			ready.Points = append(ready.Points, chart.Point{X: hour, Y: r.Load / (targetUtilisation * requestsPerReplica)})
		}
	}
	row.Charts = []chart.Chart{{
		Name: "replicas in a day, by the policy of lab 06", Says: "The number of replicas follows the load, a little later than it.",
		X: chart.Axis{Name: "hour of the day", Unit: "h"}, Y: chart.Axis{Name: "replicas"}, Series: []chart.Series{running, ready},
	}}
	return []claims.Row{row}, nil
}

const (
	// readingsBetweenPoints makes a point of the chart of every tenth reading: the load changes slowly.
	readingsBetweenPoints = 10
	// The policy aims at this utilisation, and a replica of the simulated day answers so many requests
	// a second.
	targetUtilisation  = 0.6
	requestsPerReplica = 100
)

func least(changes []autoscale.Change) int {
	n := changes[0].Running
	for _, c := range changes {
		n = min(n, c.Running)
	}
	return n
}

func most(changes []autoscale.Change) int {
	n := 0
	for _, c := range changes {
		n = max(n, c.Running)
	}
	return n
}
