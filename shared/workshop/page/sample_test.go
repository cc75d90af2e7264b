package page_test

import (
	"math"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/page"
	"bytebites.example/workshop/shared/workshop/page/plot"
)

// sample is a page with one of everything.
func sample() page.Page {
	limit := 150.0
	var mean, monolith, replicas, cost []chart.Point
	for s := 0.0; s <= 90; s++ {
		wave := 1 + math.Sin(s/90*math.Pi)
		mean = append(mean, chart.Point{X: s, Y: 40*wave + 5*math.Sin(s*1.7)})
		monolith = append(monolith, chart.Point{X: s, Y: 300*wave*wave + 60*math.Sin(s)})
		replicas = append(replicas, chart.Point{X: s, Y: math.Round(3 + 7*(wave-1))})
		cost = append(cost, chart.Point{X: s, Y: 0.3 * wave})
	}
	curve := func(k float64) (points []chart.Point) {
		for _, q := range []float64{0, 25, 50, 75, 90, 95, 99, 99.9, 100} {
			points = append(points, chart.Point{X: q, Y: k * math.Pow(10, 1+q/100)})
		}
		return points
	}
	return page.Page{
		Title: "Lab 98-sample, your code", Note: "made 2026-03-01 18:30 UTC on commit 0123abc, 2 hours ago",
		Verdict: page.Badge{Text: "NOT YET", Tone: page.Bad}, Meaning: "the code does not do what the lab asks yet (74.6 s)",
		Foot: "The figures are in .workshop/98-sample/result.json.",
		Sections: []page.Section{
			{Title: "What to mend", Problems: []page.Problem{
				{Name: "no order lost", Verdict: page.Badge{Text: "not yet", Tone: page.Bad}, Parts: []page.Part{
					{Label: "expected", Text: "every one of 400 orders once"},
					{Label: "saw", Text: "3 of them twice: o-17-00ab34cd, o-17-00ab34ce and o-19-00ab34cf"},
					{Label: "look at", Text: "publisher.go, publish: which key does it give a message?"},
				}},
				{Name: "compile", Verdict: page.Badge{Text: "not yet", Tone: page.Bad}, Raw: "labs/05-queue/publisher.go:17:4: undefined: confirm\nlabs/05-queue/publisher.go:20:4: too many errors"},
				{Name: "restart", Verdict: page.Badge{Text: "inconclusive", Tone: page.Doubt}, Parts: []page.Part{{Label: "because", Text: "the load generator was late"}}},
			}},
			{Title: "Empty"},
			{Title: "Gains", Gains: []page.Gain{
				{Name: "rush mean", Verdict: page.Badge{Text: "pass", Tone: page.Good}, Text: []string{"812 ms before, 208 ms after: 3.9 times better (3.62x to 4.18x, 6 pairs, floor 2x)."}, Floor: 2, Estimates: []plot.Estimate{{Low: 3.62, Value: 3.9, High: 4.18}}},
				{Name: "statements", Verdict: page.Badge{Text: "pass", Tone: page.Good}, Text: []string{"counted"}, Floor: 20, Estimates: []plot.Estimate{{Low: 712, Value: 712, High: 712}}},
				{Name: "two machines", Text: []string{"A and B overlap."}, Floor: 2, Estimates: []plot.Estimate{{Name: "A", Low: 1.6, Value: 2.3, High: 3.1}, {Name: "B, on another machine", Low: 0.8, Value: 1.4, High: 2.6}}},
				{Name: "not measured", Verdict: page.Badge{Text: "not reached", Tone: page.Quiet}, Text: []string{"A core check did not pass."}, Estimates: []plot.Estimate{{}}},
			}},
			{Title: "Checks", Tables: []page.Table{{Columns: []page.Column{{Name: "check"}, {Name: "verdict"}, {Name: "time", Number: true}, {Name: "expected, and seen"}}, Rows: [][]page.Cell{
				{{Text: "dinner is served"}, {Text: "pass", Tone: page.Good}, {Text: "9.1 s"}, {Text: "below the knee every request of a dinner mix gets a right answer", Note: "saw 480 requests, none failed"}},
				{{Text: "no order lost"}, {Text: "not yet", Tone: page.Bad}, {Text: "21.0 s"}, {Text: "the broker dies in the middle of a dinner rush and comes back, and every order is there once"}},
			}}}},
			{Title: "Charts", Charts: []chart.Chart{
				{Name: "Latency over time", Says: "The mean stays under the limit through all faults.", X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "mean latency", Unit: "ms", Scale: chart.Log},
					Series: []chart.Series{{Name: "monolith", Points: monolith}, {Name: "all labs", Points: mean}}, Limit: &limit,
					Marks: []chart.Mark{{Name: "replica killed", From: 20, To: 20}, {Name: "Redis paused", From: 30, To: 34}, {Name: "broker restarted", From: 36, To: 44}, {Name: "shard paused", From: 50, To: 51}, {Name: "bad deployment rolled back", From: 70, To: 85}}},
				{Name: "Percentiles of latency", Says: "Each line shows which latency a share of the requests does not exceed.", X: chart.Axis{Name: "percentile", Unit: "%", Scale: chart.Nines}, Y: chart.Axis{Name: "latency", Unit: "ms", Scale: chart.Log},
					Series: []chart.Series{{Name: "before", Points: curve(10)}, {Name: "after", Points: curve(1)}}},
				{Name: "Throughput against rate", Says: "Right answers a second grow with the rate up to the knee.", X: chart.Axis{Name: "offered rate", Unit: "requests/s"}, Y: chart.Axis{Name: "goodput", Unit: "answers/s"},
					Series: []chart.Series{{Name: "one replica", Points: []chart.Point{{X: 10, Y: 10}, {X: 15, Y: 15}, {X: 22.5, Y: 21}, {X: 33.75, Y: 20}}}, {Name: "three replicas", Points: []chart.Point{{X: 10, Y: 10}, {X: 15, Y: 15}, {X: 22.5, Y: 22.5}, {X: 33.75, Y: 33.6}}},
						{Name: "the ideal of answering all", Points: []chart.Point{{X: 10, Y: 10}, {X: 33.75, Y: 33.75}}}},
					Marks: []chart.Mark{{Name: "knee", From: 15, To: 22.5}}},
				{Name: "Replicas over time", Says: "Replicas follow the load.", X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "replicas"}, Series: []chart.Series{{Name: "replicas", Points: replicas, Steps: true}}},
				{Name: "Eight lines", Says: "Each has its own colour, dash and marker.", X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "cost", Unit: "USD/h"}, Series: []chart.Series{
					{Name: "a", Points: cost}, {Name: "b", Points: scaled(cost, 1.1)}, {Name: "c", Points: scaled(cost, 1.2)}, {Name: "d", Points: scaled(cost, 1.5)}, {Name: "e", Points: scaled(cost, 1.7)}, {Name: "f with a name that goes on and on", Points: scaled(cost, 2)},
					{Name: "g", Points: scaled(cost, 2.2)}, {Name: "h", Points: scaled(cost, 2.4)}}},
				{Name: "Lines that end early", Says: "Their names do not cover one another.", X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "replicas"}, Series: []chart.Series{
					{Name: "behind nginx", Points: replicas[:60], Steps: true}, {Name: "paid", Points: replicas[:60], Steps: true}},
					Marks: []chart.Mark{{Name: "first", From: 0, To: 30}, {Name: "second", From: 30, To: 60}, {Name: "broker restarted", From: 60, To: 100}}},
				{Name: "One point", Says: "It is a marker.", X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "orders"}, Series: []chart.Series{{Name: "only", Points: []chart.Point{{X: 3, Y: 7}}}}},
			}},
		},
	}
}

func scaled(points []chart.Point, k float64) []chart.Point {
	out := make([]chart.Point, len(points))
	for i, p := range points {
		out[i] = chart.Point{X: p.X, Y: p.Y * k}
	}
	return out
}
