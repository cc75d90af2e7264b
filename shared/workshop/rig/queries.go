package rig

import (
	"time"

	"bytebites.example/workshop/shared/measure/chart"
)

// QueryPhase is a load at a constant rate, and the queries that reached the database in it.
type QueryPhase struct {
	Name    string
	Rate    float64 // requests a second
	Length  time.Duration
	Queries []chart.Point // a second, by seconds since the phase began
	// Flushed is when the cache was emptied, since the phase began; 0 for never.
	Flushed time.Duration
}

// QueriesChart draws phases one after the other: the rate of the requests, and the queries that reached the
// database. Their distance is what a cache saves. Times between the phases are left out.
func QueriesChart(name, what string, phases ...QueryPhase) chart.Chart {
	requests, queries := chart.Series{Name: "requests", Steps: true}, chart.Series{Name: what}
	c := chart.Chart{
		Name: name, Says: "Above the line of the requests, a request costs more than one query. Below it, the cache answers most of them. An empty cache is filled first.",
		X: chart.Axis{Name: "time of the load", Unit: "s"}, Y: chart.Axis{Name: "requests and queries", Unit: "1/s"},
	}
	from := 0.0
	for _, p := range phases {
		to := from + p.Length.Seconds()
		requests.Points = append(requests.Points, chart.Point{X: from, Y: p.Rate}, chart.Point{X: to, Y: p.Rate})
		for _, q := range p.Queries {
			if q.X <= p.Length.Seconds() { // a late reading belongs to no phase
				queries.Points = append(queries.Points, chart.Point{X: from + q.X, Y: q.Y})
			}
		}
		c.Marks = append(c.Marks, chart.Mark{Name: p.Name, From: from, To: to})
		if p.Flushed > 0 {
			at := from + p.Flushed.Seconds()
			c.Marks = append(c.Marks, chart.Mark{Name: "Redis flushed", From: at, To: at})
		}
		from = to
	}
	c.Series = []chart.Series{queries, requests}
	return c
}
