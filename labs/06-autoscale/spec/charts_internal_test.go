package spec

import (
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
	if len(charts[1].Series[0].Points) != 0 {
		t.Error("a second without requests has a latency")
	}
	if marks := charts[0].Marks; len(marks) != 1 || marks[0] != (chart.Mark{Name: "rush", From: 10, To: 40}) {
		t.Errorf("marks %v, want only the rush, because no replica was killed", marks)
	}
}

func TestDayChart(t *testing.T) {
	c := dayChart(dinnerDay().Play(simulate.Fixed(4)))
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	running := c.Series[0].Points
	if first, last := running[0], running[len(running)-1]; first.X != 0 || last.Y != 4 || last.X < 23.9 {
		t.Errorf("running goes from %v to %v", first, last)
	}
}
