package rig_test

import (
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/rig"
)

func TestQueriesChart(t *testing.T) {
	c := rig.QueriesChart("Queries over time", "catalogue queries",
		rig.QueryPhase{Name: "without a cache", Rate: 35, Length: 3 * time.Second, Queries: []chart.Point{{X: 0.5, Y: 70}, {X: 2.5, Y: 72}, {X: 3.2, Y: 4}}},
		rig.QueryPhase{Name: "empty cache", Rate: 150, Length: 2 * time.Second, Queries: []chart.Point{{X: 0.5, Y: 90}, {X: 1.5, Y: 9}}},
		rig.QueryPhase{Name: "emptied", Rate: 150, Length: 2 * time.Second, Flushed: time.Second},
	)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if want := []chart.Point{{X: 0.5, Y: 70}, {X: 2.5, Y: 72}, {X: 3.5, Y: 90}, {X: 4.5, Y: 9}}; !slices.Equal(c.Series[0].Points, want) {
		t.Errorf("queries %v, want %v", c.Series[0].Points, want)
	}
	if want := []chart.Point{{X: 0, Y: 35}, {X: 3, Y: 35}, {X: 3, Y: 150}, {X: 5, Y: 150}, {X: 5, Y: 150}, {X: 7, Y: 150}}; !slices.Equal(c.Series[1].Points, want) {
		t.Errorf("requests %v, want %v", c.Series[1].Points, want)
	}
	marks := []chart.Mark{
		{Name: "without a cache", From: 0, To: 3}, {Name: "empty cache", From: 3, To: 5}, {Name: "emptied", From: 5, To: 7}, {Name: "Redis flushed", From: 6, To: 6},
	}
	if !slices.Equal(c.Marks, marks) {
		t.Errorf("marks %v, want %v", c.Marks, marks)
	}
}
