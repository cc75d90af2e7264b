package spec

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
)

// The bill of a live run grows from second to second by what runs then.
func TestCostChart(t *testing.T) {
	begin := five()
	after := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	seen := liveSeen{
		begin: begin, rise: after(10), fall: after(40), end: after(60),
		billed: []autoscale.Change{{At: begin, Running: 5}, {At: after(20), Running: 8}, {At: after(50), Running: 3}},
	}
	for _, minute := range []int{0, 10, 20, 30, 60} {
		seen.slices = append(seen.slices, slice{at: after(minute), ready: 5, running: 5, result: load.Merge()})
	}
	charts := seen.charts()
	for _, c := range charts {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
	bill := charts[2].Series[0].Points
	want := []float64{0, 5.0 / 6, 10.0 / 6, 18.0 / 6, (100.0 + 240 + 30) / 60}
	for i, p := range bill {
		if diff := p.Y - want[i]; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("after %v minutes the bill is %v instance-hours, want %v", p.X, p.Y, want[i])
		}
	}
	// 370/60 instance-hours at the price of a replica, beside ten for an hour.
	price := float64(replicaSize().PriceMicros) / 1e6
	for _, want := range []string{"Instance-hours", "prices.json", fmt.Sprintf("policy has cost $%.3f", price*370/60), fmt.Sprintf("ten replicas $%.3f", price*10)} {
		if !strings.Contains(charts[2].Says, want) {
			t.Errorf("the chart of the cost does not say %q: %s", want, charts[2].Says)
		}
	}
	if len(charts[1].Series[0].Points) != 0 {
		t.Error("a second without requests has a latency")
	}
	if marks := charts[0].Marks; len(marks) != 1 || marks[0] != (chart.Mark{Name: "rush", From: 10, To: 40}) {
		t.Errorf("marks %v, want only the rush, because no replica was killed", marks)
	}
}

func TestDayChart(t *testing.T) {
	c := dayChart(simulate.DinnerDay().Play(simulate.Fixed(4)))
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	running := c.Series[0].Points
	if first, last := running[0], running[len(running)-1]; first.X != 0 || last.Y != 4 || last.X < 23.9 {
		t.Errorf("running goes from %v to %v", first, last)
	}
}

func TestDayCost(t *testing.T) {
	c := dayCost(simulate.DinnerDay().Play(simulate.Fixed(4)))
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for i, perHour := range []float64{4, most} {
		for _, p := range c.Series[i].Points {
			if diff := p.Y - perHour*p.X; diff > 1e-9 || diff < -1e-9 {
				t.Fatalf("%s: after %v h the bill is %v, want %v", c.Series[i].Name, p.X, p.Y, perHour*p.X)
			}
		}
		if last := c.Series[i].Points[len(c.Series[i].Points)-1]; last.X < 23.9 {
			t.Errorf("%s ends after %v h", c.Series[i].Name, last.X)
		}
	}
}
