package chart_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/chart"
)

func TestValidate(t *testing.T) {
	good := func() chart.Chart {
		return chart.Chart{
			Name: "latency over time", X: chart.Axis{Name: "time", Unit: "s"}, Y: chart.Axis{Name: "latency", Unit: "ms"},
			Series: []chart.Series{{Name: "mean", Points: []chart.Point{{X: 0, Y: 1}, {X: 1, Y: 2}}}},
			Marks:  []chart.Mark{{Name: "replica killed", From: 0.5, To: 0.5}},
		}
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a good chart: %v", err)
	}
	for name, test := range map[string]struct {
		spoil func(*chart.Chart)
		want  string
	}{
		"no name":          {func(c *chart.Chart) { c.Name = "" }, "want a name"},
		"no axis":          {func(c *chart.Chart) { c.Y.Name = "" }, "want a name"},
		"no series":        {func(c *chart.Chart) { c.Series = nil }, "want a name"},
		"series unnamed":   {func(c *chart.Chart) { c.Series[0].Name = "" }, "has no name"},
		"points backwards": {func(c *chart.Chart) { c.Series[0].Points[1].X = -1 }, "not sorted"},
		"mark backwards":   {func(c *chart.Chart) { c.Marks[0].To = 0 }, "ends before"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good()
			test.spoil(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestFinite(t *testing.T) {
	inf := math.Inf(1)
	c := chart.Chart{
		Name: "c", X: chart.Axis{Name: "x"}, Y: chart.Axis{Name: "y"}, Limit: &inf,
		Series: []chart.Series{{Name: "s", Points: []chart.Point{{X: 0, Y: 1}, {X: 1, Y: math.NaN()}, {X: inf, Y: 2}}}},
		Marks:  []chart.Mark{{Name: "m", From: math.NaN(), To: 1}, {Name: "kept", From: 0, To: 1}},
	}
	got := c.Finite()
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
	if len(got.Series[0].Points) != 1 || len(got.Marks) != 1 || got.Limit != nil {
		t.Errorf("got %+v, want one point, one mark and no limit", got)
	}
	if len(c.Series[0].Points) != 3 || len(c.Marks) != 2 || c.Limit == nil {
		t.Errorf("the chart itself has changed: %+v", c)
	}
}
