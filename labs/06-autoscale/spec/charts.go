package spec

import (
	"fmt"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/chart"
)

// charts are the pictures of the live run, in minutes of the story.
func (s liveSeen) charts() []chart.Chart {
	minute := func(at time.Time) float64 { return at.Sub(s.begin).Minutes() }
	wanted, ready := chart.Series{Name: "wanted by the policy", Steps: true}, chart.Series{Name: "ready", Steps: true}
	p95 := chart.Series{Name: "p95"}
	policy, always := chart.Series{Name: "your policy"}, chart.Series{Name: "always ten"}
	for _, part := range s.slices {
		at := minute(part.at)
		wanted.Points = append(wanted.Points, chart.Point{X: at, Y: float64(part.running)})
		ready.Points = append(ready.Points, chart.Point{X: at, Y: float64(part.ready)})
		if part.result.Sent > 0 {
			p95.Points = append(p95.Points, chart.Point{X: at, Y: milliseconds(part.result.Latency.Quantile(0.95))})
		}
		policy.Points = append(policy.Points, chart.Point{X: at, Y: paid(before(s.billed, part.at), s.begin, part.at)})
		always.Points = append(always.Points, chart.Point{X: at, Y: most * part.at.Sub(s.begin).Hours()})
	}
	marks := []chart.Mark{{Name: "rush", From: minute(s.rise), To: minute(s.fall)}}
	if !s.killed.IsZero() {
		marks = append(marks, chart.Mark{Name: "replica killed", From: minute(s.killed), To: minute(s.killed)})
	}
	story := chart.Axis{Name: "time of the story", Unit: "min"}
	limit := milliseconds(serviceLevel)
	return []chart.Chart{
		{
			Name: "Replicas in the live run", Says: "Replicas follow the load: more in the rush, three again after it. A killed replica is replaced.",
			X: story, Y: chart.Axis{Name: "replicas"}, Series: []chart.Series{wanted, ready}, Marks: marks,
		},
		{
			Name: "Latency in the live run", Says: "The 95th percentile rises when the rush begins, until enough replicas are ready.",
			X: story, Y: chart.Axis{Name: "p95 of latency", Unit: "ms", Scale: chart.Log}, Series: []chart.Series{p95}, Marks: marks, Limit: &limit,
		},
		costChart("Cost of the live run, in instance-hours", story, policy, always, marks),
	}
}

// costChart is the bill of a policy over time, beside that of a fleet that always has the most replicas. The
// unit is instance-hours. Its sentence has the same in dollars, by the prices of instance/prices.json.
func costChart(name string, x chart.Axis, policy, always chart.Series, marks []chart.Mark) chart.Chart {
	one := replicaSize()
	price := float64(one.PriceMicros) / 1e6
	says := fmt.Sprintf("Instance-hours that the bill has so far. By prices.json, one hour of a %s costs $%.4f", one.Name, price)
	if n := len(policy.Points); n > 0 {
		says += fmt.Sprintf(", so at the end the policy has cost $%.3f, and ten replicas $%.3f",
			price*policy.Points[n-1].Y, price*always.Points[len(always.Points)-1].Y)
	}
	return chart.Chart{
		Name: name, Says: says + ".", X: x, Y: chart.Axis{Name: "bill so far", Unit: "instance-hours"},
		Series: []chart.Series{policy, always}, Marks: marks,
	}
}

// before returns the changes until a time.
func before(changes []autoscale.Change, until time.Time) []autoscale.Change {
	for i, change := range changes {
		if change.At.After(until) {
			return changes[:i]
		}
	}
	return changes
}

// dayChart is the simulated day: what the policy wanted, and how many replicas the load fills to the
// target.
func dayChart(played simulate.Played) chart.Chart {
	load, running := chart.Series{Name: "needed for the load"}, chart.Series{Name: "your policy", Steps: true}
	for i, row := range played.Rows {
		hour := row.At.Sub(played.Rows[0].At).Hours()
		if i%dayChartEvery == 0 {
			load.Points = append(load.Points, chart.Point{X: hour, Y: row.Load / capacity / targetUtilisation})
		}
	}
	begin := played.Rows[0].At
	for _, change := range played.Changes {
		running.Points = append(running.Points, changePoint(change, begin))
	}
	if last := len(running.Points) - 1; last >= 0 {
		running.Points = append(running.Points, chart.Point{X: played.Rows[len(played.Rows)-1].At.Sub(begin).Hours(), Y: running.Points[last].Y})
	}
	return chart.Chart{
		Name: "Replicas in the simulated day", Says: "The policy follows the load of a day, between the fewest and the most replicas that it may run.",
		X: dayAxis(), Y: chart.Axis{Name: "replicas"}, Series: []chart.Series{running, load},
	}
}

// dayCost is the bill of the simulated day.
func dayCost(played simulate.Played) chart.Chart {
	policy, always := chart.Series{Name: "your policy"}, chart.Series{Name: "always ten"}
	begin := played.Rows[0].At
	for i, row := range played.Rows {
		if i%dayChartEvery == 0 || i == len(played.Rows)-1 {
			hour := row.At.Sub(begin).Hours()
			policy.Points = append(policy.Points, chart.Point{X: hour, Y: paid(before(played.Changes, row.At), begin, row.At)})
			always.Points = append(always.Points, chart.Point{X: hour, Y: most * hour})
		}
	}
	return costChart("Cost of the simulated day, in instance-hours", dayAxis(), policy, always, nil)
}

func dayAxis() chart.Axis { return chart.Axis{Name: "time of day", Unit: "h"} }

// dayChartEvery is how many readings of a day lie between two points of the load, or of the bill.
const dayChartEvery = 20

func changePoint(c autoscale.Change, begin time.Time) chart.Point {
	return chart.Point{X: max(0, c.At.Sub(begin).Hours()), Y: float64(c.Running)}
}
