package rig_test

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// answered is a second of load at a rate, with so many right answers, all of one latency.
func answered(rate, right int, latency time.Duration) load.Result {
	r := load.Result{
		Window: time.Second, Elapsed: time.Second, Planned: rate, Sent: rate, Completed: right, InWindow: right, Failed: rate - right,
		Latency: load.NewHistogram(), Lateness: load.NewHistogram(),
	}
	for range rate {
		r.Latency.Record(latency)
	}
	return r
}

// charted returns the charts of a run in which f is the only check.
func charted(t *testing.T, f func(*lab.Run)) map[string]chart.Chart {
	t.Helper()
	check := lab.Check{Name: "charts", Kind: lab.Core, Step: 1, Run: func(_ context.Context, run *lab.Run) error {
		f(run)
		return nil
	}}
	result, err := lab.Lab{Name: "98-charts", Files: fstest.MapFS{}, Checks: []lab.Check{check}}.Do(t.Context(), &lab.Run{Mode: lab.ModeCheck})
	if err != nil {
		t.Fatal(err)
	}
	charts := make(map[string]chart.Chart)
	for _, c := range result.Charts {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		charts[c.Name] = c
	}
	return charts
}

func TestLatencyCurves(t *testing.T) {
	c := rig.LatencyCurves("Latency", []load.Result{answered(10, 10, 800*time.Millisecond), answered(10, 10, time.Second)}, []load.Result{answered(10, 10, 8*time.Millisecond)})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	before, after := c.Series[0].Points, c.Series[1].Points
	if last := before[len(before)-1]; last != (chart.Point{X: 100, Y: 1000}) {
		t.Errorf("before ends at %v", last)
	}
	if last := after[len(after)-1]; last != (chart.Point{X: 100, Y: 8}) {
		t.Errorf("after ends at %v", last)
	}
	if err := rig.LatencyCurves("Latency", nil, nil).Validate(); err != nil {
		t.Errorf("without results: %v", err)
	}
}

func TestPairsChart(t *testing.T) {
	valid := measure.Validity{OK: true}
	c := rig.PairsChart(chart.Axis{Name: "goodput", Unit: "answers/s"}, measure.PairedResult{Pairs: []measure.Pair{
		{Before: 9, After: 9, WarmUp: true, Validity: valid}, {Before: 1, After: 4, Validity: valid}, {Before: 7, After: 7, Discarded: true}, {Before: 2, After: 8, Validity: valid},
	}})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	want := []chart.Point{{X: 1, Y: 4}, {X: 2, Y: 8}}
	if got := c.Series[1].Points; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("after is %v, want %v", got, want)
	}
}

func TestChartRates(t *testing.T) {
	slow, fast := 900*time.Millisecond, 20*time.Millisecond
	charts := charted(t, func(run *lab.Run) {
		rig.ChartRates(run, "one", []load.Result{answered(30, 20, slow), answered(10, 7, slow), answered(10, 10, fast), answered(20, 20, fast)}, load.Result.Goodput)
		rig.ChartRates(run, "three", []load.Result{answered(10, 10, fast), answered(60, 60, fast)}, load.Result.Goodput)
		rig.ChartRates(run, "none", []load.Result{answered(10, 1, slow)}, load.Result.Goodput)
	})
	throughput, latency := charts["Throughput against rate"], charts["Latency against rate"]
	if len(throughput.Series) != 3 || len(latency.Series) != 3 {
		t.Fatalf("%d and %d series, want 3 of each", len(throughput.Series), len(latency.Series))
	}
	if got := throughput.Series[0].Points; len(got) != 3 || got[0] != (chart.Point{X: 10, Y: 10}) || got[2] != (chart.Point{X: 30, Y: 20}) {
		t.Errorf("throughput of one: %v", got)
	}
	if want := (chart.Mark{Name: "knee, one", From: 20, To: 30}); len(throughput.Marks) != 1 || throughput.Marks[0] != want {
		t.Errorf("marks %v, want only %v", throughput.Marks, want)
	}
	if latency.Limit == nil || *latency.Limit != 200 {
		t.Errorf("the limit of latency is %v, want 200 ms", latency.Limit)
	}
}
