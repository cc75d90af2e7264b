package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/below"
	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/solutions/07-dinner-rush"
	"bytebites.example/workshop/solutions/tour/claims"
)

const (
	// eveningLength is a third of that of lab 07's check, with the same rates and faults.
	eveningLength = 30 * time.Second
	eveningPeople = 40
	// eveningPart is how long each point of the chart stands for.
	eveningPart = time.Second
)

// evening plays the dinner of lab 07 on servers of its own: all solutions, by the plan of the solution.
func (s *show) evening(ctx context.Context) (rows []claims.Row, err error) {
	planned, err := plan.Parse(rush.Plan())
	if err != nil {
		return nil, err
	}
	bed, err := testbed.Start(ctx, testbed.Options{Progress: s.report})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bed.Close()) }()
	labs := below.Solutions()
	var stack *dinner.Stack
	err = s.doing(fmt.Sprintf("start everything, with %d subscribers on %d shards", seed.Full().Users, planned.Shards.Count), func(step *progress.Step) (err error) {
		stack, err = dinner.Open(ctx, bed, dinner.Options{
			Plan: planned, Program: dinner.Program{Package: labs.Package, Args: labs.Args},
			Router: labs.Router, Policy: labs.Policy, Nginx: labs.Nginx, Redis: labs.Redis,
			Size: seed.Full(), People: eveningPeople, MailDelay: peakMail, Progress: step.Detail,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	var seen dinner.Seen
	var books dinner.Books
	err = s.doing(fmt.Sprintf("4 to 7 PM in %s, with %d faults", eveningLength, len(dinner.Announced(eveningLength))), func(*progress.Step) (err error) {
		if seen, err = stack.Play(ctx, eveningLength, dinner.Announced(eveningLength)); err != nil {
			return err
		}
		books, err = stack.CloseBooks(ctx, seen)
		return err
	})
	if err != nil {
		return nil, err
	}
	row := claims.Dinner(claims.Evening{
		Load:        claims.NewLoad("dinner", "everything", measure.Observation{Result: seen.Result, Validity: measure.Round{Result: seen.Result}.Check()}),
		Subscribers: seed.Full().Users, PeakRate: dinner.Curve(eveningLength).Peak, Faults: len(seen.Events),
		Accepted: books.Accepted, Wrong: len(books.Wrong) + len(books.Stock), Late: books.Missing, Lost: books.Lost,
	})
	row.Charts = []chart.Chart{
		eveningChart(seen), seen.QueriesChart("lab 07: queries from 4 to 7 PM"), seen.ReplicasChart("lab 07: replicas from 4 to 7 PM"),
		seen.BacklogChart("lab 07: orders with missing effects from 4 to 7 PM", books), seen.CostChart("lab 07: cost from 4 to 7 PM", planned),
	}
	return []claims.Row{row}, nil
}

// eveningChart shows the mean latency of each second, with the faults.
func eveningChart(seen dinner.Seen) chart.Chart {
	limit := float64(claims.DinnerMS)
	c := chart.Chart{
		Name: "lab 07: latency from 4 to 7 PM", Says: "Each point is the mean of the requests of a second. The bands are faults on purpose.",
		X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "mean latency", Unit: "ms"}, Limit: &limit,
		Marks: seen.Marks(),
	}
	mean := chart.Series{Name: "mean"}
	for at := time.Duration(0); at < seen.Length; at += eveningPart {
		if m := load.MeanBetween(seen.Result.Requests, at, at+eveningPart); m > 0 {
			mean.Points = append(mean.Points, chart.Point{X: at.Seconds(), Y: 1000 * m.Seconds()})
		}
	}
	c.Series = []chart.Series{mean}
	return c
}
