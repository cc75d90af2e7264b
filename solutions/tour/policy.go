package main

import (
	"context"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/solutions/06-autoscale"
	"bytebites.example/workshop/solutions/tour/claims"
)

// liveBefore is how long the tour may have taken when the live run begins. On a slow machine there is
// no time for it, because the dinner still comes.
const liveBefore = 200 * time.Second

// policy plays the day of lab 06 by a fake clock, because a real day takes a day. If there is time, the
// policy then runs real replicas.
func (s *show) policy(ctx context.Context) ([]claims.Row, error) {
	bill := s.bill()
	if time.Since(s.began) > liveBefore {
		s.report.Note("no time for the live run of lab 06: go tool workshop tour --only policy")
		bill.Details = append(bill.Details, "There was no time for the live run: go tool workshop tour --only policy.")
		return []claims.Row{bill}, nil
	}
	live, err := s.live(ctx)
	return []claims.Row{bill, live}, err
}

// bill compares the instance-hours of the day.
func (s *show) bill() claims.Row {
	always, byPolicy := days()
	row := claims.Bill(
		claims.Day{InstanceHours: always.InstanceHours, Overloaded: always.Overloaded, Least: mostReplicas, Most: mostReplicas},
		claims.Day{InstanceHours: byPolicy.InstanceHours, Overloaded: byPolicy.Overloaded, Least: least(byPolicy.Changes), Most: most(byPolicy.Changes)},
	)
	running, needed := chart.Series{Name: "running", Steps: true}, chart.Series{Name: "needed at 60 % CPU"}
	begin := byPolicy.Rows[0].At
	for i, r := range byPolicy.Rows {
		hour := r.At.Sub(begin).Hours()
		if i == 0 || r.Decision != r.Running {
			running.Points = append(running.Points, chart.Point{X: hour, Y: float64(r.Decision)})
		}
		if i%readingsBetweenPoints == 0 {
			needed.Points = append(needed.Points, chart.Point{X: hour, Y: r.Load / (targetUtilisation * simulate.DinnerDay().Capacity)})
		}
	}
	row.Charts = []chart.Chart{{
		Name: "replicas in a day, by the policy of lab 06", Says: "The number of replicas follows the load, a little later than it.",
		X: chart.Axis{Name: "hour of the day", Unit: "h"}, Y: chart.Axis{Name: "replicas"}, Series: []chart.Series{running, needed},
	}}
	return row
}

// days plays the day with ten replicas from morning to morning, and with the policy.
func days() (always, byPolicy simulate.Played) {
	fixed := simulate.DinnerDay()
	fixed.Running = mostReplicas
	return fixed.Play(simulate.Fixed(mostReplicas)), simulate.DinnerDay().Play(scaling.Desired)
}

const (
	mostReplicas = 10 // as many as the dinner needs
	// readingsBetweenPoints makes a point of the chart of every tenth reading: the load changes slowly.
	readingsBetweenPoints = 10
	targetUtilisation     = 0.6 // that the policy aims at
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
