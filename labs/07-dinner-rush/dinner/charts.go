package dinner

import (
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/measure/chart"
)

// chartStep is the time from one point of a chart to the next.
const chartStep = time.Second

// chart returns a chart with the seconds of the run as its X axis and the faults as its marks.
func (s Seen) chart(name, says string, y chart.Axis, series ...chart.Series) chart.Chart {
	return chart.Chart{Name: name, Says: says, X: chart.Axis{Name: "time in the run", Unit: "s"}, Y: y, Series: series, Marks: s.Marks()}
}

// QueriesChart shows the queries of the evening over time.
func (s Seen) QueriesChart(name string) chart.Chart {
	return s.chart(name, "Redis keeps reads away from PostgreSQL. When it is flushed or paused, more queries reach the catalogue, and the shards, which hold sessions.",
		chart.Axis{Name: "queries", Unit: "1/s"},
		chart.Series{Name: string(Catalogue), Points: s.Queries[Catalogue]},
		chart.Series{Name: string(Shards), Points: s.Queries[Shards]})
}

// ReplicasChart shows the number of replicas that serve, and of those that are paid.
func (s Seen) ReplicasChart(name string) chart.Chart {
	ready, paid := chart.Series{Name: "behind nginx", Steps: true}, chart.Series{Name: "paid", Steps: true}
	for _, c := range s.Counts {
		ready.Points = append(ready.Points, chart.Point{X: c.At.Seconds(), Y: float64(c.Ready)})
	}
	last := 0
	for _, r := range s.Running {
		if r.At > s.Length {
			break
		}
		last = r.Replicas
		paid.Points = append(paid.Points, chart.Point{X: r.At.Seconds(), Y: float64(last)})
	}
	paid.Points = append(paid.Points, chart.Point{X: s.Length.Seconds(), Y: float64(last)})
	return s.chart(name, "The number of replicas follows the load, and a killed one is replaced.", chart.Axis{Name: "replicas"}, ready, paid)
}

// BacklogChart shows the orders that lack an effect.
func (s Seen) BacklogChart(name string, books Books) chart.Chart {
	var all []chart.Series
	for _, effect := range []bytebites.Effect{bytebites.EffectLedger, bytebites.EffectRecommendation, bytebites.EffectEmail} {
		one := chart.Series{Name: string(effect)}
		for at := time.Duration(0); at < s.Length; at += chartStep {
			one.Points = append(one.Points, chart.Point{X: at.Seconds(), Y: float64(books.Waiting(s.Began.Add(at))[effect])})
		}
		all = append(all, one)
	}
	return s.chart(name, "The backlog grows while the broker is down. When it is back, the workers drain the backlog, also after the load.", chart.Axis{Name: "orders"}, all...)
}

// CostChart shows the price of the servers until each second of the run, in dollars of the evening.
func (s Seen) CostChart(name string, p plan.Plan) chart.Chart {
	cost := chart.Series{Name: "so far"}
	for at := chartStep; at <= s.Length; at += chartStep {
		passed := time.Duration(float64(at) / float64(s.Length) * float64(Evening))
		cost.Points = append(cost.Points, chart.Point{X: at.Seconds(), Y: p.Price(passed, s.HoursUntil(at))})
	}
	return s.chart(name, "What has run so far costs so much.", chart.Axis{Name: "cost", Unit: "$"}, cost)
}

// Waiting returns how many orders lack each effect at a time, by the clock of the databases.
func (b Books) Waiting(at time.Time) map[bytebites.Effect]int {
	missing := make(map[bytebites.Effect]int)
	for _, e := range b.Orders {
		if e.Placed.After(at) {
			continue
		}
		for _, effect := range bytebites.Effects() {
			if done := e.Done[effect]; done.IsZero() || done.After(at) {
				missing[effect]++
			}
		}
	}
	return missing
}
